# shellcheck shell=sh
# system.sh: the body of a job that makes a unit run a system closure: a new one, or one that it has run before. It is sourced
# by job.sh, under the unit's lock; `params` has set: target mode type arch expect activate_s check_s grace_s confirm_s checks
# on_failure keep_n secrets check_secrets label revision verb operator reason now.
#
# The order is the promise. Both paths are rooted, the new one is activated as `test`, what must hold is looked at, somebody
# answers over a new connection; only then do profile and boot entry move. So whatever ends this before, a power cut too, the
# unit comes up with what it ran.
#
# What a container or a device runs is a closure with bin/activate, which makes it run from whatever ran before, and maybe
# bin/check, which ends with 0 as long as it runs well. The way back is the bin/activate of what ran.
# shellcheck disable=SC2154
# shellcheck source=clavel_tui/unit/secrets.sh
. "$job/files/secrets.sh"
# shellcheck source=clavel_tui/unit/vetted.sh
. "$job/files/vetted.sh"
places "$type"
system_dir=$state/system
nix_lock=${CLAVEL_NIX_LOCK:-$root/run/nixos/switch-to-configuration.lock}
tab=$(printf '\t')
nix_s=300 # a daemon that hangs must not hold the unit's lock for ever

job_main() {
    from=$(store_path "$running")
    was_set=$(store_path "$profile")
    [ -z "$expect" ] || [ "$expect" = "$from $was_set" ] ||
        finish refused "it does not run what it ran when this was planned (somebody changed it meanwhile): plan again"
    [ -n "$from" ] || itself "$type" || finish refused "there is no /run/current-system: this is not a running $type system"
    valid "$target" || finish refused "$target is not on this unit: it was collected as garbage, or never copied whole"
    guard
    [ "$from" != "$target" ] || [ "$was_set" != "$target" ] || [ -n "$(own_check "$target")" ] || finish nochange "it runs this already"
    # Behind a way back that failed nothing is known to run, and what it comes up with is what was good.
    [ -n "$from" ] || from=$was_set
    # Roots first, then a second look: between the two nothing could be collected.
    { mkdir -p "$roots" "$system_dir" && root_path "$from" && root_path "$target" && root_path "$was_set"; } 2>/dev/null ||
        finish refused "$roots cannot be written: nothing was changed"
    valid "$target" ${from:+"$from"} || finish refused "a path went away while it was rooted: nothing was changed"
    safe_point
    if [ "$mode" = boot ]; then boot_only; else activate; fi
}

# ---------------------------------------------------------------- looking

store_path() { # what a link means, as this unit names it; empty where there is none
    [ -e "$1" ] && store_path_p=$(cd "$1" && pwd -P) && printf '%s\n' "${store_path_p#"$root"}"
}

valid() { limit "$nix_s" nix-store --check-validity "$@" 2>/dev/null; }
set_profile() { run limit "$nix_s" nix-env --profile "$profile" --set "$1"; }

# guard: a system of the right kind, for this very machine, that could also be left again. Where a login without root's rights
# asks for it, see helper.sh, not a byte of it is read before it is known to be signed.
guard() {
    [ -z "${signed_only:-}" ] || vetted "$target" "${signed_by:-}" ||
        finish refused "$target is not signed by the key that was named for this unit, and has not run here before: nothing was changed"
    case $type in
    container | iot) guard_file=bin/activate guard_way=bin/activate ;;
    darwin) guard_file=darwin-version guard_way=activate ;;
    *) guard_file=nixos-version guard_way=bin/switch-to-configuration ;;
    esac
    [ -e "$root$target/$guard_file" ] || finish refused "$target is no $type system: it holds no $guard_file"
    [ -x "$root$target/$guard_way" ] || finish refused "$target holds no $guard_way"
    [ -z "$from" ] || [ -x "$root$from/$guard_way" ] || finish refused "what runs now, $from, could not be returned to: it holds no $guard_way"
    guard_arch=$(cat "$root$target/system" 2>/dev/null)
    [ -z "$guard_arch" ] || [ -z "$arch" ] || [ "$guard_arch" = "$arch" ] ||
        finish refused "$target is for $guard_arch, and this unit is $arch"
    has_its_secrets
}

# has_its_secrets: what the running system looks for in vain as well is not this one's fault, and is only said. What the
# fleet's own file names has to be there.
has_its_secrets() {
    [ "${check_secrets:-1}" = 1 ] || return 0
    # shellcheck disable=SC2086  # files, as the fleet's own file lists them
    secrets_new=$(secrets_lacking "$target" $secrets | LC_ALL=C sort -u)
    secrets_bad=$(beyond "$secrets_new" "$([ -z "$from" ] || secrets_lacking "$from")")
    [ -z "$secrets_bad" ] ||
        finish refused "it needs secrets that are not on this unit: $(commas "$secrets_bad"); put them there first: nothing was changed"
    [ -z "$secrets_new" ] || warn "not there, as little as for what runs now: $(commas "$secrets_new")"
}

root_path() { [ -z "$1" ] || ln -sfn "$1" "$roots/${1##*/}" && durable "$roots"; }

failed_units() {
    [ -d "$root/run/systemd/system" ] || return 0
    limit 10 systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null | cut -d ' ' -f 1
}

# failing: the checks that do not hold now, one a line.
failing() {
    printf '%s\n' "$checks" | while read -r check_k check_w; do
        case $check_k in
        systemd) systemctl is-active --quiet -- "$check_w" 2>/dev/null ;;
        command) limit 5 sh -c "$check_w" </dev/null >/dev/null 2>&1 ;;
        stack) stack_well "$check_w" ;;
        *) continue ;;
        esac || printf '%s %s\n' "$check_k" "$check_w"
    done
    own_check "$(store_path "$running")"
}

# own_check PATH: a line where what that closure looks at itself does not hold.
own_check() {
    itself "$type" && [ -n "$1" ] && [ -x "$root$1/bin/check" ] || return 0
    limit 30 "$root$1/bin/check" </dev/null >/dev/null 2>&1 7>&- 8>&- 9>&- || printf 'bin/check of %s\n' "$1"
}

stack_well() { # of the stack in that folder something runs, and nothing is unhealthy, restarting or dead
    stack_lines=$(limit 10 docker ps -a --filter "label=com.docker.compose.project.working_dir=$1" --format '{{.State}} {{.Status}}' 2>/dev/null) || return 1
    case $stack_lines in *unhealthy* | *restarting* | *dead* | *starting\)*) return 1 ;; esac
    case $stack_lines in *running*) ;; *) return 1 ;; esac
}

# beyond NEW OLD: the lines of NEW that OLD has not. What was wrong before is not judged.
beyond() {
    printf '%s\n' "$1" | while IFS= read -r beyond_l; do
        [ -z "$beyond_l" ] || listed "$beyond_l" "$2" || printf '%s\n' "$beyond_l"
    done
}

commas() { printf '%s\n' "$1" | sed '/^$/d' | tr '\n' ',' | sed 's/,$//; s/,/, /g'; }

# ---------------------------------------------------------------- making it run

# switch_to PATH VERB: that system's own way to become the running one; darwin's knows no verbs.
switch_to() {
    switch_p=$root$1
    case $type$2 in
    darwinboot | containerboot | iotboot) return 0 ;; # the profile is all that their boot looks at
    container* | iot*) set -- "$switch_p/bin/activate" ;;
    darwin*) set -- "$switch_p/activate" ;;
    *) set -- "$switch_p/bin/switch-to-configuration" "$2" ;;
    esac
    exec 8>&- # NixOS's own lock is the script's to take
    run_loose "$activate_s" "$@"
    switch_rc=$?
    ! itself "$type" || { if [ "$switch_rc" = 0 ]; then ln -sfn "$switch_p" "$running" || switch_rc=1; else rm -f "$running"; fi; }
    # Between two switches it is ours again, so that nobody else's falls between them.
    if [ -e "$nix_lock" ]; then exec 8>>"$nix_lock" && { hold_lock 8 || exec 8>&-; }; fi
    return "$switch_rc"
}

# switch_back PATH VERB: the same for the way back, which waits five minutes for whoever else is switching.
switch_back() {
    back_n=0
    while :; do
        log_at=$(log_size)
        switch_to "$1" "$2" && return 0
        back_status=$?
        { [ -n "$(told 'Could not acquire lock')" ] && [ "$back_n" -lt "${back_most:-60}" ]; } || return "$back_status"
        back_n=$((back_n + 1))
        sleep 5
    done
}

# told TEXT: what the switch said, line by line, from the last TEXT on.
told() { tail -c "+$((log_at + 1))" "$job/log" 2>/dev/null | sed -n "s/^[0-9]* out .*\\($1\\)/\\1/p" | tail -n 1; }
log_size() { echo $(($(wc -c <"$job/log" 2>/dev/null || echo 0))); }

recall() { remember "phase=$1" "from=$from" "was_set=$was_set" "target=$target" "mode=$mode"; }

activate() {
    failed_before=$(failed_units)
    failing_before=$(failing)
    [ -z "$failing_before" ] || warn "already failing, and so not judged: $(commas "$failing_before")"
    first_seen
    recall activating || finish refused "the disk of $state is full: nothing was changed"
    step activate
    log_at=$(log_size)
    activate_rc=0
    switch_to "$target" test || activate_rc=$?
    if [ "$activate_rc" != 0 ] && [ "$(store_path "$running")" = "$from" ]; then not_begun; fi
    case $activate_rc in
    0) ;;
    4) if itself "$type"; then go_back "the activation failed with exit code 4"; else unwell; fi ;;
    124 | 137 | 142 | 143) go_back "the activation took longer than $activate_s s" ;;
    *) go_back "the activation failed with exit code $activate_rc" ;;
    esac
    [ "$(store_path "$running")" = "$target" ] || go_back "the activation ended well, and $(store_path "$running") runs"
    cancelled && go_back "cancel was asked for"
    step check
    judge
    if [ "$confirm_s" -gt 0 ]; then
        step confirm
        say "waiting $confirm_s s for a word over a new connection"
        await_ack "$confirm_s" || go_back "$(cancelled && echo 'cancel was asked for' || echo "nobody reached this unit over a new connection within $confirm_s s")"
    fi
    if [ "$mode" = test ]; then
        if [ -n "${units_failed:-}" ]; then
            record failed
            finish units-failed "$label runs until the next boot, and some of it does not: $units_failed" "from=$from" "release=$target"
        fi
        record test
        finish succeeded "$label runs until the next boot: profile and boot entry are as they were" "from=$from" "release=$target"
    fi
    keep
}

# not_begun: it refused before it touched anything.
not_begun() {
    ! itself "$type" || return 0
    if [ -n "$(told "Pre-switch check 'switchInhibitors' failed")" ]; then
        [ "$mode" != test ] || finish refused "it replaces what must not be replaced while it runs: deploy it with --mode boot"
        say "it would replace what must not be replaced while it runs"
        boot_only needs-reboot
    fi
    [ -z "$(told 'Could not acquire lock')" ] || finish refused "NixOS is switching its configuration at this moment: nothing was changed"
}

# unwell: the switch ended with failed units. Those that had failed before are not its fault.
unwell() {
    unwell_all=$(told 'units failed:' | sed 's/^units failed: *//' | tr ',' '\n' | sed 's/^ *//')
    [ -n "$unwell_all" ] || unwell_all=$(failed_units)
    [ -n "$unwell_all" ] || unwell_all="some that it does not name"
    unwell_new=$(beyond "$unwell_all" "$failed_before")
    [ -n "$unwell_new" ] || { warn "failed before as well, and so not judged: $(commas "$unwell_all")" && return 0; }
    units_failed=$(commas "$unwell_new")
    [ "$on_failure" = leave ] || go_back "units failed: $units_failed"
    warn "units failed: $units_failed"
}

# judge: what must hold holds for $grace_s seconds in a row, within $check_s seconds.
judge() {
    judge_end=$(($(uptime_s) + check_s))
    judge_well=0
    while :; do
        judge_bad=$(beyond "$(failing)" "$failing_before")
        judge_units=$(beyond "$(failed_units)" "$failed_before")
        if [ -z "$judge_bad$judge_units" ] || { [ -z "$judge_bad" ] && [ -n "${units_failed:-}" ]; }; then
            judge_well=$((judge_well + 1))
            [ "$judge_well" -le "$grace_s" ] || return 0
        else
            judge_well=0
            [ "$(uptime_s)" -lt "$judge_end" ] || break
        fi
        cancelled && go_back "cancel was asked for"
        sleep 1
    done
    judge_said=$(commas "$judge_bad${judge_units:+$newline$judge_units}")
    [ "$on_failure" = leave ] || go_back "it does not hold: $judge_said"
    warn "it does not hold: $judge_said"
    units_failed=${units_failed:+$units_failed, }$judge_said
}

# keep: it is good. A death between the two steps goes on forward: what runs is what was confirmed.
keep() {
    keep_now=$(store_path "$running")
    [ "$keep_now" = "$target" ] || finish failed "somebody else has switched it meanwhile: $(name_of "$keep_now") runs, and nothing was set" "from=$from"
    recall keeping || go_back "the disk of $state is full"
    step keep
    set_begun=1
    set_profile "$target" || go_back "the profile could not be set"
    switch_to "$target" boot || go_back "the boot entry could not be written"
    [ "$(store_path "$profile")" = "$target" ] || go_back "the profile names $(store_path "$profile")"
    prune_roots
    if [ -n "${units_failed:-}" ]; then
        record failed
        finish units-failed "$label runs, and some of it does not: $units_failed" "from=$from" "release=$target"
    fi
    record good
    finish succeeded "$label runs$(itself "$type" || echo ', and comes up at the next boot')$(due)" "from=$from" "release=$target"
}

# boot_only [OUTCOME]: nothing is activated, so nothing can be tried: the unit is not protected until somebody has seen it boot.
boot_only() {
    recall booting || finish refused "the disk of $state is full: nothing was changed"
    step keep
    set_begun=1
    if ! set_profile "$target" || ! switch_to "$target" boot; then
        unset_profile || finish failed "the boot entry could not be written, nor what stood there before: look at it before the next boot"
        finish failed "the boot entry could not be written; the unit boots what it booted before" "from=$from" "release=$from"
    fi
    record boot
    finish "${1:-succeeded}" "$label comes up at the next boot; until then $(name_of "$from") runs" "from=$from" "release=$from"
}

due() {
    due_k=$(readlink "$root$target/kernel" 2>/dev/null)
    [ -z "$due_k" ] || [ "$due_k" = "$(readlink "$root/run/booted-system/kernel" 2>/dev/null)" ] || printf '; a reboot is due: its kernel is another one'
}

# ---------------------------------------------------------------- the way back

# go_back WHY: to what was remembered before anything was touched, by that system's own script. It acts before it writes.
go_back() {
    back_why=$1
    step "return"
    [ -n "$from" ] || nowhere_back
    warn "$back_why: returning to $(name_of "$from")"
    back_rc=0
    switch_back "$from" test || back_rc=$?
    unset_profile || back_left="; but profile or boot entry could not be put back: look at them before the next boot"
    record returned
    if [ "$(store_path "$running")" = "$from" ] && { [ "$back_rc" = 0 ] || [ "$back_rc" = 4 ]; }; then
        [ -z "${back_left:-}" ] || finish failed "$back_why; returned to $(name_of "$from")$back_left" "from=$from" "release=$from"
        finish returned "$back_why; returned to $(name_of "$from")$([ "$back_rc" = 0 ] || echo ', of which units fail too')" "from=$from" "release=$from"
    fi
    finish failed "$back_why; and it could not be returned: $(name_of "$(store_path "$running")") runs (exit code $back_rc)" "from=$from"
}

# nowhere_back: it is the first one, and whatever ran before it is not known. Nothing is said to run that does not run well.
nowhere_back() {
    rm -f "$running"
    record failed
    finish failed "$back_why; it was the first one here, so that there is nothing to return to"
}

# unset_profile: what it named before. Once its setting has begun the boot entry is written anew too, whatever stands there.
unset_profile() {
    [ -n "$was_set" ] || return 0
    if [ "$(store_path "$profile")" != "$was_set" ]; then
        set_profile "$was_set" || return 1
    elif [ -z "${set_begun:-}" ]; then
        return 0
    fi
    switch_back "$was_set" boot
}

name_of() { name_p=${1##*/}; name_p=${name_p#*-}; printf '%s' "${name_p:-nothing that is known}"; }

# What a power cut or kill -9 left: nothing of it is between two states afterwards. 75: not yet. Where somebody has deployed
# something else since, all of it is theirs.
job_mend() {
    mend_phase=$(said phase) from=$(said from) was_set=$(said was_set) target=$(said target)
    case $mend_phase in activating | keeping | booting) ;; *) return 0 ;; esac
    mend_now=$(store_path "$running")
    mend_set=$(store_path "$profile")
    { itself "$type" && [ -z "$mend_now" ]; } || listed "$mend_now" "$from$newline$target$newline$was_set" || return 0
    listed "$mend_set" "$was_set$newline$target" || return 0
    if [ -e "$nix_lock" ]; then exec 8>>"$nix_lock" && { hold_lock 8 || exit 75; }; fi
    back_most=0
    [ "$mend_phase" = activating ] || set_begun=1
    if [ "$mend_phase" = keeping ] && [ "$mend_now" = "$target" ] || { [ "$mend_phase" = booting ] && [ "$mend_set" = "$target" ]; }; then
        [ "$mend_set" = "$target" ] || set_profile "$target"
        switch_to "$target" boot
        return 0
    fi
    [ -n "$from" ] || [ "$mend_phase" != activating ] || rm -f "$running" # nobody has confirmed the first one
    # After a reboot what was booted runs, and is left alone; what activates itself is not booted.
    if [ -n "$from" ] && [ "$mend_phase" != booting ] && { itself "$type" || [ "$(boot_id)" = "$(cat "$job/boot" 2>/dev/null)" ]; }; then
        switch_back "$from" test
    fi
    unset_profile
}

said() { sed -n "s/^$1=//p" "$job/state" 2>/dev/null; }

# ---------------------------------------------------------------- what the unit remembers

record() { # record VERDICT: good test boot failed returned. A full disk costs the line, never the operation.
    {
        tail -n 199 "$system_dir/deployed" >"$system_dir/deployed.new"
        printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$now" "$1" "$target" "$label" "$revision" "$operator" "$reason" >>"$system_dir/deployed.new" &&
            mv "$system_dir/deployed.new" "$system_dir/deployed" && durable "$system_dir/deployed"
    } 2>/dev/null || :
}

# first_seen: what ran when we came can be returned to as well, and was good if nothing was wrong.
first_seen() {
    [ -n "$from" ] || return 0
    ! grep -q "$tab$from$tab" "$system_dir/deployed" 2>/dev/null || return 0
    first_v=good
    [ -z "$failed_before$failing_before" ] || first_v=found
    (target=$from label=$(name_of "$from") revision='' operator='' reason='it ran when clavel-tui came' && record "$first_v")
}

# prune_roots: the newest $keep_n stay, and whatever runs, was booted or is named by the profile.
prune_roots() {
    prune_n=0
    prune_used="$target$newline$from$newline$(store_path "$root/run/booted-system")$newline$(store_path "$profile")"
    # shellcheck disable=SC2012  # names of store paths: Nix allows no blanks in them
    ls -t "$roots" 2>/dev/null | while IFS= read -r prune_r; do
        prune_n=$((prune_n + 1))
        [ "$prune_n" -gt "$keep_n" ] || continue
        listed "/nix/store/$prune_r" "$prune_used" || rm -f "${roots:?}/$prune_r"
    done
}
