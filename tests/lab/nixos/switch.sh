#!/bin/sh
# switch-to-configuration with the verbs, the words, the lock file and the exit codes of NixOS's own:
# 0 fine, 1 not begun, 2 the activation failed, 4 some units failed.
system=$(dirname "$(dirname "$(readlink -f "$0")")")
running=$(readlink -f /run/current-system)
verb=${1:-}
case $verb in
switch | boot | test | dry-activate) ;;
check) exit 0 ;;
*)
    echo "Usage: $0 [check|switch|boot|test|dry-activate]" >&2
    exit 1
    ;;
esac
mkdir -p /run/nixos
exec 9>/run/nixos/switch-to-configuration.lock
flock -n 9 || {
    echo "Could not acquire lock" >&2
    exit 1
}

names() { ls "$1/etc/units" 2>/dev/null; }
stopped=$(for unit in $(names "$running"); do [ -e "$system/etc/units/$unit" ] || echo "$unit"; done)
started=$(for unit in $(names "$system"); do [ -e "$running/etc/units/$unit" ] || echo "$unit"; done)
restarted=$(for unit in $(names "$system"); do
    [ ! -e "$running/etc/units/$unit" ] || cmp -s "$system/etc/units/$unit" "$running/etc/units/$unit" || echo "$unit"
done)
say() { [ -z "$2" ] || echo "$1 the following units: $(echo $2 | sed 's/ /, /g')" >&2; }

if [ "$verb" = dry-activate ]; then
    say "would stop" "$stopped"
    echo "would activate the configuration..." >&2
    say "would restart" "$restarted"
    say "would start" "$started"
    exit 0
fi
if [ "$verb" != boot ] && [ -s "$system/switch-inhibitors" ] && ! cmp -s "$system/switch-inhibitors" "$running/switch-inhibitors"; then
    echo "Pre-switch check 'switchInhibitors' failed" >&2
    cat "$system/switch-inhibitors" >&2
    exit 1
fi
if [ "$verb" != test ]; then
    mkdir -p /boot/loader && echo "default $system" >/boot/loader/loader.conf && sync || exit 1
fi
[ "$verb" != boot ] || exit 0

say stopping "$stopped"
echo "activating the configuration..." >&2
"$system/activate" || {
    echo "Failed to run activate script" >&2
    exit 2
}
sleep "$(cat "$system/lab/slow")"
# A system brings up the network that it describes: to go back to one that works mends the link.
way=up
[ ! -s "$system/lab/cut-network" ] || way=down
for link in /sys/class/net/*; do
    [ "${link##*/}" = lo ] || ip link set "${link##*/}" "$way" 2>/dev/null
done
failed=$(cat "$system/lab/fail-units")
if [ -d /run/systemd/system ]; then
    for unit in $stopped; do
        systemctl stop "$unit" 2>/dev/null
        rm -f "/run/systemd/system/$unit"
    done
    for unit in $restarted $started; do cp "$system/etc/units/$unit" "/run/systemd/system/$unit"; done
    systemctl daemon-reload
    for unit in $restarted $started; do
        systemctl restart "$unit" 2>/dev/null
        ! systemctl is-failed -q "$unit" || failed="$failed $unit"
    done
fi
say restarting "$restarted"
say starting "$started"
if [ -n "$failed" ]; then
    echo "warning: the following units failed: $(echo $failed | sed 's/ /, /g')" >&2
    exit 4
fi
