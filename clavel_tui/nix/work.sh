# shellcheck shell=sh
# work CMD...: on the workstation. What it says comes line by line, as our stdout. It ends with our stdin: a console that is
# killed leaves no builder and no copy behind.
exec 3<&0
"$@" 2>&1 </dev/null 3<&- &
worker=$!
(
    read -r _ <&3
    kill "$worker"
    sleep 3
    kill -9 "$worker"
) >/dev/null 2>&1 &
watcher=$!
wait "$worker"
code=$?
kill "$watcher"
exit "$code"
