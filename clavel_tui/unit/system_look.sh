# shellcheck shell=sh
# system_look.sh PATH [FILE...]: what a preview reads of a system closure that is on the unit, beside what runs. FILE: what
# must be on the unit for it.
tab=$(printf '\t')
path=$1
new=$root$path
shift
now=$root/run/current-system
if [ -s "$new/switch-inhibitors" ] && ! cmp -s "$new/switch-inhibitors" "$now/switch-inhibitors"; then
    head -n 20 "$new/switch-inhibitors" | sed "s/^/inhibitor$tab/"
fi
unlike_booted "$new" | sed "s/^/due$tab/"
secrets_lacking "$path" "$@" | LC_ALL=C sort -u | sed "s/^/secret$tab/"
exit 0
