# shellcheck shell=sh
# garbage.sh: the store paths that nobody needs now: "dead COUNT BYTES". It deletes nothing.
dead=$(nix-store --gc --print-dead 2>/dev/null) || exit 1
[ -n "$dead" ] || { printf 'dead\t0\t0\n'; exit 0; }
# Files that never became paths (locks, what a build left) are listed as well, have no size, and end the query of it.
dead=$(printf '%s\n' "$dead" | grep '^/nix/store/')
none=$(printf '%s\n' "$dead" | xargs nix-store --check-validity --print-invalid 2>/dev/null)
{ printf '%s\n' "$none" | sed 's/^/-/'; printf '%s\n' "$dead"; } |
    awk '/^-/ { none[substr($0, 2)] = 1; next } !($0 in none)' | xargs nix-store --query --size 2>/dev/null |
    awk 'NF { n += 1; b += $1 } END { printf "dead\t%d\t%.0f\n", n, b }'
