# shellcheck shell=sh
# secrets.sh: which keys a system closure will look for on this unit when it is activated, and which of them are not there.
# Without them it has no passwords, no certificates: found before anything runs, it costs a sentence and not a login.

# secrets_lacking CLOSURE [FILE...]: those of FILE, and those that the closure names, that are not there; one a line.
# sops-nix, through which clan brings its vars, names its keys in a manifest; agenix in the activation script itself.
secrets_lacking() {
    lacking_c=$root$1
    shift
    for lacking_f in "$@"; do
        [ -e "$root$lacking_f" ] || printf '%s\n' "$lacking_f"
    done
    set -f
    # shellcheck disable=SC2013  # store paths have no blanks
    for lacking_m in $(sed -n 's|.*\(/nix/store/[^ "/]*manifest[^ "/]*\.json\).*|\1|p' "$lacking_c/activate" \
        "$lacking_c/etc/systemd/system/sops-install-secrets.service" 2>/dev/null | LC_ALL=C sort -u); do
        lacking_key=$(manifest_paths "$lacking_m" ageKeyFile)
        if [ -z "$lacking_key" ]; then
            one_of "$(manifest_paths "$lacking_m" ageSshKeyPaths) $(manifest_paths "$lacking_m" sshKeyPaths)"
        elif ! grep -q 'age-keygen' "$lacking_c/activate" 2>/dev/null; then
            one_of "$lacking_key"
        fi
    done
    one_of "$(sed -n 's/.*identityPaths entry \(\/[^ ]*\) not present.*/\1/p' "$lacking_c/activate" 2>/dev/null)"
    set +f
}

# manifest_paths FILE KEY: the path or the paths that JSON of one line has there; null and [] are none.
manifest_paths() {
    sed -n -e "s/.*\"$2\":\(\"[^\"]*\"\).*/\1/p" -e "s/.*\"$2\":\(\[[^]]*\]\).*/\1/p" "$root$1" 2>/dev/null |
        tr -d '[]"' | tr ',' ' '
}

# one_of "PATHS": any of them is enough.
one_of() {
    one_said=
    for one_p in $1; do
        [ ! -e "$root$one_p" ] || return 0
        one_said=${one_said:+$one_said or }$one_p
    done
    [ -z "$one_said" ] || printf '%s\n' "$one_said"
}
