# shellcheck shell=sh
# stack_releases.sh: a release is what ran: its files, images by ID, and a container and a tag that keep each of them. It is
# written once, and found by what is in it.
# shellcheck disable=SC2154

# record HEALTH: keep what runs as a release; prints nothing, sets $recorded. Immutable but for its `seen` file.
record() {
    record_it "$1" || { rm -rf "$stack_dir/releases/.new" "$stack_dir"/releases/*/archive.new; return 1; }
}

record_it() {
    record_kib=$(cd "$path" 2>/dev/null && leaves "$names" | while IFS= read -r rk_f; do
        listed "$rk_f" "$names" || du -sk "./$rk_f"
    done | cut -f 1 | paste -s -d + - | sed 's/^$/0/')
    room=$(free_mib "$state")
    record_mib=$(((${record_kib:-0}) / 1024 + 1))
    if [ "$record_mib" -ge "${room:-0}" ]; then
        warn "the folder's files take $record_mib MiB, and $state has ${room:-no} MiB free: say what is data in unit.toml"
        return 1
    fi
    fresh=$stack_dir/releases/.new
    rm -rf "$fresh"
    { mkdir "$fresh" "$fresh/folder" && copy_stack "$path" "$fresh/folder" "$names"; } 2>>"$job/log" || return 1
    record_lines >"$fresh/manifest" || return 1
    recorded=$(grep -v "^tools" "$fresh/manifest" | cut -f 1-4 | sha256 | cut -c 1-12)
    if [ -d "$stack_dir/releases/$recorded" ] && whole "$recorded"; then
        rm -rf "$fresh"
    else
        rm -rf "${stack_dir:?}/releases/$recorded"
        { cp "$before" "$fresh/containers" && remember_managed "$stack_dir/managed" "$fresh/managed"; } 2>/dev/null || return 1
        sync
        mv "$fresh" "$stack_dir/releases/$recorded" || return 1
    fi
    # Also where it was recorded before: a prune may have taken what kept its images, and archive may be new.
    keep_images "$recorded" && { [ "$archive" != 1 ] || archive_images "$recorded"; } || return 1
    mark "$recorded" "$1"
}

# whole RELEASE: its files are still those that were recorded; a power cut or a hand may have changed them.
whole() {
    [ "$(files_sum "$stack_dir/releases/$1/folder" "")" = "$(sed -n "s/^files$tab//p" "$stack_dir/releases/$1/manifest")" ]
}

# other_files RELEASE: recorded files that do not stand in the stack's folder as they were recorded; data is left out.
other_files() {
    {
        tree_lines "$path" "$names"
        tree_lines "$path" "$names"
        sed -n "s/^file$tab//p" "$stack_dir/releases/$1/manifest" | grep -v '^dir '
    } | LC_ALL=C sort | uniq -u | while IFS= read -r of_l; do
        of_f=${of_l#* * ./}
        within "$of_f" "$names" || printf '%s ' "$of_f"
    done
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
    # shellcheck disable=SC2046  # image ids
    rl_images=$(image_lines $(cut -f 4 "$before" | LC_ALL=C sort -u))
    cut -f 2,4,11 "$before" | LC_ALL=C sort -u | while IFS=$tab read -r rl_service rl_image rl_ref; do
        rl_more=$(printf '%s\n' "$rl_images" | sed -n "s/^$rl_image$tab//p" | cut -f 1,3)
        printf 'service\t%s\t%s\t%s\t%s\n' "$rl_service" "$rl_image" "$rl_ref" "$rl_more"
    done
    printf 'files\t%s\n' "$(files_sum "$fresh/folder" "")"
    tree_lines "$fresh/folder" | sed "s/^/file$tab/"
    printf 'tools\t%s\t%s\n' "$docker_v" "$compose_v"
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
        keep_c=clavel-keep-$(slug "$stack")-$(slug "$keep_s")-$1
        D inspect --type container "$keep_c" >/dev/null 2>&1 && continue
        # What Compose built bears its project's label: inherited, it would make this a container of the stack.
        keep_l=$(D image inspect --format '{{index .Config.Labels "com.docker.compose.project"}}' "$keep_i")
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
