# shellcheck shell=sh
# stack_files.sh: one folder takes the place of another by renames, with what services write carried over as it is.
# shellcheck disable=SC2154

# stage FROM keep|exact: the folder to be, whole and on disk beside the one that is; FROM is a release's folder or the job's
# own. What only the unit has stays, moved as it is and never copied: with keep all of it, a .env with secrets, say; with exact
# its folders, since a file that came later may be what went wrong, and is in the release that was just recorded.
stage() {
    rm -rf "$new"
    { cp -Rp "$1" "$new" && rights_as_here && { [ ! -d "$path" ] || same_rights "$path" "$new"; }; } 2>>"$job/log" ||
        { rm -rf "$new"; return 1; }
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
    fixed=$(not_renamed)
    [ -z "$fixed" ] || {
        rm -rf "$new" "$stack_dir/carry"
        finish refused "$fixed is a link, a mount point or on another disk than the folder beside $path, so it cannot be carried over by a rename: nothing was changed; name the stack's real folder, and mount what is apart beside it"
    }
}

# rights_as_here: folders keep the owner and mode that they have on this unit, whatever is put in them: a service writes in some.
rights_as_here() {
    (cd "$new" && find . -mindepth 1 -type d -print) | while IFS= read -r ri_d; do
        [ ! -d "$path/$ri_d" ] || [ -L "$path/$ri_d" ] || same_rights "$path/$ri_d" "$new/$ri_d" || exit 1
    done
}

# not_renamed: the first place from which `mv` would copy and delete instead of rename: a service that runs would go on
# writing to what was deleted. A hard link is refused exactly where a rename is; some file systems know no links, but perl.
not_renamed() {
    [ -d "$path" ] || return 0
    if [ -L "$path" ] || is_mount "$path"; then printf '%s\n' "$path" && return; fi
    printf '%s\n' . "$carried" | while IFS= read -r nr_f; do
        [ -n "$nr_f" ] && [ -e "$path/$nr_f" ] || continue
        if [ "$nr_f" != . ] && is_mount "$path/$nr_f"; then printf '%s\n' "$path/$nr_f" && break; fi
        case $nr_f in */*) nr_d=$path/${nr_f%/*} ;; *) nr_d=$path ;; esac
        [ "$nr_d" != "${nr_last:-}" ] || continue
        nr_last=$nr_d
        renames "$nr_d" "$new" || { printf '%s\n' "$nr_d" && break; }
    done
}
renames() {
    ren_f=.clavel-rename-$id
    { : >"$1/$ren_f"; } 2>/dev/null || return 1
    ln "$1/$ren_f" "$2/$ren_f" 2>/dev/null ||
        { have perl && perl -e 'rename($ARGV[0], $ARGV[1]) or exit 1' "$1/$ren_f" "$2/$ren_f"; }
    ren_rc=$?
    rm -f "$1/$ren_f" "$2/$ren_f"
    return "$ren_rc"
}
is_mount() {
    im_real=$(cd "$1" 2>/dev/null && pwd -P | sed 's/ /\\040/g') || return 1
    if [ -r /proc/self/mountinfo ]; then
        cut -d ' ' -f 5 /proc/self/mountinfo | grep -qxF -e "$im_real"
    else
        mount | grep -qF -e " on $im_real ("
    fi
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
# What is large is nothing that Compose reads.
lend() {
    printf '%s\n' "$kept" | while IFS= read -r lend_f; do
        if [ -z "$lend_f" ] || [ "$(du -sk "$path/$lend_f" 2>/dev/null | cut -f 1)" -gt 1024 ]; then continue; fi
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
    { (cd "$new" && leaves "$apart"); (cd "$path" 2>/dev/null && leaves "$apart"); } | LC_ALL=C sort -u | while IFS= read -r ch_f; do
        listed "$ch_f" "$carried" || printf '%s\n' "$ch_f"
    done
}

# swap_in: in three steps, each of which tells whoever comes after a death what stands where. The stand-ins go; the list is
# named `carrying`, and from then on what bears a name of it in the folder to be is the thing itself; renames follow.
swap_in() {
    renaming=1
    rm -rf "$old"
    while IFS= read -r swap_f; do
        if here "$path/$swap_f"; then rm -rf "${new:?}/$swap_f" || return 1; fi
    done <"$stack_dir/carry"
    mv "$stack_dir/carry" "$stack_dir/carrying" && durable "$stack_dir" || return 1
    while IFS= read -r swap_f; do
        here "$path/$swap_f" || continue
        folder_for "$swap_f" "$path" "$new" && mv "$path/$swap_f" "$new/$swap_f" || return 1
    done <"$stack_dir/carrying"
    if [ -d "$path" ]; then mv "$path" "$old" || return 1; fi
    mv "$new" "$path" || return 1
    renaming=
    [ -z "${asked:-}" ] || asked_to_end
}
here() { [ -e "$1" ] || [ -L "$1" ]; }

# swap_out: the folder as it was before swap_in, from wherever that stood still. Only renames: it works on a full disk.
# What came to stand in its place meanwhile (Docker makes a missing mount anew at boot) is put aside, never deleted.
swap_out() {
    if [ ! -f "$stack_dir/carrying" ]; then # nothing was moved yet
        rm -rf "$new" "$stack_dir/carry"
        return 0
    fi
    if [ -d "$old" ] && [ ! -d "$new" ] && [ -d "$path" ]; then mv "$path" "$new" || return 1; fi
    swap_to=$path
    if [ -d "$old" ]; then
        swap_to=$old
        [ ! -d "$path" ] || aside "$path" || return 1
    fi
    if [ -d "$new" ] && [ -d "$swap_to" ]; then
        while IFS= read -r swap_f; do
            in_new "$swap_f" || continue
            if here "$swap_to/$swap_f"; then aside "$swap_to/$swap_f" || return 1; fi
            folder_for "$swap_f" "$new" "$swap_to" && mv "$new/$swap_f" "$swap_to/$swap_f" || return 1
        done <"$stack_dir/carrying"
        if [ -f "$stack_dir/carry" ]; then bring_more <"$stack_dir/carry" || return 1; fi
    fi
    if [ -d "$old" ]; then mv "$old" "$path" || return 1; fi
    swap_done
}
bring_more() { # what a new service wrote in a place that was no data before
    while IFS= read -r swap_f; do
        if here "$swap_to/$swap_f" || ! in_new "$swap_f"; then continue; fi
        folder_for "$swap_f" "$new" "$swap_to" && mv "$new/$swap_f" "$swap_to/$swap_f" || return 1
    done
}
aside() {
    put_aside=$1.clavel-found.$id
    warn "something else stood at $1: it is at $put_aside now"
    mv "$1" "$put_aside"
}

swap_done() { rm -rf "$old" "$new" "$stack_dir/carry" "$stack_dir/carrying"; }

# shellcheck disable=SC2016  # Docker's own $
mounts_format='{{range .Mounts}}{{if eq .Type "bind"}}{{index $.Config.Labels "com.docker.compose.service"}} {{println .Source}}{{end}}{{end}}'

# mounted <container lines: "SERVICE name", a name for each place in the stack's folder that it mounts; "." is all of it.
mounted() {
    mnt_ids=$(cut -f 3 | tr '\n' ' ')
    [ -n "$mnt_ids" ] || return 0
    # shellcheck disable=SC2086  # ids are hexadecimal
    D inspect --type container --format "$mounts_format" $mnt_ids | while IFS=' ' read -r mnt_s mnt_src; do
        case $mnt_src in
        "$path") printf '%s .\n' "$mnt_s" ;;
        "$path"/*) printf '%s %s\n' "$mnt_s" "${mnt_src#"$path"/}" ;;
        esac
    done
}

# mounting <mounted lines: services that would go on seeing the folder, or the part of it, that the swap takes away.
mounting() {
    while IFS=' ' read -r mnt_s mnt_m; do
        if [ "$mnt_m" = . ] || holds "$mnt_m" "$apart" || touches "$mnt_m"; then printf '%s\n' "$mnt_s"; fi
    done | LC_ALL=C sort -u | tr '\n' ' '
}

touches() { # touches NAME: something that changed is it, is in it, or has it inside
    printf '%s\n' "$changed" | while IFS= read -r touch_f; do
        [ -n "$touch_f" ] || continue
        case $1/ in "$touch_f"/*) echo yes ;; *) case $touch_f/ in "$1"/*) echo yes ;; esac ;; esac
    done | grep -q yes
}

# writing <mounted lines: services that mount a folder in which data lies beside files of ours. They are stopped before the
# swap parts the two: a database must not find itself in an empty folder.
writing() {
    while IFS=' ' read -r mnt_s mnt_m; do
        if holds "$mnt_m" "$names"; then printf '%s\n' "$mnt_s"; fi
    done | LC_ALL=C sort -u | tr '\n' ' '
}

# halt SERVICES: stopped for the swap; `up` starts them again. By their containers: a service that is in no file any more has one.
halt() {
    [ -n "$1" ] || return 0
    halt_ids=$(container_lines "$project" | ids_of "$1")
    # shellcheck disable=SC2086  # ids are hexadecimal
    [ -z "$halt_ids" ] || run limit "$up_s" docker stop $halt_ids
}

# go_on SERVICES: those that were stopped for a swap that did not come about.
go_on() {
    [ -n "$1" ] || return 0
    go_ids=$(ids_of "$1" <"$before")
    # shellcheck disable=SC2086  # ids are hexadecimal
    [ -z "$go_ids" ] || run limit "$up_s" docker start $go_ids
}

ids_of() { # ids_of SERVICES <container lines: those of their containers that run
    while IFS=$tab read -r _ id_s id_c _ id_st _; do
        case " $1  $id_st" in *" $id_s "*" running") printf '%s ' "$id_c" ;; esac
    done
}
