# shellcheck shell=sh
# machine.sh: the body of a job on the unit itself: `reboot`, and `gc` of its Nix store. It is sourced by job.sh, under the
# unit's lock; `params` has set: verb type target keep_generations.
# shellcheck disable=SC2154
places "$type"
gc_s=7200    # a store of a terabyte on a slow disk
boot_s=1200  # a server counts its memory for minutes; by then a reboot that was asked for has happened

job_main() {
    case $verb in
    reboot) restart_unit ;;
    gc) collect ;;
    *) finish refused "no verb $verb for a unit" ;;
    esac
}

system_path() { [ -e "$1" ] && (cd "$1" && pwd -P) | sed "s|^$root||"; }

# ---------------------------------------------------------------- reboot

# restart_unit: this job ends with the system that it takes down. What came up is judged by whoever settles it: see job_mend.
restart_unit() {
    safe_point
    remember phase=rebooting "asked=$(uptime_s)" || finish refused "the disk of $state is full: nothing was changed"
    step reboot
    say "it goes down now"
    go_down || finish failed "it could not be told to go down"
    # The order to end reaches a `sleep` as well, and must not be taken for the end of the wait.
    reboot_end=$(($(uptime_s) + boot_s))
    while [ "$(uptime_s)" -lt "$reboot_end" ]; do sleep 2; done
    finish failed "it was told to go down, and has not for $boot_s s"
}

go_down() {
    if [ -d "$root/run/systemd/system" ]; then
        run systemctl reboot
        return
    fi
    # Where init is busybox's own, another system's `reboot` may stand beside it, and asks somebody who is not there.
    case $(readlink "$root/proc/1/exe") in
    *busybox*) run busybox reboot ;;
    *) if have reboot; then run reboot; else run shutdown -r now; fi ;;
    esac
}

job_mend() {
    [ "$(said phase)" = rebooting ] || return 0
    if [ "$(boot_id)" = "$(cat "$job/boot" 2>/dev/null)" ]; then
        # It is still on its way down, as a rule; later it is the truth that nothing came of it.
        [ $(($(uptime_s) - $(said asked))) -ge "$boot_s" ] || exit 75
        return 0
    fi
    mend_now=$(system_path "$running")
    [ -z "$target" ] || [ "$mend_now" = "$target" ] ||
        finish failed "it was restarted, and $(name_of "$mend_now") runs, not $(name_of "$target")"
    finish succeeded "it was restarted${mend_now:+; $(name_of "$mend_now") runs}"
}

said() { sed -n "s/^$1=//p" "$job/state" 2>/dev/null; }
name_of() { name_p=${1##*/}; printf '%s' "${name_p#*-}"; }

# ---------------------------------------------------------------- gc

# collect: generations first, and then what nobody needs. Boot entries of generations that are gone would boot nothing.
collect() {
    safe_point
    if [ -n "$keep_generations" ]; then
        step generations
        run limit 300 nix-env --profile "$profile" --delete-generations "+$keep_generations" ||
            finish failed "its generations could not be removed; the store is as it was"
        if [ -x "$profile/bin/switch-to-configuration" ]; then
            exec 8>&- # NixOS's own lock is the script's to take
            run limit 900 "$profile/bin/switch-to-configuration" boot || warn "the boot menu still names generations that are gone"
        fi
    fi
    step collect
    collect_from=$(($(wc -c <"$job/log" 2>/dev/null || echo 0)))
    run limit "$gc_s" nix-store --gc || finish failed "nix-store --gc failed: see its last lines"
    collect_said=$(tail -c "+$((collect_from + 1))" "$job/log" | sed -n 's/^[0-9]* out \([0-9]* store paths deleted.*\)/\1/p' | tail -n 1)
    finish succeeded "${collect_said:-what nobody needs was collected}"
}
