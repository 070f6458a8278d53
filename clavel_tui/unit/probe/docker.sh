# shellcheck shell=sh
# docker: versions, every Compose project's containers, and the images that they and the releases name.
have docker || { printf 'docker\tmissing\n'; exit 0; }
server=$(D version --format '{{.Server.Version}}' 2>&1) || { printf 'docker\tsilent\t%s\n' "$(printf '%s' "$server" | tail -n 1)"; exit 0; }
printf 'docker\t%s\n' "$server"
printf 'compose\t%s\n' "${CLAVEL_COMPOSE:-$(D compose version --short 2>/dev/null)}"
containers=$(container_lines)
[ -z "$containers" ] || printf '%s\n' "$containers" | sed 's/^/container	/'
printf 'images\t%s\n' "$(D image ls -aq --no-trunc | LC_ALL=C sort -u | tr '\n' ' ')"
# shellcheck disable=SC2046  # image ids
image_lines $(printf '%s\n' "$containers" | cut -f 4 | LC_ALL=C sort -u) | sed 's/^/image	/'
exit 0
