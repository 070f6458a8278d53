# shellcheck shell=sh
# garbage.sh: the store paths that nobody needs now: "dead COUNT BYTES". It deletes nothing.
dead=$(nix-store --gc --print-dead 2>/dev/null) || exit 1
[ -n "$dead" ] || { printf 'dead\t0\t0\n'; exit 0; }
# Files that never became paths are listed as well, and have no size: they are left out.
sizes=$(printf '%s\n' "$dead" | grep '^/nix/store/' | xargs nix-store --query --size 2>/dev/null)
printf '%s\n' "$sizes" | awk '{ n += 1; b += $1 } END { printf "dead\t%d\t%.0f\n", n, b }'
