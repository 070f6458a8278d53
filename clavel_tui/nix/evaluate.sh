# shellcheck shell=sh
# evaluate NIX KIB OPTION...: what it says on stderr comes line by line, as our stdout; its answer is not needed.
nix=$1 kib=$2
shift 2
if [ "$kib" != 0 ]; then
    # Not everywhere (darwin): then it is not bounded, which is said where the bound is documented.
    # shellcheck disable=SC3045
    ulimit -v "$kib" 2>/dev/null || :
fi
# Our stdin stays open for as long as the console lives: one that is killed leaves no evaluator behind.
exec 3<&0
"$nix" --extra-experimental-features nix-command --extra-experimental-features flakes \
    --option allow-import-from-derivation false --option warn-dirty false "$@" 2>&1 >/dev/null </dev/null 3<&- &
evaluator=$!
(read -r _ <&3; kill -9 "$evaluator") >/dev/null 2>&1 &
watcher=$!
wait "$evaluator"
code=$?
kill "$watcher"
exit "$code"
