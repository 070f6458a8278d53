# shellcheck shell=sh
# stack.sh: the body of a job on one Docker Compose stack. It is sourced by job.sh, under the unit's lock; `params`
# has set: verb stack path service release expect hook hook_s pull_s health_s grace_s on_failure first_failure keep_n
# archive unhold build min_free_mib confirm_s data operator reason now.
# shellcheck disable=SC2154
# shellcheck source=clavel_tui/unit/stack_lib.sh
. "$job/files/stack_lib.sh"
# shellcheck source=clavel_tui/unit/stack_releases.sh
. "$job/files/stack_releases.sh"
# shellcheck source=clavel_tui/unit/stack_files.sh
. "$job/files/stack_files.sh"
# shellcheck source=clavel_tui/unit/stack_health.sh
. "$job/files/stack_health.sh"
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
        docker_v=$(D version --format '{{.Server.Version}}' 2>/dev/null) ||
            finish refused "Docker does not answer on this unit within $docker_limit s"
        compose_v=$(D compose version --short 2>/dev/null) || finish refused "Docker Compose v2 is not installed on this unit"
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
    know_data "${project:-$base}" || finish refused "the disk of $state is full: nothing was changed"
    found=$(fingerprint "$path" "$names" <"$before")
    [ -z "$expect" ] || [ "$expect" = "$found" ] ||
        finish refused "$stack is not as it was when this was planned (somebody changed it meanwhile): plan again"
}

# know_data PROJECT: what services write to, in $names. Mounts are remembered: after `down` no container tells of them, and
# what was in them must not go with the next swap of the folder.
know_data() {
    { cat "$stack_dir/mounts"; data_mounts "$path" "$1"; } 2>/dev/null | LC_ALL=C sort -u >"$stack_dir/mounts.new" &&
        mv "$stack_dir/mounts.new" "$stack_dir/mounts" || return 1
    know_names
}
know_names() { # the same where no container came or went since: only what an update puts there is another
    know_managed
    names=$(data_of "$path" <"$stack_dir/mounts")
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

# wait_docker: a killed dockerd comes back by itself as a rule; the way back waits for it, $health_s seconds at most.
wait_docker() {
    wait_n=0
    wait_begun=$(uptime_s)
    until D version >/dev/null 2>&1; do
        wait_n=$((wait_n + 1))
        if [ "$wait_n" -gt "$health_s" ] || [ $(($(uptime_s) - wait_begun)) -ge "$health_s" ]; then return 1; fi
        sleep 1
    done
}

docker_root() { D info --format '{{.DockerRootDir}}' 2>/dev/null; }

# ---------------------------------------------------------------- images and containers

# retag RELEASE: each mutable reference points at its recorded image again, so a hand-typed `up` changes nothing; $untagged
# are the services whose reference could not. In memory: the way back must not need room on a disk.
retag() { untagged=$(retag_lines "$1"); }
retag_lines() {
    sed -n "s/^service$tab//p" "$stack_dir/releases/$1/manifest" | while IFS=$tab read -r retag_s retag_i retag_r _; do
        retag_r=$(printf '%s' "$retag_r" | sed 's/^"//;s/"$//')
        case $retag_r in
        *@sha256:* | sha256:*)
            [ "$(D image inspect --format '{{.ID}}' "$retag_r" 2>/dev/null)" = "$retag_i" ] || printf '%s\n' "$retag_s"
            ;;
        *) D tag "$retag_i" "$retag_r" >&2 || printf '%s\n' "$retag_s" ;;
        esac
    done 2>/dev/null
}

# up [SERVICES]: with an override only for a reference that could not be made to name its recorded image.
up() {
    up_rc=0
    if [ -n "$untagged" ]; then
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
    printf '%s\n' "$untagged" | while IFS= read -r ovr_s; do
        printf '  "%s":\n    image: "%s"\n' "$ovr_s" "$(keep_name "$ovr_s" "$1")"
    done
}

compose_files() { # the files that Compose itself chose for the containers of the release
    for cf in compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do
        [ ! -f "$path/$cf" ] || { printf '%s\n' "$cf" && break; }
    done
    for cf in compose.override.yaml compose.override.yml docker-compose.override.yml docker-compose.override.yaml; do
        [ ! -f "$path/$cf" ] || { printf '%s\n' "$cf" && break; }
    done
}

# recreate_mounting SERVICES: those of them that the files still name; Compose would refuse all for one that it does not know.
recreate_mounting() {
    [ -n "$1" ] || return 0
    rm_known=$(compose_in "$path" config --services 2>/dev/null) || return 1
    rm_s=$(for rm_n in $1; do if listed "$rm_n" "$rm_known"; then printf '%s ' "$rm_n"; fi; done)
    # shellcheck disable=SC2086  # service names have no blanks
    [ -z "$rm_s" ] || run compose_in "$path" up -d --no-build --pull never --no-deps --force-recreate $rm_s
}
