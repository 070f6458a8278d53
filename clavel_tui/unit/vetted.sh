# shellcheck shell=sh
# vetted.sh: which systems a login without root's rights may make this unit run.

# vetted PATH KEYS: it has run here before; or it bears a signature by one of KEYS, and each path that it needs is signed by a key
# that /etc/nix/nix.conf trusts, or is part of what has run here. What the login built or put into the store by itself is none
# of these, whoever's word says that it is valid; and a signature of a public cache says nothing of whose system it is.
vetted() {
    case $1 in /nix/store/*) ;; *) return 1 ;; esac
    case ${1#/nix/store/} in '' | .* | *[!0-9A-Za-z+._?=-]*) return 1 ;; esac
    vetted_runs=$(has_run)
    ! listed "$1" "$vetted_runs" || return 0
    [ -n "$2" ] || return 1
    # The key signs the systems of all units: this one's own are named alike, but for the version.
    [ "$(whose "$1")" = "$(whose "$(readlink "$root/run/current-system")")" ] || return 1
    # What is named by its own content counts as signed, and anybody may put such a thing into the store.
    vetted_sigs=$(verifying path-info --sigs "$1") || return 1
    case $vetted_sigs in '' | *[[:space:]]ca:*) return 1 ;; esac
    verifying --option trusted-public-keys "$2" store verify --no-contents --sigs-needed 1 "$1" >/dev/null || return 1
    vetted_rc=0
    vetted_said=$(verifying store verify --recursive --no-contents --sigs-needed 1 "$1") || vetted_rc=$?
    case $vetted_rc in
    0) return 0 ;;
    2) ;; # nothing is wrong but that some are signed by nobody: a copy leaves out what is there already, with its signature
    *) return 1 ;;
    esac
    {
        # shellcheck disable=SC2086  # store paths
        nix-store --query --requisites $vetted_runs | sed 's/^/known /'
        printf '%s\n' "$vetted_said" | sed -n "s/.*path '\\(\\/nix\\/store\\/[^' ]*\\)' is untrusted.*/unsigned \\1/p"
    } 2>/dev/null | awk '
        $1 == "known" { known[$2] = 1; next }
        { n += 1; if (!($2 in known)) strange = 1 }
        END { exit strange || !n }'
}

# whose PATH: the name of a system without its hash and its version: `nixos-system-cinnabar`.
whose() { printf '%s\n' "${1##*/}" | sed 's/^[^-]*-//; s/-[0-9][0-9.]*[^-]*\(-git\)\{0,1\}$//'; }

# verifying ARGS...: with no key of this machine's own, by which whatever is built here would be signed by itself.
verifying() {
    limit 300 nix --extra-experimental-features nix-command --option secret-key-files '' "$@" 2>&1 </dev/null
}

# has_run: systems that root has made this unit run: those with a generation, and those that our roots keep.
has_run() {
    for has_l in "$root"/nix/var/nix/profiles/system-*-link; do
        has_p=$(readlink "$has_l" 2>/dev/null) && [ -e "$root$has_p" ] && printf '%s\n' "$has_p"
    done
    for has_l in "$root"/nix/var/nix/gcroots/clavel/*; do
        [ ! -L "$has_l" ] || [ ! -e "$root/nix/store/${has_l##*/}" ] || printf '/nix/store/%s\n' "${has_l##*/}"
    done
}
