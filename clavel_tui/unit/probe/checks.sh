# shellcheck shell=sh
# checks: what unit.toml asks to be looked at on the unit. $CLAVEL_CHECKS: a line each, "systemd NAME" or "command LINE".
printf '%s\n' "$CLAVEL_CHECKS" | while read -r kind what; do
    case $kind in
    systemd) systemctl is-active --quiet -- "$what" 2>/dev/null ;;
    command) limit 5 sh -c "$what" >/dev/null 2>&1 ;;
    *) continue ;;
    esac
    printf 'check\t%s\t%s\t%s\n' "$?" "$kind" "$what"
done
if itself "${CLAVEL_TYPE:-}" && places "$CLAVEL_TYPE" && [ -x "$running/bin/check" ]; then
    limit 5 "$running/bin/check" >/dev/null 2>&1
    printf 'check\t%s\tcommand\tbin/check of what it runs\n' "$?"
fi
exit 0
