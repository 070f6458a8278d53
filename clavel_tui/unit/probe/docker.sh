# shellcheck shell=sh
# docker: versions, every Compose project's containers, and the images that they and the releases name.
have docker || { printf 'docker\tmissing\n'; exit 0; }
silent() { printf 'docker\tsilent\t%s\n' "$(printf '%s' "$1" | tail -n 1)" && exit 0; }
# Its version is asked where it is not known; that it answers is seen by its containers as well.
server=${CLAVEL_DOCKER:-$(D version --format '{{.Server.Version}}' 2>&1)} || silent "$server"
if ! ids=$(container_ids 2>/dev/null); then
    why=$(container_ids 2>&1 >/dev/null) || silent "$why"
    ids=$(container_ids 2>/dev/null) || silent "it answers now and then"
fi
printf 'docker\t%s\n' "$server"
printf 'compose\t%s\n' "${CLAVEL_COMPOSE:-$(D compose version --short 2>/dev/null)}"
if [ -n "$ids" ]; then
    # shellcheck disable=SC2086  # ids are hexadecimal
    containers=$(inspect_containers $ids)
    [ -z "$containers" ] || printf '%s\n' "$containers" | sed 's/^/container	/'
    # shellcheck disable=SC2046  # image ids
    image_lines $(printf '%s\n' "$containers" | cut -f 4 | LC_ALL=C sort -u) | sed 's/^/image	/'
fi
# Which images there are besides is asked for the releases' sake.
set -- "$stacks"/*
[ ! -d "$1" ] || printf 'images\t%s\n' "$(D image ls -aq --no-trunc | LC_ALL=C sort -u | tr '\n' ' ')"
exit 0
