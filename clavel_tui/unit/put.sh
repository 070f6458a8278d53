# shellcheck shell=sh
# put.sh SUM < tar: unpack a bundle beside nothing else, check every file against SUMS, print the folder.
# A stream that was cut leaves nothing that could be run: the folder is named on stdout only when it is whole.
umask 077
base=${TMPDIR:-/tmp}
find "$base" -maxdepth 1 -name 'clavel-put.*' -user "$(id -u)" -mtime +1 -exec rm -rf {} + 2>/dev/null
dir=$(mktemp -d "$base/clavel-put.XXXXXX") || exit 71
trap 'rm -rf "$dir"' EXIT
trap 'exit 70' HUP INT TERM PIPE
tar -xpf - -C "$dir" || { echo "the bundle could not be unpacked in $dir" >&2; exit 72; }
cd "$dir" || exit 72
if command -v sha256sum >/dev/null 2>&1; then sum=sha256sum; else sum='shasum -a 256'; fi
found=$($sum <SUMS) || exit 73
if [ "${found%% *}" != "$1" ] || ! $sum -c SUMS >/dev/null; then
    echo "the bundle did not arrive whole" >&2
    exit 73
fi
trap - EXIT
printf '%s\n' "$dir"
