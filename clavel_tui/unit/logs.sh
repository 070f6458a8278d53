# shellcheck shell=sh
# logs.sh PATH TAIL FOLLOW [SERVICE...]: a stack's logs. It ends when its stdin does, so a cut connection leaves no process.
cd "$1" || { echo "the folder $1 is not there" >&2; exit 66; }
tail=$2
follow=$3
exec 3<&0
shift 3
if [ "$follow" != 1 ]; then
    exec docker compose logs --no-color --timestamps --tail "$tail" "$@"
fi
docker compose logs --no-color --timestamps --tail "$tail" --follow "$@" 2>&1 </dev/null &
pid=$!
{ cat >/dev/null; kill "$pid" 2>/dev/null; } <&3 3<&- &
wait "$pid"
exit 0
