# shellcheck shell=sh
# system_look.sh PATH: what a preview reads of a system closure that is on the unit, beside what runs.
tab=$(printf '\t')
new=$root$1
now=$root/run/current-system
if [ -s "$new/switch-inhibitors" ] && ! cmp -s "$new/switch-inhibitors" "$now/switch-inhibitors"; then
    head -n 20 "$new/switch-inhibitors" | sed "s/^/inhibitor$tab/"
fi
for part in kernel initrd kernel-modules; do
    [ -L "$new/$part" ] || continue
    there=$(ls -ld "$root/run/booted-system/$part" 2>/dev/null)
    here=$(ls -ld "$new/$part")
    [ "${here##* -> }" = "${there##* -> }" ] || printf 'due\t%s\n' "$part"
done
exit 0
