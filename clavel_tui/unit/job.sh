#!/bin/sh
# shellcheck shell=sh
# job.sh: durable jobs. A mutation runs here, on the unit, and outlives the connection that asked for it.
#
#   start ID FOLDER SUM     take the bundle in FOLDER as job ID and start it; a second start runs nothing
#   supervise ID            (started by `start`) run it, once
#   follow ID OFFSET SECS   its log from byte OFFSET, as it comes; then "= running" or "= ended" and the result
#   cancel ID / ack ID      leave a word for the running job
#   settle ID BORN          what became of it: waits for nothing, and closes what can never run any more
#   unlock                  settle dead jobs; never breaks a live lock
#
# A job's folder, jobs/ID:  files/ the bundle · alive (locked while it lives) · run/ (the gate) · boot · state · log
#                           reserve · cancel · ack · result
# Sent as one argument it has lib.sh before it; run as a file it finds lib.sh beside itself.
case $0 in
*/job.sh)
    # shellcheck source=clavel_tui/unit/lib.sh
    . "${0%/*}/lib.sh"
    ;;
esac
jobs=$state/jobs
keep_jobs=${CLAVEL_KEEP_JOBS:-40}
log_lines_max=${CLAVEL_LOG_LINES:-20000}
umask 077

# ---------------------------------------------------------------- what a job's body calls

# A log write that fails (a full disk) never stops a job, and no command's endless line fills one.
note() {
    log_n=$((${log_n:-0} + 1))
    [ "$log_n" -le "$log_lines_max" ] || return 0
    { printf '%s %s %.4000s\n' "$(uptime_s)" "$1" "$2" >>"$job/log"; } 2>/dev/null || return 0
}
step() {
    step_now=$*
    note step "$*"
}
say() { note say "$*"; }
warn() { note warn "$*"; }

# pour: what a command says. Beyond the most that a log takes its last two lines are kept: there it says why it failed.
pour() {
    pour_a='' pour_b=''
    while IFS= read -r pour_l || [ -n "$pour_l" ]; do
        note out "$pour_l"
        [ "$log_n" -le "$log_lines_max" ] || case $pour_l in *[![:space:]]*) pour_a=$pour_b pour_b=$pour_l ;; esac
    done
    [ -z "$pour_a$pour_b" ] || { log_n=$((log_lines_max - 2)) && note out "$pour_a" && note out "$pour_b"; }
}

# run CMD...: its output goes to the log through us, so that a full disk is our trouble and not the command's.
run() {
    note run "$*"
    run_rc=$( { { "$@" 2>&1 3>&- </dev/null; echo $? >&3; } | pour >&2; } 3>&1 2>/dev/null)
    return "${run_rc:-70}"
}

# run_loose SECONDS CMD...: the same for what may leave a daemon that holds its output open for ever: the command's end is waited
# for, and of its words two seconds more. Nothing that it leaves holds a lock of ours: nor does what goes on reading its
# words, which is why that gets a shell whose locks are closed for good (a function's are kept aside, to be given back).
run_loose() {
    loose_s=$1
    shift
    note run "$(printf '%s' "$*" | tr '\n' ' ')"
    rm -f "$job/pipe"
    if mkfifo "$job/pipe" 2>/dev/null; then
        (exec 7>&- 8>&- 9>&- && pour) <"$job/pipe" &
        loose_pour=$!
        limit "$loose_s" "$@" >"$job/pipe" 2>&1 </dev/null 7>&- 8>&- 9>&-
        loose_rc=$?
        loose_n=0
        while kill -0 "$loose_pour" 2>/dev/null && [ "$loose_n" -lt 20 ]; do
            nap
            loose_n=$((loose_n + 1))
        done
        rm -f "$job/pipe"
    else
        limit "$loose_s" "$@" >/dev/null 2>&1 </dev/null 7>&- 8>&- 9>&-
        loose_rc=$?
    fi
    return "$loose_rc"
}

# remember KEY=VALUE...: the state file is replaced as a whole and is on disk before this returns 0.
remember() {
    { printf '%s\n' "$@" "boot=$(boot_id)" >"$job/state.new"; } 2>/dev/null &&
        mv "$job/state.new" "$job/state" && durable "$job/state"
}

# finish OUTCOME TEXT [KEY=VALUE...]: the last word. The reserve makes room for it on a full disk; where there is none
# it is tried again for $finish_most seconds, and then at least said.
finish() {
    finish_o=$1
    finish_t=$2
    shift 2
    set -- "outcome=$finish_o" "text=$finish_t" ${step_now:+"step=$step_now"} "$@"
    rm -f "$job/reserve"
    note say "$finish_t"
    until { printf '%s\n' "$@" >"$job/result.new"; } 2>/dev/null &&
        mv "$job/result.new" "$job/result" && durable "$job/result"; do
        finish_n=$((${finish_n:-0} + 1))
        [ "$finish_n" -gt "${finish_most:-60}" ] && printf '%s\n' "$@" && break
        sleep 1
    done
    [ -z "${lock_mine:-}" ] || rm -f "$state/lock.owner"
    finished=1
    exit 0
}

# safe_point: a place where cancel leaves nothing half-done.
safe_point() {
    [ ! -e "$job/cancel" ] || finish cancelled "cancelled before anything was changed"
}
cancelled() { [ -e "$job/cancel" ]; }

# await_ack SECONDS: somebody reached this unit over a new connection and names this very job.
await_ack() {
    ack_end=$(($(uptime_s) + $1))
    while [ "$(uptime_s)" -lt "$ack_end" ]; do
        [ "$(cat "$job/ack" 2>/dev/null)" != "$id" ] || return 0
        cancelled && return 1
        nap 0.3
    done
    return 1
}

# ---------------------------------------------------------------- the supervisor

supervise() {
    id=$1
    job=$jobs/$id
    cd "$job" || exit 70
    trap '' HUP INT QUIT PIPE
    exec 7>>"$job/alive"
    hold_lock 7
    case $? in
    1) exit 0 ;;
    2) refuse_unrun "this unit has neither flock nor perl, so a job cannot hold its lock" ;;
    esac
    mkdir "$job/run" 2>/dev/null || exit 0
    trap 'end_of_shell $?' EXIT
    trap 'asked_to_end' TERM
    boot_id >"$job/boot"
    take_unit_lock
    settle_others
    take_nix_lock
    dd if=/dev/zero of="$job/reserve" bs=1024 count=256 2>/dev/null && durable "$job/reserve" &&
        remember phase=begun || finish refused "the disk of $state has no room for the job's own state: nothing was changed"
    # shellcheck source=/dev/null
    . "$job/files/params" && . "$job/files/body.sh" || finish refused "the job's files cannot be read"
    job_main
    finish failed "the job ended without a result"
}

refuse_unrun() { mkdir "$job/run" 2>/dev/null && finish refused "$1"; exit 0; }

# A job goes on when it is asked to end, but nothing is begun on a unit that goes down: what stops there, by order, would look
# as if it had gone bad. The system kills us soon, and whoever looks after the boot is told where we stood.
asked_to_end() {
    asked=1
    [ -z "${renaming:-}" ] || return 0 # a swap of the files takes no time, and half of one is worse than a word too late
    note warn "asked to end by the system"
    while [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; do sleep 1; done
}

# What a shell error or a lost child leaves; killed with -9 nothing is written, and `settle` says so.
end_of_shell() {
    [ -n "${finished:-}" ] || {
        trap - EXIT
        finish failed "the job's shell ended by itself (status $1) after: $(cat "$job/state" 2>/dev/null | tr '\n' ' ')"
    }
}

# One lock a unit for every kind of job, and behind it NixOS's own where there is one: a switch that restarts dockerd
# must not meet a stack that is being updated.
take_unit_lock() {
    exec 9>>"$state/lock"
    lock_n=0
    lock_tries=10 # `unlock` and `settle` hold it for a moment, to see whether it is free
    until hold_lock 9; do
        lock_n=$((lock_n + 1))
        [ "$lock_n" -lt "$lock_tries" ] || finish refused "another job holds this unit's lock ($(tr '\n' ' ' <"$state/lock.owner" 2>/dev/null))"
        if [ "$lock_n" -lt 600 ] && about_to_end; then lock_tries=$((lock_n + 10)); fi
        nap
    done
    lock_mine=1
    { cp "$job/files/owner" "$state/lock.owner"; } 2>/dev/null || return 0
}

# about_to_end: a job has said its last word and still lives: on a slow card it takes a while until that word is on the disk.
about_to_end() (
    for about_r in "$jobs"/*/result; do
        job=${about_r%/result}
        [ ! -f "$about_r" ] || ! living || return 0
    done
    return 1
)

# Behind settle_others: to mend a dead deployment takes this lock as well.
take_nix_lock() {
    nix_lock=${CLAVEL_NIX_LOCK:-$root/run/nixos/switch-to-configuration.lock}
    if [ -e "$nix_lock" ]; then
        exec 8>>"$nix_lock"
        hold_lock 8 || finish refused "NixOS is switching its configuration at this moment"
    fi
}

# ---------------------------------------------------------------- start

born() {
    [ -s "$state/born" ] || {
        { boot_id; date +%s; echo $$; od -An -N16 -tx1 /dev/urandom; } 2>/dev/null | sha256 >"$state/born.$$" &&
            { ln "$state/born.$$" "$state/born" 2>/dev/null; rm -f "$state/born.$$"; }
    }
    cat "$state/born"
}

start() {
    id=$1
    mkdir -p "$jobs" && chmod 700 "$state" || { echo "! $jobs cannot be made" >&2; exit 74; }
    echo "born $(born)"
    job=$jobs/$id
    if swept "$id" || ! mkdir "$job" 2>/dev/null; then
        swept "$id" || [ -d "$job" ] || { echo "! $job cannot be made" >&2; exit 74; }
        swept "$id" || await_gate # the first start may still copy its files: nobody may take its job for dead
        echo already
        exit 0
    fi
    if ! take_files "$2" "$3"; then
        rm -rf "$job/files"
        start_why="the job's files could not be put whole in $job: is the disk full?"
        mkdir "$job/run" && (finish_most=0 && finish refused "$start_why") >/dev/null
        [ -f "$job/result" ] || { echo "! $start_why" >&2; exit 74; }
        exit 0
    fi
    sweep
    launch
    await_gate
    if [ -d "$job/run" ]; then echo started; else echo launched; fi
}

await_gate() {
    gate_n=0
    until [ -d "$job/run" ] || [ "$gate_n" -ge 50 ]; do
        nap
        gate_n=$((gate_n + 1))
    done
}

# The bundle came with the login's own rights: it is copied into root's folder and every hash is checked there.
take_files() {
    mkdir "$job/files" && cp -Rp "$1/." "$job/files/" 2>/dev/null &&
        { [ "$(id -u)" != 0 ] || chown -R 0:0 "$job/files"; } &&
        [ "$(sha256 <"$job/files/SUMS")" = "$2" ] && (cd "$job/files" && sums_hold SUMS) &&
        rm -rf "$1" && durable "$job/files/SUMS"
}

launch() {
    launch_sh=$job/files/job.sh
    if [ -d "$root/run/systemd/system" ] && have systemd-run && [ "$(id -u)" = 0 ]; then
        systemd-run --quiet --collect --no-ask-password --unit="clavel-job-$id" \
            --setenv=PATH="$PATH" --setenv=HOME="${HOME:-/root}" --setenv=CLAVEL_STATE="$state" \
            --setenv=DOCKER_CONFIG="${DOCKER_CONFIG:-${HOME:-/root}/.docker}" \
            --property=KillMode=mixed --property=TimeoutStopSec=15 \
            /bin/sh "$launch_sh" supervise "$id" && return
    fi
    if have setsid; then
        setsid /bin/sh "$launch_sh" supervise "$id" </dev/null >/dev/null 2>&1 &
    elif have perl; then
        perl -e 'use POSIX; fork and exit; POSIX::setsid(); exec @ARGV' \
            /bin/sh "$launch_sh" supervise "$id" </dev/null >/dev/null 2>&1 &
    else
        nohup /bin/sh "$launch_sh" supervise "$id" </dev/null >/dev/null 2>&1 &
    fi
}

nap() { sleep "${1:-0.1}" 2>/dev/null || sleep 1; }

# Old jobs are swept, but what became of them is kept in one line each: "no folder" must never be read as
# "never started" for a job that ended long ago.
sweep() {
    sweep_n=0
    # shellcheck disable=SC2012  # job ids are ours: letters, digits and dashes
    ls -t "$jobs" 2>/dev/null | while IFS= read -r sweep_id; do
        [ -f "$jobs/$sweep_id/result" ] || continue
        sweep_n=$((sweep_n + 1))
        [ "$sweep_n" -gt "$keep_jobs" ] || continue
        { printf '%s %s\n' "$sweep_id" "$(sed -n 's/^outcome=//p' "$jobs/$sweep_id/result")" >>"$jobs/.swept"; } 2>/dev/null &&
            rm -rf "${jobs:?}/$sweep_id"
    done
}

swept() { grep -q "^$1 " "$jobs/.swept" 2>/dev/null; }

# ---------------------------------------------------------------- looking at a job

follow() {
    id=$1
    job=$jobs/$id
    follow_at=$2
    follow_end=$(($(uptime_s) + $3))
    follow_quiet=0
    [ -d "$job" ] || { echo "= missing"; exit 0; }
    while :; do
        follow_done=
        [ ! -f "$job/result" ] || follow_done=1
        follow_size=0
        # A file only: to count what has no end would never return.
        [ ! -f "$job/log" ] || follow_size=$(($(wc -c <"$job/log" 2>/dev/null || echo 0)))
        [ -n "$follow_done" ] || whole_lines
        if [ "$follow_size" -gt "$follow_at" ]; then
            log_bytes "$follow_at" "$follow_size" || exit 0
            follow_at=$follow_size
            follow_quiet=0
        fi
        if [ -n "$follow_done" ]; then
            cut_off && echo
            echo "= ended"
            cat "$job/result"
            exit 0
        fi
        if [ "$(uptime_s)" -ge "$follow_end" ] || ! living; then
            [ ! -f "$job/result" ] || continue
            if living; then echo "= running"; else echo "= dead"; fi
            exit 0
        fi
        # A job that is quiet for a while, waiting for health or for a word, is looked at less often: a Pi has other work.
        follow_quiet=$((follow_quiet + 1))
        if [ "$follow_quiet" -gt 10 ]; then nap 0.5; else nap 0.2; fi
    done
}

log_bytes() { tail -c "+$(($1 + 1))" "$job/log" 2>/dev/null | head -c $(($2 - $1)); }
cut_off() { [ "$follow_size" -gt 0 ] && [ -n "$(log_bytes $((follow_size - 1)) "$follow_size")" ]; }

# A line that is still being written waits until it is whole: a reader counts in lines.
whole_lines() {
    if [ "$follow_size" -gt "$follow_at" ] && cut_off; then
        follow_size=$((follow_size - $(log_bytes "$follow_at" "$follow_size" | tail -n 1 | wc -c)))
    fi
}

settle() {
    id=$1
    job=$jobs/$id
    if [ ! -d "$job" ] && [ -n "$2" ] && [ "$2" != "$(cat "$state/born" 2>/dev/null)" ]; then
        echo "= unknown"
        echo "text=the folder $state is not the one that the job was sent to: nothing is known of it"
        exit 0
    fi
    if [ ! -d "$job" ] && settle_old=$(grep "^$id " "$jobs/.swept" 2>/dev/null); then
        printf '= ended\noutcome=%s\ntext=this job ended long ago and its log was swept\n' "${settle_old#* }"
        exit 0
    fi
    mkdir -p "$job" 2>/dev/null || { echo "! $job cannot be made" >&2; exit 74; }
    finish_most=0
    settle_said=
    if [ -f "$job/result" ]; then
        :
    elif living; then
        echo "= running"
        exit 0
    elif mkdir "$job/run" 2>/dev/null || [ ! -e "$job/alive" ]; then
        settle_said=$(finish never-started "it never started: nothing was changed")
    elif [ ! -f "$job/result" ]; then
        settle_said=$(settle_dead) || exit $?
    fi
    echo "= ended"
    cat "$job/result" 2>/dev/null || printf '%s\n' "$settle_said" # a full disk cannot keep it
}

# Dead without a word: a power cut, a reboot, or kill -9. The body knows what it may have left half-way.
settle_dead() {
    exec 9>>"$state/lock"
    hold_lock 9 || { echo "! another job holds this unit's lock; look again when it has ended" >&2; exit 75; }
    rm -f "$state/lock.owner"
    settle_locked
}

# A new job first closes what dead ones left half-way, so that it never builds upon it.
settle_others() {
    for others_d in "$jobs"/*/run; do
        [ -d "$others_d" ] && [ "$others_d" != "$job/run" ] || continue
        (
            job=${others_d%/run}
            id=${job##*/}
            lock_mine=
            finished=
            finish_most=0
            if [ ! -f "$job/result" ] && ! living; then settle_locked; fi
        ) || finish refused "what an earlier job left cannot be mended yet, since Docker does not answer or NixOS is switching: nothing was changed"
    done
}

settle_locked() {
    settle_why="it was killed"
    [ "$(boot_id)" = "$(cat "$job/boot" 2>/dev/null)" ] || settle_why="the unit was restarted"
    settle_at=$(sed -n 's/^phase=//p' "$job/state" 2>/dev/null)
    # shellcheck source=/dev/null
    if [ -f "$job/files/body.sh" ]; then
        (. "$job/files/params" && . "$job/files/body.sh" && job_mend) >/dev/null 2>&1
        [ $? != 75 ] || { echo "! Docker does not answer yet, or NixOS is switching: what this job left is mended after that" >&2; exit 75; }
    fi
    [ ! -f "$job/result" ] || return 0 # the body knew better: a reboot that was asked for has happened
    (finish interrupted "$settle_why while it was at: ${settle_at:-the very beginning}" "phase=${settle_at:-begun}")
}

leave_word() {
    [ -d "$jobs/$1" ] || { echo "no job $1 on this unit" >&2; exit 76; }
    printf '%s\n' "$1" >"$jobs/$1/$2.new" && mv "$jobs/$1/$2.new" "$jobs/$1/$2" && echo "$2 $1"
}

unlock() {
    for unlock_d in "$jobs"/*/run; do
        [ -d "$unlock_d" ] || continue
        job=${unlock_d%/run}
        [ -f "$job/result" ] && continue
        if living; then
            echo "live ${job##*/} $(tr '\n' ' ' <"$job/files/owner" 2>/dev/null)"
        else
            (settle "${job##*/}" "$(cat "$state/born")") >/dev/null && echo "settled ${job##*/}"
        fi
    done
    [ -d "$state" ] || exit 0
    if (exec 9>>"$state/lock" && hold_lock 9) 2>/dev/null; then
        rm -f "$state/lock.owner"
        echo free
    else
        echo "held $(tr '\n' ' ' <"$state/lock.owner" 2>/dev/null)"
    fi
}

verb=$1
shift
case $verb in
start | supervise | follow | settle | unlock) "$verb" "$@" ;;
cancel | ack) leave_word "$1" "$verb" ;;
*) echo "job.sh: no verb $verb" >&2; exit 64 ;;
esac
