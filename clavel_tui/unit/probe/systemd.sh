# shellcheck shell=sh
# systemd: units that failed, and whether a clavel-agent service is there. darwin: launchd knows the agent.
if [ -d "$root/run/systemd/system" ] && have systemctl; then
    printf 'init\tsystemd\n'
    systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null | while read -r unit _; do
        printf 'failed\t%s\n' "$unit"
    done
    agent=$(systemctl show -p LoadState -p ActiveState clavel-agent.service 2>/dev/null | tr '\n' ' ')
    case $agent in *LoadState=loaded*) agent=${agent#*ActiveState=} && printf 'agent\t%s\n' "${agent%% *}" ;; esac
elif have launchctl; then
    printf 'init\tlaunchd\n'
    if launchctl print system/org.clavel.agent >/dev/null 2>&1; then printf 'agent\tactive\n'; fi
else
    printf 'init\tother\n'
fi
exit 0
