# shellcheck shell=sh
# stack_verbs.sh: update, rollback, restart, stop, remove, hold. Each reads from top to bottom as what happens on the unit.
# shellcheck disable=SC2154

# keep_managed: the names that the repository puts there; see managed in stack_lib.sh.
keep_managed() { paths_in "$stage_in" >"$stack_dir/managed.new" && mv "$stack_dir/managed.new" "$stack_dir/managed"; }

update() {
    step check
    workplace
    look
    mend_files
    stage_in=$job/files/stage/$base
    [ ! -s "$stack_dir/held" ] || [ "$unhold" = 1 ] ||
        finish refused "$stack is held at $(cut -f 2 "$stack_dir/held"): release the hold first"
    room_at=$(docker_root)
    [ ! -d "$room_at" ] || needs_room "$room_at" "Docker's disk" # a virtual machine's disk is not seen from here
    needs_room "$state" "the disk of $state"
    know_names
    stage "$stage_in" keep || finish refused "the new files could not be put beside $path (is the disk full?): nothing was changed"
    checked=$(compose_in "$new" config 2>&1) ||
        refuse "Docker Compose refuses the files: $(printf '%s' "$checked" | tail -n 3 | tr '\n' ' ')"
    # Where no file names the project Compose takes the folder's name, and this one has a tail of ours.
    as_project=$(printf '%s\n' "$checked" | project_in)
    as_project=${as_project%clavel-new}
    [ -z "$project" ] || [ ! -s "$before" ] || [ "$project" = "$as_project" ] ||
        refuse "the project's name would change from $project to $as_project: remove $stack first"
    project=$as_project

    step record
    known=$(known_unwell)
    first=
    if [ -s "$before" ]; then
        record "$(health_before)" || refuse "what runs could not be recorded (is the disk full?): nothing was changed"
        target=$recorded
        say "recorded what runs as release $target"
    else
        first=1
        say "first deployment: there is no release to return to"
    fi
    remember phase=recorded "target=$target" || refuse "the disk of $state is full: nothing was changed"
    cancelled && refuse_as cancelled "cancelled before anything was changed"

    pre_update_hook
    step pull
    pull_images || give_up failed "images could not be pulled: $(tail_of_log)"
    cancelled && give_up cancelled "cancelled before anything was changed"
    # Once more: the hook may have written a file of its own meanwhile.
    know_data "$project" || give_up refused "the disk of $state is full: nothing was changed"
    stage "$stage_in" keep || give_up refused "the new files could not be put beside $path (is the disk full?): nothing was changed"
    changed=$(changed_names)
    # A stack that was taken over as it runs is ours from now on, though nothing of it changes.
    is_change || { keep_managed; rm -rf "$new" && unhold_now && finish nochange "neither an image nor a file changed" "release=$target"; }

    step activate
    places=$(mounted <"$before")
    mounts=$(printf '%s\n' "$places" | mounting)
    halted=$(printf '%s\n' "$places" | writing)
    remember phase=swapping "target=$target" "halted=$halted" || give_up refused "the disk of $state is full: nothing was changed"
    halt "$halted" || { go_on "$halted"; give_up failed "these could not be stopped for the swap of the files: $halted"; }
    swap_in || {
        unswap
        give_up failed "the files could not be put in place: put back as they were"
    }
    remember phase=activating "target=$target" || come_back "the disk of $state is full"
    bring_up || come_back "docker compose up failed: $(tail_of_log)"
    cancelled && come_back "cancelled during activation"

    step health
    judge "$known" || come_back "$why"
    right_images || come_back "what runs is not what was pulled: $wrong"
    if [ "$confirm_s" -gt 0 ]; then
        step confirm
        remember phase=confirming "target=$target"
        await_ack "$confirm_s" || come_back "nobody confirmed over a new connection within $confirm_s s"
    fi
    step settle
    settle_files
    unhold_now
    recorded=
    container_lines "$project" >"$before" && know_data "$project" && record "$(health_word "$known")" ||
        warn "what runs now could not be recorded as a release"
    [ -z "$recorded" ] || retain "$recorded" "$target"
    [ -z "$known" ] || finish succeeded "updated; already unwell before and not judged: $known" "release=$recorded" "from=$target"
    finish succeeded "updated, and every service is well" "release=$recorded" "from=$target"
}

# settle_files: the new folder is the folder now, and what an update put there is known by name.
settle_files() {
    started_now
    keep_managed
    swap_done
}

# refuse TEXT: nothing was changed but for the folder to be, which goes again.
refuse() { refuse_as refused "$1"; }
refuse_as() {
    rm -rf "$new" "$stack_dir/carry"
    finish "$1" "$2"
}

tail_of_log() { sed -n 's/^[0-9]* out //p' "$job/log" | grep -v '^ *$' | tail -n 2 | tr '\n' ' '; }

pre_update_hook() {
    [ -n "$hook" ] || return 0
    step hook
    hook_rc=0
    hook_in=$path
    [ -d "$hook_in" ] || hook_in=/
    (cd "$hook_in" && run_loose "$hook_s" sh -c "$hook") || hook_rc=$?
    [ "$hook_rc" = 0 ] || refuse_as failed "the pre-update hook ended with $hook_rc: nothing was changed"
    cancelled && refuse_as cancelled "cancelled before anything was changed"
    return 0
}

pull_images() {
    # shellcheck disable=SC2086  # service names have no blanks
    run limit_pull $service || return 1
    if [ "$build" = 1 ]; then run limit_build || return 1; fi
}
limit_pull() { (cd "$new" && limit "$pull_s" docker compose -p "$project" pull --ignore-buildable "$@"); }
limit_build() { (cd "$new" && limit "$pull_s" docker compose -p "$project" build); }

# is_change: a file differs, a service does not run, or a reference names another image than the one that its container runs.
# One that has ended well and is not to be started again has done its work, unless a person has stopped the stack.
is_change() {
    [ -z "$changed" ] && [ -z "$first" ] || return 0
    ic_down=$(stopped_and_down)
    if [ -z "$service" ]; then [ -z "$ic_down" ] || return 0; else ! listed "$service" "$ic_down" || return 0; fi
    ! unwell <"$before" | grep -q -e ' is stopped$' -e ' exited with [0-9]*$' || return 0
    if [ -z "$service" ] && [ -n "$(missing_services)" ]; then return 0; fi
    cut -f 4,11 "$before" | LC_ALL=C sort -u | while IFS=$tab read -r ic_i ic_r; do
        ic_r=$(printf '%s' "$ic_r" | sed 's/^"//;s/"$//')
        [ "$(D image inspect --format '{{.ID}}' "$ic_r" 2>/dev/null)" = "$ic_i" ] || { echo changed && break; }
    done | grep -q changed
}

# missing_services: those of the files that have no container, and should have one.
missing_services() {
    ms_there=$(cut -f 2 "$before")
    ms_in='' ms_s='' ms_off=''
    printf '%s\nend:\n' "$checked" | while IFS= read -r ms_l; do
        case $ms_l in
        services:) ms_in=1 ;;
        '    scale: 0' | '      replicas: 0') ms_off=1 ;;
        '   '*) ;;
        '  '*:) [ -z "$ms_in" ] || { missing_told && ms_s=$(printf '%s' "$ms_l" | tr -d ' ":'); } ;;
        [!\ ]*) missing_told && ms_in='' ;;
        esac
    done
}
missing_told() {
    [ -z "$ms_s" ] || [ -n "$ms_off" ] || listed "$ms_s" "$ms_there" || printf '%s\n' "$ms_s"
    ms_s='' ms_off=''
}

# stopped_now: a person wants these down; an update starts them again, though neither file nor image has changed.
stopped_now() {
    {
        {
            stopped_ones
            running_ones | while IFS= read -r sn_s; do
                [ -n "$service" ] && [ "$service" != "$sn_s" ] || printf '%s\n' "$sn_s"
            done
        } | LC_ALL=C sort -u >"$stack_dir/stopped.new" && mv "$stack_dir/stopped.new" "$stack_dir/stopped"
    } 2>/dev/null || :
}

# started_now: what was stopped of them is to run again.
started_now() {
    if [ -z "$service" ]; then rm -f "$stack_dir/stopped" && return 0; fi
    [ -s "$stack_dir/stopped" ] || return 0
    { stopped_ones | grep -vxF -e "$service" >"$stack_dir/stopped.new" || :; } 2>/dev/null
    mv "$stack_dir/stopped.new" "$stack_dir/stopped" 2>/dev/null || :
}

bring_up() {
    untagged=
    if [ -n "$service" ]; then up "$target" --no-deps "$service" || return 1; else up "$target" || return 1; fi
    recreate_mounting "$mounts"
}

# right_images: exit 0 with the wrong thing running is a failure.
right_images() {
    wrong=$(container_lines "$project" | while IFS=$tab read -r _ ri_s _ ri_i _ _ _ _ _ _ ri_r _; do
        [ -z "$service" ] || [ "$service" = "$ri_s" ] || continue
        ri_r=$(printf '%s' "$ri_r" | sed 's/^"//;s/"$//')
        [ "$(D image inspect --format '{{.ID}}' "$ri_r" 2>/dev/null)" = "$ri_i" ] || printf '%s ' "$ri_s"
    done)
    [ -z "$wrong" ]
}

# unswap: after a swap that failed half-way.
unswap() {
    swap_out || finish failed "the files stand half-way, in $path, $old and $new: data is in one of them" "target=$target"
    go_on "$halted" || warn "these could not be started again: $halted"
}

# give_up: nothing runs differently yet; the references that `pull` moved are put back.
give_up() {
    rm -rf "$new" "$stack_dir/carry"
    [ -z "$target" ] || { wait_docker && retag "$target"; }
    finish "$1" "$2"
}

# come_back WHY: the way back writes nothing before it acts.
come_back() {
    rm -f "$job/reserve"
    step return
    warn "$1"
    if [ -z "$target" ]; then first_failed "$1"; fi
    [ "$on_failure" != leave ] || { settle_files && finish failed "left as it is, as asked: $1" "target=$target"; }
    returning=1
    if ! wait_docker; then
        swap_out || warn "the files could not all be put back"
        finish failed "it went bad ($1), and Docker does not answer: files are back at $target; roll back to it when Docker answers" "target=$target"
    fi
    back_now=$(container_lines "$project") || back_now=$(cat "$before")
    places=$(printf '%s\n' "$back_now" | mounted)
    mounts=$(printf '%s\n' "$places" | mounting)
    halt "$(printf '%s\n' "$places" | writing)" || warn "some services could not be stopped for the swap of the files"
    remember phase=returning "target=$target"
    # What a new service wrote meanwhile stays too.
    data_names "$path" "$project" 2>/dev/null >>"$stack_dir/carry"
    swap_out || warn "the files could not all be put back"
    retag "$target"
    rm -f "$stack_dir/stopped"
    up "$target" && recreate_mounting "$mounts" ||
        finish failed "it went bad ($1), and the way back to $target failed: $(tail_of_log)" "target=$target"
    verify_release "$target" || finish failed "it went bad ($1); after the way back these services do not run what was recorded: $wrong" "target=$target"
    judge "$known" || finish failed "it went bad ($1); it is back at $target, which is not well now: $why" "target=$target"
    mark "$target" "$(health_word "$known")"
    cancelled && finish cancelled "cancelled: back at release $target, and verified" "release=$target"
    finish returned "it went bad ($1): back at release $target, and verified" "release=$target"
}

first_failed() {
    settle_files
    ! cancelled || { run compose_in "$path" down --remove-orphans; finish cancelled "cancelled: the first deployment was taken down"; }
    [ "$first_failure" = up ] || { run compose_in "$path" down --remove-orphans && finish failed "the first deployment failed and was taken down: $1"; }
    finish failed "the first deployment failed and was left up: $1"
}

# ---------------------------------------------------------------- rollback

rollback() {
    step check
    workplace
    look
    release_d=$stack_dir/releases/$release
    also_managed=$release_d/managed
    mend_files
    [ -f "$release_d/manifest" ] || finish refused "there is no release $release of $stack on this unit"
    whole "$release" || finish refused "the files of release $release are not those that were recorded: it is damaged"
    lost=$(missing_images "$release")
    [ -z "$lost" ] || finish refused "release $release is not restorable here: the image is gone of: $lost"
    was_project=$(sed -n "s/^project$tab//p" "$release_d/manifest")
    [ ! -s "$before" ] || [ "$was_project" = "$project" ] ||
        finish refused "release $release was the project $was_project, and $project runs now: remove $stack first"
    known=
    know_data "${project:-$base}" || finish refused "the disk of $state is full: nothing was changed"

    step record
    target=
    if [ -s "$before" ]; then
        record "$(health_before)" ||
            finish refused "what runs could not be recorded (is the disk full?): nothing was changed"
        target=$recorded
    fi
    stage "$release_d/folder" exact || finish refused "the recorded files could not be put beside $path (is the disk full?): nothing was changed"
    checked=$(compose_in "$new" config --quiet 2>&1) ||
        refuse "Docker Compose refuses the recorded files: $(printf '%s' "$checked" | tail -n 3 | tr '\n' ' ')"
    project=$was_project
    changed=$(changed_names)
    places=$(mounted <"$before")
    halted=$(printf '%s\n' "$places" | writing)
    cancelled && refuse_as cancelled "cancelled before anything was changed"
    remember phase=swapping "target=$target" "to=$release" "halted=$halted" || refuse "the disk of $state is full: nothing was changed"

    step activate
    mounts=$(printf '%s\n' "$places" | mounting)
    halt "$halted" || { go_on "$halted"; refuse_as failed "these could not be stopped for the swap of the files: $halted"; }
    swap_in || {
        unswap
        finish failed "the recorded files could not be put in place: nothing was changed"
    }
    remember phase=activating "target=$target" "to=$release"
    retag "$release"
    up "$release" && recreate_mounting "$mounts" || half "docker compose up failed on the way to $release: $(tail_of_log)"

    step verify
    verify_release "$release" || half "these services do not run what was recorded: $wrong"
    wrong=$(other_files "$release")
    [ -z "$wrong" ] || half "these files are not what was recorded: $wrong"
    step health
    judged_word=healthy
    returning=1 # what was recorded stands: a cancel would be no evidence against it, and there is nothing to return to
    judge "" || judged_word=unwell
    rm -f "$stack_dir/stopped"
    hold_now "$release"
    swap_done
    remember_managed "$release_d/managed" "$stack_dir/managed"
    mark "$release" "$judged_word"
    retain "$release" "$target"
    [ "$judged_word" = healthy ] ||
        finish failed "release $release runs again exactly as recorded, and is held, but is not well: $why" "release=$release" "from=$target"
    finish succeeded "release $release runs again: images and files verified; held there" "release=$release" "from=$target"
}

# half WHY: the recorded files stand, but what runs is not what was recorded. What ran before is release $target.
half() {
    remember_managed "$release_d/managed" "$stack_dir/managed"
    swap_done
    finish failed "$1" "target=$target"
}

hold_now() {
    { printf 'held\t%s\t%s\t%s\t%s\n' "$1" "$now" "$operator" "$reason" >"$stack_dir/held.new"; } 2>/dev/null &&
        mv "$stack_dir/held.new" "$stack_dir/held" && durable "$stack_dir"
}

unhold_now() { rm -f "$stack_dir/held"; }

release_hold() {
    [ -s "$stack_dir/held" ] || finish nochange "$stack was not held"
    unhold_now
    finish succeeded "$stack is not held any more: an update may change it"
}

# ---------------------------------------------------------------- the small verbs

simple_verb() {
    step check
    workplace
    look
    [ -s "$before" ] || finish refused "$stack has no container on this unit"
    safe_point
    step "$verb"
    remember phase="$verb"
    if [ -n "$service" ]; then run compose_in "$path" "$verb" "$service"; else run compose_in "$path" "$verb"; fi ||
        finish failed "docker compose $verb failed: $(tail_of_log)"
    [ "$verb" = restart ] || { stopped_now; finish succeeded "stopped"; }
    started_now
    step health
    known=
    [ -z "$service" ] || known=$({ known_unwell; stopped_and_down; } | tr ' ' '\n' | grep -vxF -e "$service" -e '' | tr '\n' ' ')
    returning=1 # nothing is left to be cancelled
    judge "$known" || finish failed "restarted, but not well: $why"
    [ -z "$known" ] || finish succeeded "restarted; already unwell or stopped before and not judged: $known"
    finish succeeded "restarted, and every service is well"
}

remove_stack() {
    step check
    workplace
    look
    [ -s "$before" ] || finish nochange "$stack has no container on this unit"
    step record
    record "$(health_before)" || finish refused "what runs could not be recorded (is the disk full?): nothing was changed"
    remember phase=removing "target=$recorded" || finish refused "the disk of $state is full: nothing was changed"
    safe_point
    step remove
    run compose_in "$path" down --remove-orphans || finish failed "docker compose down failed: $(tail_of_log)"
    [ -z "$(container_lines "$project")" ] || finish failed "some containers of $stack are still there"
    finish succeeded "removed; its files and release $recorded are kept, volumes too" "release=$recorded"
}

# ---------------------------------------------------------------- after a job that died

# mend_files: a dead job may have stopped between two renames. Until `up` nothing runs differently: back as it was. A swap that
# was whole and that nobody settled stays; what it replaced is in a release.
mend_files() {
    if [ -d "$path" ] && [ -d "$old" ] && [ ! -d "$new" ]; then swap_done; fi
    if here "$old" || here "$new" || [ -f "$stack_dir/carrying" ]; then
        swap_out || finish refused "$path was left half-way by a dead job and cannot be mended"
        look
    fi
}

# job_mend: called by `settle`, under the lock, for a job that is dead. 75: not yet, since Docker does not answer.
job_mend() {
    mend_phase=$(sed -n 's/^phase=//p' "$job/state")
    mend_target=$(sed -n 's/^target=//p' "$job/state")
    before=$job/work/before
    case $mend_phase in
    recorded) rm -rf "$new" "$stack_dir/carry" ;;
    swapping) swap_out ;;
    *)
        if [ ! -d "$path" ] || { [ -d "$old" ] && [ -d "$new" ]; }; then swap_out; fi
        return
        ;;
    esac
    D version >/dev/null 2>&1 || return 75
    [ -z "$mend_target" ] || [ "$verb" != update ] || retag "$mend_target"
    go_on "$(sed -n 's/^halted=//p' "$job/state")"
    # What was put aside is what Docker made at boot: services that run have it in hand.
    [ -z "${put_aside:-}" ] || run compose_in "$path" restart
}
