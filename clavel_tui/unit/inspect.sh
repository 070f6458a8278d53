# shellcheck shell=sh
# inspect.sh STACK PATH DATA: what a preview needs of one stack: its project, its fingerprint, its files. Changes nothing.
stack_dir=$stacks/$1
path=$2
data=$(printf '%s' "$3" | tr '|' '\n')
project=$(project_of "$path")
: "${project:=${path##*/}}"
names=$(data_names "$path" "$project")
printf 'project\t%s\n' "$project"
printf 'fingerprint\t%s\n' "$(container_lines "$project" | fingerprint "$path" "$names")"
printf '%s\n' "$names" | grep -v '^$' | sed "s/^/data$tab/"
tree_lines "$path" "$names" 2>/dev/null | sed "s/^/file$tab/"
{ cat "$stack_dir/managed" | sed "s/^/managed$tab/"; } 2>/dev/null
cut -f 2 "$stack_dir/held" 2>/dev/null | sed "s/^/held$tab/"
