# shellcheck shell=sh
# vetted.sh: which systems a login without root's rights may make this unit run.

# vetted PATH: it has run here before, or each path of its closure is signed by a key that /etc/nix/nix.conf trusts. What the
# login built or copied by itself is neither, whoever's word says that it is valid.
vetted() {
    case $1 in /nix/store/*) ;; *) return 1 ;; esac
    case ${1#/nix/store/} in '' | .* | *[!0-9A-Za-z+._?=-]*) return 1 ;; esac
    for vetted_l in "$root"/nix/var/nix/profiles/system-*-link; do
        [ "$(readlink "$vetted_l" 2>/dev/null)" != "$1" ] || return 0
    done
    [ ! -L "$root/nix/var/nix/gcroots/clavel/${1##*/}" ] || return 0
    limit 300 nix --extra-experimental-features nix-command store verify --recursive --no-contents --sigs-needed 1 "$1" \
        >/dev/null 2>&1 </dev/null
}
