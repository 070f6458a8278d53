# shellcheck shell=sh
# stack_health.sh: whether what runs is well, and is what was recorded. All of it in memory: a full disk must not read as "well".
# shellcheck disable=SC2154

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
# What was seen stays in memory: on a full disk an empty file would read as "nothing is wrong".
judge() {
    judge_n=0
    judge_begun=$(uptime_s)
    judge_ok=0
    judge_bad=0
    judge_first=
    # Both are counted: a hung engine makes a round last long, and not every system tells its uptime.
    while [ "$judge_n" -lt "$health_s" ] && [ $(($(uptime_s) - judge_begun)) -lt "$health_s" ]; do
        if cancelled && [ -z "${returning:-}" ]; then why="cancelled during activation" && return 1; fi
        if ! judge_seen=$(container_lines "$project" 2>/dev/null); then
            judge_bad_ones="docker does not answer"
        elif [ -z "$judge_seen" ]; then
            judge_bad_ones="$stack has no container"
        else
            judge_restarts=$(printf '%s\n' "$judge_seen" | cut -f 3,8 | LC_ALL=C sort)
            [ -n "$judge_first" ] || judge_first=$judge_restarts
            judge_bad_ones=$({ printf '%s\n' "$judge_seen" | unwell; flapping; } | not_known "$1")
            [ "$judge_first" = "$judge_restarts" ] || { judge_first=$judge_restarts && judge_ok=0; }
        fi
        judge_step && return "$judged"
        sleep 1
        judge_n=$((judge_n + 1))
    done
    why=$(printf '%s\n' "$judge_bad_ones" | sed 's/ wait$/ was not healthy in time/' | joined)
    why="after $health_s s: ${why:-its services did not stay up}"
    return 1
}

# shellcheck disable=SC2016  # sed's own $
joined() { sed -n 'H;${x;s/\n/; /g;s/^; //;p;}'; }

judge_step() {
    judge_worse=$(printf '%s\n' "$judge_bad_ones" | grep -v -e ' wait$' -e '^docker does not answer$')
    if [ -z "$judge_bad_ones" ]; then
        judge_bad=0
        judge_ok=$((judge_ok + 1))
        [ "$judge_ok" -gt "$grace_s" ] && judged=0 && return 0
    elif [ -n "$judge_worse" ]; then
        judge_ok=0
        judge_bad=$((judge_bad + 1))
        [ "$judge_bad" -gt 1 ] && judged=1 && why=$(printf '%s\n' "$judge_worse" | joined) && return 0
    else
        judge_ok=0
        judge_bad=0
    fi
    return 1
}

flapping() { # a container that was started again while we looked, though Docker calls it running
    [ "$judge_first" != "$judge_restarts" ] || return 0
    printf '%s\n' "$judge_restarts" | while IFS=$tab read -r fl_c fl_n; do
        fl_was=$(printf '%s\n' "$judge_first" | sed -n "s/^$fl_c$tab//p")
        [ -z "$fl_was" ] || [ "$fl_n" = "$fl_was" ] ||
            printf '%s\n' "$judge_seen" | sed -n "s/^[^$tab]*$tab\([^$tab]*\)$tab$fl_c$tab.*/\1 keeps restarting/p"
    done
}

not_known() { # not_known SERVICES: what was already unwell before is not this update's fault
    while read -r nk_s nk_why; do
        case " $1 " in *" $nk_s "*) ;; *) printf '%s %s\n' "$nk_s" "$nk_why" ;; esac
    done
}

# known_unwell: services that were bad before. One that a person stopped is not: it is started, and judged like the others.
known_unwell() {
    known_ours=$(stopped_ones)
    unwell <"$before" | grep -v -e ' wait$' -e ' is stopped$' | cut -d ' ' -f 1 | while IFS= read -r known_s; do
        listed "$known_s" "$known_ours" || printf '%s ' "$known_s"
    done
}

# stopped_ones: services that ran until a person stopped them, whether or not they run again.
stopped_ones() { cat "$stack_dir/stopped" 2>/dev/null || :; }
running_ones() { while IFS=$tab read -r _ ro_s _ _ ro_st _; do [ "$ro_st" != running ] || printf '%s\n' "$ro_s"; done <"$before"; }

# stopped_and_down: those of them that do not.
stopped_and_down() {
    sd_run=$(running_ones)
    stopped_ones | while IFS= read -r sd_s; do listed "$sd_s" "$sd_run" || printf '%s\n' "$sd_s"; done
}

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
    verify_runs=$(container_lines "$project") || { wrong="any, since Docker does not answer" && return 1; }
    wrong=$({
        printf '%s\n' "$verify_runs" | cut -f 2,4 | LC_ALL=C sort -u
        sed -n "s/^service$tab//p" "$stack_dir/releases/$1/manifest" | cut -f 1,2 | LC_ALL=C sort -u
    } | LC_ALL=C sort | uniq -u | cut -f 1 | grep -v '^$' | LC_ALL=C sort -u | tr '\n' ' ')
    [ -z "$wrong" ]
}
