#!/bin/sh
# activate: make this system the running one.
system=$(dirname "$(readlink -f "$0")")
echo "setting up /etc..."
mkdir -p /etc/static.d
for file in "$system"/etc/*; do ln -sfn "$file" /etc/static.d/; done
if [ -s "$system/lab/fail-activation" ]; then
    echo "Activation script snippet 'etc' failed (1)" >&2
    exit 1
fi
ln -sfn "$system" /run/current-system
