# shellcheck shell=sh
# stack_files.sh: one folder takes the place of another by renames, with what services write carried over as it is.
# shellcheck disable=SC2154

# stage FROM keep|exact: the folder to be, whole and on disk beside the one that is; FROM is a release's folder or the job's
# own. What only the unit has stays, moved as it is and never copied: with keep all of it, a .env with secrets, say; with exact
# its folders, since a file that came later may be what went wrong, and is in the release that was just recorded.
stage() {
    rm -rf "$new"
    { cp -Rp "$1" "$new" && { [ ! -d "$path" ] || same_rights "$path" "$new"; }; } 2>>"$job/log" || { rm -rf "$new"; return 1; }
    kept=$(only_here "$2")
    apart=$names$newline$kept
    # Carried over with their inodes: these, and what does not differ, so that a mount of a running service keeps its files.
    # The list is written as one whole: one that a full disk cut short would leave data in the folder that goes.
    carried=$({
        printf '%s\n' "$apart"
        (cd "$new" && leaves "$apart") | while IFS= read -r stage_f; do
            alike "$path/$stage_f" "$new/$stage_f" && printf '%s\n' "$stage_f"
        done
    } | grep -v '^$')
    { printf '%s' "$carried${carried:+$newline}" >"$stack_dir/carry.new"; } 2>/dev/null &&
        mv "$stack_dir/carry.new" "$stack_dir/carry" && lend && durable "$stack_dir/carry" && sync || { rm -rf "$new"; return 1; }
}

# only_here keep|exact [BELOW]: what no update put there and the folder to be does not have; outermost names, data left out.
only_here() {
    (cd "$path" && find "${2:-.}" -mindepth 1 -maxdepth 1 -print) 2>/dev/null | while IFS= read -r only_f; do
        only_f=${only_f#./}
        if listed "$only_f" "$names"; then continue; fi
        if [ -L "$path/$only_f" ] || [ ! -d "$path/$only_f" ]; then
            [ "$1" = exact ] || managed "$only_f" || in_new "$only_f" || printf '%s\n' "$only_f"
        elif managed "$only_f" || in_new "$only_f" || holds "$only_f" "$names"; then
            only_here "$1" "./$only_f"
        else
            printf '%s\n' "$only_f"
        fi
    done
}
in_new() { [ -e "$new/$1" ] || [ -L "$new/$1" ]; }

# lend: until the swap copies stand in for what will be carried over, so that Compose finds its env files in the folder to be.
# A large file is none that Compose reads.
lend() {
    printf '%s\n' "$kept" | while IFS= read -r lend_f; do
        if [ -z "$lend_f" ] || [ -n "$(find "$path/$lend_f" -prune -type f -size +2048)" ]; then continue; fi
        folder_for "$lend_f" "$path" "$new" && cp -Rp "$path/$lend_f" "$new/$lend_f" || exit 1
    done 2>>"$job/log"
}

alike() {
    if [ -d "$1" ] && [ -d "$2" ]; then
        [ "$(tree_lines "$1")" = "$(tree_lines "$2")" ]
    elif [ -f "$1" ] && [ -f "$2" ] && [ ! -L "$1" ] && [ ! -L "$2" ]; then
        cmp -s "$1" "$2" && [ "$(ls -ld "$1" | cut -c 1-10)" = "$(ls -ld "$2" | cut -c 1-10)" ]
    else
        return 1
    fi
}

# changed_names: what the swap replaces.
changed_names() {
    carried=$(cat "$stack_dir/carry")
    { (cd "$new" && leaves "$apart"); (cd "$path" 2>/dev/null && leaves "$apart"); } | LC_ALL=C sort -u | while IFS= read -r ch_f; do
        listed "$ch_f" "$carried" || printf '%s\n' "$ch_f"
    done
}

swap_in() {
    rm -rf "$old"
    while IFS= read -r swap_f; do
        if [ ! -e "$path/$swap_f" ] && [ ! -L "$path/$swap_f" ]; then continue; fi
        rm -rf "${new:?}/$swap_f" && folder_for "$swap_f" "$path" "$new" && mv "$path/$swap_f" "$new/$swap_f" || return 1
    done <"$stack_dir/carry"
    if [ -d "$path" ]; then mv "$path" "$old" || return 1; fi
    mv "$new" "$path"
}

# swap_out: the folder as it was before swap_in, from wherever that stood still. Only renames: it works on a full disk.
swap_out() {
    if [ -d "$old" ] && [ ! -d "$new" ] && [ -d "$path" ]; then mv "$path" "$new" || return 1; fi
    swap_to=$path
    [ ! -d "$old" ] || swap_to=$old
    if [ -d "$new" ] && [ -d "$swap_to" ] && [ -f "$stack_dir/carry" ]; then
        while IFS= read -r swap_f; do
            if [ -e "$swap_to/$swap_f" ] || [ -L "$swap_to/$swap_f" ] || ! in_new "$swap_f"; then continue; fi
            folder_for "$swap_f" "$new" "$swap_to" && mv "$new/$swap_f" "$swap_to/$swap_f" || return 1
        done <"$stack_dir/carry"
    fi
    [ ! -d "$old" ] || mv "$old" "$path" || return 1
    rm -rf "$new" "$stack_dir/carry"
}

swap_done() { rm -rf "$old" "$new" "$stack_dir/carry"; }

# mounted <container lines: "SERVICE name", a name for each place in the stack's folder that it mounts; "." is all of it.
mounted() {
    cut -f 2,3 | while IFS=$tab read -r mnt_s mnt_c; do
        D inspect --type container --format '{{range .Mounts}}{{if eq .Type "bind"}}{{println .Source}}{{end}}{{end}}' "$mnt_c" |
            while IFS= read -r mnt_src; do
                case $mnt_src in
                "$path") printf '%s .\n' "$mnt_s" ;;
                "$path"/*) printf '%s %s\n' "$mnt_s" "${mnt_src#"$path"/}" ;;
                esac
            done
    done
}

# mounting <container lines: services that would go on seeing the folder, or the part of it, that the swap takes away.
mounting() {
    mounted | while IFS=' ' read -r mnt_s mnt_m; do
        if [ "$mnt_m" = . ] || holds "$mnt_m" "$apart" || touches "$mnt_m"; then printf '%s\n' "$mnt_s"; fi
    done | LC_ALL=C sort -u | tr '\n' ' '
}

touches() { # touches NAME: something that changed is it, is in it, or has it inside
    printf '%s\n' "$changed" | while IFS= read -r touch_f; do
        [ -n "$touch_f" ] || continue
        case $1/ in "$touch_f"/*) echo yes ;; *) case $touch_f/ in "$1"/*) echo yes ;; esac ;; esac
    done | grep -q yes
}

# writing <container lines: services that mount a folder in which data lies beside files of ours. They are stopped before the
# swap parts the two: a database must not find itself in an empty folder.
writing() {
    mounted | while IFS=' ' read -r mnt_s mnt_m; do
        if holds "$mnt_m" "$names"; then printf '%s\n' "$mnt_s"; fi
    done | LC_ALL=C sort -u | tr '\n' ' '
}

# halt SERVICES: stopped for the swap; `up` starts them again.
halt() {
    # shellcheck disable=SC2086  # service names have no blanks
    [ -z "$1" ] || run compose_in "$path" stop $1
}
