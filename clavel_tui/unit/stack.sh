# shellcheck shell=sh
# stack.sh: the body of a job on one Docker Compose stack. It is sourced by job.sh, under the unit's lock; `params`
# has set: verb stack path service release expect hook hook_s pull_s health_s grace_s on_failure first_failure keep_n
# archive unhold build min_free_mib confirm_s data operator reason now.
# shellcheck disable=SC2154
# shellcheck source=clavel_tui/unit/stack_lib.sh
. "$job/files/stack_lib.sh"
# shellcheck source=clavel_tui/unit/stack_verbs.sh
. "$job/files/stack_verbs.sh"

stack_dir=$stacks/$stack
new=$path.clavel-new
old=$path.clavel-old
base=${path##*/}

compose_in() { # compose_in FOLDER ARGS...: run in a folder, as a hand would, so that a hand-typed `up` agrees with us
    compose_dir=$1
    shift
    (cd "$compose_dir" && limit "$up_s" docker compose "$@")
}

job_main() {
    case $verb in
    hold | unhold) ;;
    *)
        D version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
            finish refused "Docker does not answer on this unit within $docker_limit s"
        D compose version >/dev/null 2>&1 || finish refused "Docker Compose v2 is not installed on this unit"
        ;;
    esac
    { mkdir -p "$stack_dir/releases" "${path%/*}"; } 2>/dev/null || finish refused "$stack_dir cannot be made"
    data=$(printf '%s' "$data" | tr '|' '\n')
    case $verb in
    update) update ;;
    rollback) rollback ;;
    restart | stop) simple_verb ;;
    remove) remove_stack ;;
    hold) hold_now "$release" && finish succeeded "$stack is held at $release" ;;
    unhold) release_hold ;;
    forget)
        [ "$release" != "$(cut -f 2 "$stack_dir/held" 2>/dev/null)" ] || finish refused "$stack is held at $release: release the hold first"
        forget_release "$release" && finish succeeded "release $release was forgotten"
        ;;
    *) finish refused "no verb $verb for a stack" ;;
    esac
}

# ---------------------------------------------------------------- looking

# look: what is here now. Everything that is compared later is read once, under the lock.
look() {
    project=$(project_of "$path")
    before=$work/before
    container_lines "${project:-$base}" >"$before" || finish refused "the containers of $stack cannot be listed"
    know_data "${project:-$base}"
    found=$(fingerprint "${project:-$base}" "$path" "$names")
    [ -z "$expect" ] || [ "$expect" = "$found" ] ||
        finish refused "$stack is not as it was when this was planned (somebody changed it meanwhile): plan again"
}

# know_data PROJECT: what services write to, in $names. Mounts are remembered: after `down` no container tells of them, and
# what was in them must not go with the next swap of the folder.
know_data() {
    { cat "$stack_dir/mounts"; data_mounts "$path" "$1"; } 2>/dev/null | LC_ALL=C sort -u >"$stack_dir/mounts.new" &&
        mv "$stack_dir/mounts.new" "$stack_dir/mounts" || finish refused "the disk of $state is full: nothing was changed"
    know_managed
    names=$(data_names "$path" "$1")
}

workplace() {
    work=$job/work
    { mkdir -p "$work"; } 2>/dev/null || finish refused "the disk of $state is full: nothing was changed"
}

needs_room() { # needs_room PATH WHAT
    room=$(free_mib "$1")
    [ "${room:-0}" -ge "$min_free_mib" ] ||
        finish refused "$2 has ${room:-no} MiB free, fewer than the $min_free_mib MiB that an update asks for: nothing was changed"
}

# wait_docker: a killed dockerd comes back by itself as a rule; the way back waits for it.
wait_docker() {
    wait_n=$health_s
    until D version >/dev/null 2>&1 || [ "$wait_n" -le 0 ]; do
        sleep 1
        wait_n=$((wait_n - 1))
    done
}

docker_root() { D info --format '{{.DockerRootDir}}' 2>/dev/null; }

# ---------------------------------------------------------------- releases

# record HEALTH: keep what runs as a release; prints nothing, sets $recorded. Immutable but for its `seen` file.
record() {
    fresh=$stack_dir/releases/.new
    rm -rf "$fresh"
    { mkdir "$fresh" "$fresh/folder" && copy_stack "$path" "$fresh/folder" "$names"; } 2>>"$job/log" || return 1
    record_lines >"$fresh/manifest" || return 1
    recorded=$(grep -v "^tools" "$fresh/manifest" | cut -f 1-4 | sha256 | cut -c 1-12)
    if [ -d "$stack_dir/releases/$recorded" ]; then
        rm -rf "$fresh"
    else
        { cp "$before" "$fresh/containers" && remember_managed "$stack_dir/managed" "$fresh/managed" &&
            durable "$fresh/manifest"; } 2>/dev/null || return 1
        mv "$fresh" "$stack_dir/releases/$recorded" || return 1
    fi
    # Also where it was recorded before: a prune may have taken what kept its images, and archive may be new.
    keep_images "$recorded" && { [ "$archive" != 1 ] || archive_images "$recorded"; } || return 1
    mark "$recorded" "$1"
}

mark() { # mark RELEASE HEALTH: when it was last seen to run, and how it did; without HEALTH as it was known before
    mark_n=$(cat "$stack_dir"/releases/*/seen 2>/dev/null | cut -f 2 | sort -n | tail -n 1)
    mark_h=${2:-$(cut -f 3 "$stack_dir/releases/$1/seen" 2>/dev/null)}
    { printf 'seen\t%s\t%s\t%s\t%s\n' "$((${mark_n:-0} + 1))" "${mark_h:-unwell}" "$now" "$id" >"$stack_dir/releases/$1/seen.new"; } 2>/dev/null &&
        mv "$stack_dir/releases/$1/seen.new" "$stack_dir/releases/$1/seen" && durable "$stack_dir/releases/$1"
}

# Its lines are its identity: the same images and files recorded twice are the same release.
record_lines() {
    printf 'project\t%s\n' "$project"
    cut -f 2,4,11 "$before" | LC_ALL=C sort -u | while IFS=$tab read -r rl_service rl_image rl_ref; do
        rl_more=$(image_lines "$rl_image" | cut -f 2,4)
        printf 'service\t%s\t%s\t%s\t%s\n' "$rl_service" "$rl_image" "$rl_ref" "$rl_more"
    done
    printf 'files\t%s\n' "$(files_sum "$fresh/folder" "")"
    tree_lines "$fresh/folder" | sed "s/^/file$tab/"
    printf 'tools\t%s\t%s\n' "$(D version --format '{{.Server.Version}}')" "$(D compose version --short 2>/dev/null)"
}

copy_stack() { # copy_stack FROM TO DATA
    [ -d "$1" ] || return 0
    (cd "$1" && leaves "$3") | while IFS= read -r copy_f; do
        if listed "$copy_f" "$3"; then continue; fi
        folder_for "$copy_f" "$1" "$2" && cp -Rp "$1/$copy_f" "$2/$copy_f" || exit 1
    done
}

# folder_for NAME FROM TO: the folders above NAME exist in TO, with the rights that they have in FROM.
folder_for() {
    case $1 in */*) ;; *) return 0 ;; esac
    [ ! -d "$3/${1%/*}" ] || return 0
    folder_for "${1%/*}" "$2" "$3" && mkdir "$3/${1%/*}" && same_rights "$2/${1%/*}" "$3/${1%/*}"
}

same_rights() {
    rights=$(stat -c '%u:%g %a' "$1" 2>/dev/null || stat -f '%u:%g %Lp' "$1") || return 0
    { [ "$(id -u)" != 0 ] || chown "${rights% *}" "$2"; } && chmod "${rights#* }" "$2"
}

remember_managed() { # remember_managed FROM TO: what the last update put there; nothing where there was none
    if [ -f "$1" ]; then cp "$1" "$2.new" && mv "$2.new" "$2"; else rm -f "$2"; fi
}

keep_name() { printf 'clavel-keep/%s/%s:%s' "$(slug "$stack")" "$(slug "$1")" "$2"; }

# A tag alone is taken by `image prune -a`; an image that a container uses is not, so each gets one that never starts.
keep_images() {
    sed -n "s/^service$tab//p" "$stack_dir/releases/$1/manifest" | while IFS=$tab read -r keep_s keep_i _; do
        keep_t=$(keep_name "$keep_s" "$1")
        D tag "$keep_i" "$keep_t" || exit 1
        # What Compose built bears its project's label: inherited, it would make this a container of the stack.
        keep_l=$(D image inspect --format '{{index .Config.Labels "com.docker.compose.project"}}' "$keep_i")
        keep_c=clavel-keep-$(slug "$stack")-$(slug "$keep_s")-$1
        D inspect --type container "$keep_c" >/dev/null 2>&1 ||
            D create --name "$keep_c" --network none --label clavel.keep="$stack" \
                ${keep_l:+--label com.docker.compose.project=clavel-keep} "$keep_t" /clavel-keep >/dev/null || exit 1
    done 2>>"$job/log"
}

# archive_images RELEASE: on disk as files too; the folder bears its name only when it is whole.
archive_images() {
    arc_d=$stack_dir/releases/$1/archive
    [ ! -d "$arc_d" ] || return 0
    rm -rf "$arc_d.new"
    mkdir "$arc_d.new" 2>/dev/null || return 1
    sed -n "s/^service$tab//p" "$stack_dir/releases/$1/manifest" | while IFS=$tab read -r arc_s _; do
        limit "$pull_s" docker save -o "$arc_d.new/$(slug "$arc_s").tar" "$(keep_name "$arc_s" "$1")" || exit 1
    done 2>>"$job/log" && sync && mv "$arc_d.new" "$arc_d"
}

forget_release() {
    forget_m=$stack_dir/releases/$1/manifest
    [ -f "$forget_m" ] || finish refused "there is no release $1 of $stack"
    sed -n "s/^service$tab//p" "$forget_m" | while IFS=$tab read -r forget_s forget_i _; do
        D rm -v "clavel-keep-$(slug "$stack")-$(slug "$forget_s")-$1"
        D rmi "$(keep_name "$forget_s" "$1")"
        # A digest alone keeps an image's layers for ever. Docker refuses where a container still uses it.
        [ "$(D image inspect --format '{{len .RepoTags}}' "$forget_i")" != 0 ] || D rmi "$forget_i"
    done >/dev/null 2>&1
    rm -rf "${stack_dir:?}/releases/$1"
}

# retain RELEASE...: the newest $keep_n stay, and those named.
retain() {
    for retain_d in "$stack_dir"/releases/*; do
        [ -f "$retain_d/manifest" ] && printf '%s\t%s\n' "$(cut -f 2 "$retain_d/seen" 2>/dev/null)" "${retain_d##*/}"
    done | sort -rn | tail -n +$((keep_n + 1)) | cut -f 2 | while IFS= read -r retain_r; do
        case " $* $(cut -f 2 "$stack_dir/held" 2>/dev/null) " in *" $retain_r "*) continue ;; esac
        note say "release $retain_r is older than the last $keep_n: forgotten"
        forget_release "$retain_r"
    done
}

# missing_images RELEASE: the services whose recorded image is not on this unit any more.
missing_images() {
    sed -n "s/^service$tab//p" "$stack_dir/releases/$1/manifest" | while IFS=$tab read -r miss_s miss_i _; do
        D image inspect "$miss_i" >/dev/null 2>&1 || {
            miss_a=$stack_dir/releases/$1/archive/$(slug "$miss_s").tar
            if [ -f "$miss_a" ]; then limit "$pull_s" docker load -i "$miss_a" >/dev/null 2>&1; fi
            D image inspect "$miss_i" >/dev/null 2>&1 || printf '%s ' "$miss_s"
        }
    done
}

# ---------------------------------------------------------------- files: one folder for another

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

# ---------------------------------------------------------------- images and containers

# retag RELEASE: each mutable reference points at its recorded image again, so a hand-typed `up` changes nothing.
retag() {
    sed -n "s/^service$tab//p" "$stack_dir/releases/$1/manifest" | while IFS=$tab read -r retag_s retag_i retag_r _; do
        retag_r=$(printf '%s' "$retag_r" | sed 's/^"//;s/"$//')
        case $retag_r in
        *@sha256:* | sha256:*)
            [ "$(D image inspect --format '{{.ID}}' "$retag_r" 2>/dev/null)" = "$retag_i" ] || printf '%s\n' "$retag_s"
            ;;
        *) D tag "$retag_i" "$retag_r" >&2 || printf '%s\n' "$retag_s" ;;
        esac
    done 2>/dev/null >"${work:-$job}/untagged"
}

# up [SERVICES]: with an override only for a reference that could not be made to name its recorded image.
up() {
    up_rc=0
    if [ -s "$work/untagged" ]; then
        override_file "$1" >"$stack_dir/override.yaml" || return 1
        shift
        up_files=$(compose_files | sed "s|.*|-f&|" | tr '\n' '\t')
        # shellcheck disable=SC2086  # split at tabs, on purpose
        (IFS=$tab && cd "$path" && run limit "$up_s" docker compose $up_files -f "$stack_dir/override.yaml" up -d --no-build --pull never --remove-orphans "$@") || up_rc=$?
    else
        shift
        run compose_in "$path" up -d --no-build --pull never --remove-orphans "$@" || up_rc=$?
    fi
    return "$up_rc"
}

override_file() {
    echo 'services:'
    while IFS= read -r ovr_s; do printf '  "%s":\n    image: "%s"\n' "$ovr_s" "$(keep_name "$ovr_s" "$1")"; done <"$work/untagged"
}

compose_files() { # the files that Compose itself chose for the containers of the release
    for cf in compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do
        [ ! -f "$path/$cf" ] || { printf '%s\n' "$cf" && break; }
    done
    for cf in compose.override.yaml compose.override.yml docker-compose.override.yml docker-compose.override.yaml; do
        [ ! -f "$path/$cf" ] || { printf '%s\n' "$cf" && break; }
    done
}

recreate_mounting() {
    # shellcheck disable=SC2086  # service names have no blanks
    [ -z "$1" ] || run compose_in "$path" up -d --no-build --pull never --no-deps --force-recreate $1
}

# ---------------------------------------------------------------- health, as we judge it

# unwell <container lines: a line "SERVICE why" for each that is not well, "SERVICE wait" for one that may still become so.
unwell() {
    while IFS=$tab read -r _ uw_s _ _ uw_st uw_h uw_x uw_n uw_p _; do
        case $uw_st/$uw_h in
        running/healthy | running/-) ;;
        running/starting | created/* | restarting/starting) echo "$uw_s wait" ;;
        running/unhealthy) echo "$uw_s its health check fails" ;;
        exited/*)
            case $uw_x/$uw_p in
            0/no | 0/on-failure | 0/) ;;
            */always | */unless-stopped) echo "$uw_s is stopped" ;;
            *) echo "$uw_s exited with $uw_x" ;;
            esac
            ;;
        *) echo "$uw_s is $uw_st after $uw_n restarts" ;;
        esac
    done
}

# judge KNOWN_BAD: polls until all is well for $grace_s seconds in a row, something is bad twice in a row, or time is up.
judge() {
    judge_n=0
    judge_ok=0
    judge_bad=0
    judge_first=
    while [ "$judge_n" -lt "$health_s" ]; do
        if cancelled && [ -z "${returning:-}" ]; then why="cancelled during activation" && return 1; fi
        if container_lines "$project" >"$work/judged" 2>/dev/null; then
            judge_restarts=$(cut -f 3,8 "$work/judged" | LC_ALL=C sort)
            [ -n "$judge_first" ] || judge_first=$judge_restarts
            unwell <"$work/judged" | not_known "$1" >"$work/unwell"
            [ "$judge_first" = "$judge_restarts" ] || { flapping >>"$work/unwell" && judge_first=$judge_restarts && judge_ok=0; }
            [ -s "$work/judged" ] || echo "$stack has no container" >"$work/unwell"
        else
            echo "docker does not answer" >"$work/unwell"
        fi
        judge_step && return "$judged"
        sleep 1
        judge_n=$((judge_n + 1))
    done
    why=$(sed 's/ wait$/ was not healthy in time/' "$work/unwell" | joined)
    why="after $health_s s: ${why:-its services did not stay up}"
    return 1
}

# shellcheck disable=SC2016  # sed's own $
joined() { sed -n 'H;${x;s/\n/; /g;s/^; //;p;}'; }

judge_step() {
    if [ ! -s "$work/unwell" ]; then
        judge_bad=0
        judge_ok=$((judge_ok + 1))
        [ "$judge_ok" -gt "$grace_s" ] && judged=0 && return 0
    elif grep -qv ' wait$' "$work/unwell" && ! grep -q 'docker does not answer' "$work/unwell"; then
        judge_ok=0
        judge_bad=$((judge_bad + 1))
        [ "$judge_bad" -gt 1 ] && judged=1 && why=$(grep -v ' wait$' "$work/unwell" | joined) && return 0
    else
        judge_ok=0
        judge_bad=0
    fi
    return 1
}

flapping() { # a container that was started again while we looked, though Docker calls it running
    printf '%s\n' "$judge_restarts" | while IFS=$tab read -r fl_c fl_n; do
        fl_was=$(printf '%s\n' "$judge_first" | sed -n "s/^$fl_c$tab//p")
        [ -z "$fl_was" ] || [ "$fl_n" = "$fl_was" ] ||
            sed -n "s/^[^$tab]*$tab\([^$tab]*\)$tab$fl_c$tab.*/\1 keeps restarting/p" "$work/judged"
    done | not_known "$known"
}

not_known() { # not_known SERVICES: what was already unwell before is not this update's fault
    while read -r nk_s nk_why; do
        case " $1 " in *" $nk_s "*) ;; *) printf '%s %s\n' "$nk_s" "$nk_why" ;; esac
    done
}

# known_unwell: services that were bad before. One that a person stopped is not: it is started, and judged like the others.
known_unwell() { unwell <"$before" | grep -v -e ' wait$' -e ' is stopped$' | cut -d ' ' -f 1 | tr '\n' ' '; }

# health_before: of what runs now; nothing where that cannot be told, since something is stopped or only just starting.
health_before() {
    if [ -n "$(known_unwell)" ]; then
        echo unwell
    elif [ -z "$(unwell <"$before")" ]; then
        echo healthy
    fi
}

health_word() { if [ -n "$1" ]; then echo "unwell"; else echo healthy; fi; }

# verify_release RELEASE: what runs is what was recorded, service by service; else says which is not.
verify_release() {
    container_lines "$project" | cut -f 2,4 | LC_ALL=C sort -u >"$work/runs" || return 1
    sed -n "s/^service$tab//p" "$stack_dir/releases/$1/manifest" | cut -f 1,2 | LC_ALL=C sort -u >"$work/recorded"
    wrong=$(comm -3 "$work/runs" "$work/recorded" | sed "s/^$tab*//" | cut -f 1 | LC_ALL=C sort -u | tr '\n' ' ')
    [ -z "$wrong" ]
}
