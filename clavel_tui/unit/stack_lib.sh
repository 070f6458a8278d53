# shellcheck shell=sh
# stack_lib.sh: what a Docker Compose project runs, and its releases, as lines. Shared by the job and the probe.
# One fact a line, fields parted by tabs; free text only as JSON, so that no name can break a line.

docker_limit=${CLAVEL_DOCKER_LIMIT:-20}
stacks=$state/stacks
tab=$(printf '\t')

D() { limit "$docker_limit" docker "$@"; }

container_format='{{index .Config.Labels "com.docker.compose.project"}}	{{index .Config.Labels "com.docker.compose.service"}}	{{.ID}}	{{.Image}}	{{.State.Status}}	{{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}}	{{.State.ExitCode}}	{{.RestartCount}}	{{or .HostConfig.RestartPolicy.Name "no"}}	{{.State.StartedAt}}	{{json .Config.Image}}	{{json (index .Config.Labels "com.docker.compose.project.working_dir")}}	{{json (index .Config.Labels "com.docker.compose.project.config_files")}}	{{json .Name}}	{{json .State.Error}}'
image_format='{{.ID}}	{{.Os}}/{{.Architecture}}	{{json .RepoTags}}	{{json .RepoDigests}}'

# container_lines [PROJECT]: every container of one Compose project, or of all; `compose run` ones left out.
container_lines() {
    container_i=$(container_ids "$@") || return
    # shellcheck disable=SC2086  # ids are hexadecimal
    [ -z "$container_i" ] || inspect_containers $container_i
}
container_ids() {
    D ps -aq --no-trunc --filter "label=com.docker.compose.project${1:+=$1}" --filter label=com.docker.compose.oneoff=False
}
inspect_containers() { D inspect --type container --format "$container_format" "$@"; }

# image_lines ID...: platform, tags and all RepoDigests. An image that is gone has no line.
image_lines() {
    [ $# -gt 0 ] || return 0
    D image inspect --format "$image_format" "$@" 2>/dev/null || :
}

# data_names PATH PROJECT: what services write to in the stack's folder. It is never recorded, replaced or put back: it stays.
# $data names it; and below a folder that a service mounts to write, or was ever seen to, it is what no update put there.
data_names() {
    [ -n "${managed_all:-}" ] || know_managed
    { cat "$stack_dir/mounts" 2>/dev/null; data_mounts "$1" "$2"; } | LC_ALL=C sort -u | data_of "$1"
}
data_of() { # data_of PATH <places that services mount
    {
        printf '%s\n' "${data:-}" | while IFS= read -r data_n; do
            if [ -n "$data_n" ] && [ -e "$1/$data_n" ]; then printf '%s/\n' "$data_n"; fi
        done
        while IFS= read -r data_n; do
            if [ "$data_n" = . ]; then written_in "$1" .; else written "$1" "$data_n"; fi
        done
    } | LC_ALL=C sort -u | outermost
}

# data_mounts PATH PROJECT: places inside PATH that containers of the project may write to; "." is all of it. A named volume
# may lie there too, and both may be named by another way that leads there.
data_mounts() {
    data_ids=$(D ps -aq --no-trunc --filter "label=com.docker.compose.project=$2")
    data_real=$(cd "$1" 2>/dev/null && pwd -P)
    {
        # shellcheck disable=SC2086  # ids are hexadecimal
        [ -z "$data_ids" ] || D inspect --type container --format \
            '{{range .Mounts}}{{if and .RW (eq .Type "bind")}}{{println .Source}}{{end}}{{end}}' $data_ids
        D volume ls -q --filter "label=com.docker.compose.project=$2" | while IFS= read -r data_v; do
            D volume inspect --format '{{index .Options "device"}}' "$data_v"
        done
    } | while IFS= read -r data_src; do
        case $data_src in
        "$1" | "$data_real") [ -z "$data_src" ] || printf '.\n' ;;
        "$1"/*) printf '%s\n' "${data_src#"$1"/}" ;;
        "${data_real:-/nowhere}"/*) printf '%s\n' "${data_src#"$data_real"/}" ;;
        esac
    done
}

# written PATH NAME: its outermost part that no update put there; where updates put NAME too, what else is in it.
written() {
    [ -e "$1/$2" ] || return 0
    written_at=
    written_left=$2/
    while [ -n "$written_left" ]; do
        written_at=$written_at${written_at:+/}${written_left%%/*}
        written_left=${written_left#*/}
        if ! managed "$written_at"; then printf '%s/\n' "$written_at" && return; fi
    done
    written_in "$1" "$2"
}
written_in() { # written_in PATH FOLDER: what is in a folder and no update put there
    (cd "$1" && [ -d "$2" ] && find "./$2" -mindepth 1 -maxdepth 1 -print) | while IFS= read -r written_f; do
        written_f=${written_f#./}
        written_f=${written_f#./}
        if ! managed "$written_f"; then printf '%s/\n' "$written_f"; elif [ -d "$1/$written_f" ]; then written "$1" "$written_f"; fi
    done
}

outermost() { # <sorted names that end in a slash: those that are not inside another
    outer=
    while IFS= read -r outer_n; do
        if [ -n "$outer" ]; then case $outer_n in "$outer"*) continue ;; esac; fi
        outer=$outer_n
        printf '%s\n' "${outer%/}"
    done
}

# managed NAME: an update put it there from the repository, or is about to: then $stage_in holds what it will put.
managed() { listed "$1" "$managed_all"; }
know_managed() {
    managed_all=./$newline$(cat "$stack_dir/managed" ${also_managed:+"$also_managed"} 2>/dev/null)
    [ -z "${stage_in:-}" ] || managed_all=$managed_all$newline$(paths_in "$stage_in")
}
paths_in() { (cd "$1" && find . -mindepth 1 -print) | sed 's|^\./||'; }

# fingerprint PATH DATA <container lines: what a preview saw and a job must find: services with image and reference, files, hold.
fingerprint() {
    {
        cut -f 2,4,11 | LC_ALL=C sort
        printf 'files %s\n' "$(files_sum "$1" "$2")"
        cat "$stack_dir/held" 2>/dev/null
    } | sha256
}

# files_sum PATH DATA: DATA is a newline-parted list of top-level names that are left out.
files_sum() { tree_lines "$1" "$2" 2>/dev/null | sha256; }

# project_of PATH: the project's name as Compose itself sees it there.
project_of() {
    po=$( (cd "$1" 2>/dev/null && D compose config 2>/dev/null) | project_in)
    # A file that somebody broke names none, but what was made of it still runs.
    [ -n "$po" ] || po=$(D ps -a --filter "label=com.docker.compose.project.working_dir=$1" \
        --format '{{.Label "com.docker.compose.project"}}' | head -n 1)
    printf '%s\n' "$po"
}

project_in() { sed -n 's/^name: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' | head -n 1; } # <what `compose config` prints

slug() { # an image name takes no capitals and no dots in a row; the hash keeps two services apart
    slug_s=$(printf '%s' "$1" | tr 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' 'abcdefghijklmnopqrstuvwxyz' | tr -c 'a-z0-9' '-')
    [ "$slug_s" = "$1" ] || slug_s=s$(printf '%s' "$1" | sha256 | cut -c 1-8)
    printf '%s' "$slug_s"
}

# release_lines: each recorded release of the stack in $stack_dir, a block a release.
release_lines() {
    for release_d in "$stack_dir"/releases/*; do
        [ -f "$release_d/manifest" ] || continue
        printf 'release\t%s\n' "${release_d##*/}"
        cat "$release_d/manifest"
        cat "$release_d/seen" 2>/dev/null
        archived_lines
    done
}

# archived_lines: services of the release in $release_d whose image is also kept as a file.
archived_lines() {
    [ -d "$release_d/archive" ] || return 0
    sed -n "s/^service$tab//p" "$release_d/manifest" | while IFS=$tab read -r arc_s _; do
        [ ! -f "$release_d/archive/$(slug "$arc_s").tar" ] || printf 'archived\t%s\n' "$arc_s"
    done
}
