# shellcheck shell=sh
# state: what the unit itself knows in its state folder: releases, holds, jobs, the lock. $@: STACK PATH pairs.
[ -d "$state" ] || { printf 'state\tnone\n'; exit 0; }
if [ ! -x "$state" ] || { [ -e "$state/born" ] && [ ! -r "$state/born" ]; }; then printf 'state\tunreadable\n' && exit 0; fi
if [ -e "$state/born" ]; then IFS= read -r born <"$state/born" && printf 'born\t%s\n' "$born"; fi
if [ -s "$state/lock.owner" ]; then printf 'lock\t%s\n' "$(tr '\n' ' ' <"$state/lock.owner")"; fi
for d in "$state"/jobs/*/run; do
    [ -d "$d" ] && [ ! -f "${d%/run}/result" ] || continue
    job=${d%/run}
    if living; then alive=alive; else alive=dead; fi
    printf 'job\t%s\t%s\t%s\t%s\n' "${job##*/}" "$(sed -n 's/^phase=//p' "$job/state" 2>/dev/null)" \
        "$(tr '\n' ' ' <"$job/files/owner" 2>/dev/null)" "$alive"
done
if [ -f "$state/system/deployed" ]; then sed "s/^/system$tab/" "$state/system/deployed"; fi
for stack_dir in "$stacks"/*; do
    [ -d "$stack_dir" ] || continue
    printf 'stack\t%s\n' "${stack_dir##*/}"
    cat "$stack_dir/held" 2>/dev/null
    release_lines
done
while [ $# -gt 1 ]; do
    stack_dir=$stacks/$1
    if [ -f "$stack_dir/managed" ] && cd "$2" 2>/dev/null; then
        while IFS= read -r m; do
            tree_line "./$m"
        done <"$stack_dir/managed" | sed "s|^|file	$1	|"
    fi
    shift 2
done
exit 0
