#!/bin/sh
# Before images are pulled: settings and database as they are, since a rollback leaves ./config as it is.
set -eu
into=/var/backups/home-assistant
[ -d config ] || exit 0
mkdir -p "$into"
tar -czf "$into/new.tar.gz" config
mv "$into/new.tar.gz" "$into/before-update.tar.gz"
