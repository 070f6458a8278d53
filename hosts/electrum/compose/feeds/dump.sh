#!/bin/sh
# Before images are pulled: a dump to go back to, since a rollback leaves volumes as they are.
set -eu
into=/var/backups/feeds
[ -n "$(docker compose ps --quiet --status running db)" ] || exit 0
mkdir -p "$into"
docker compose exec -T db pg_dump --username miniflux --format custom miniflux >"$into/new.dump"
mv "$into/new.dump" "$into/before-update.dump"
