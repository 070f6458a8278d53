# shellcheck shell=sh
# logs.sh PATH TAIL FOLLOW [SERVICE...]: a stack's logs. A query: it is ended with its channel.
cd "$1" || { echo "the folder $1 is not there" >&2; exit 66; }
tail=$2
follow=$3
shift 3
if [ "$follow" != 1 ]; then
    exec docker compose logs --no-color --timestamps --tail "$tail" "$@"
fi
exec docker compose logs --no-color --timestamps --tail "$tail" --follow "$@" 2>&1
