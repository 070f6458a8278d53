# shellcheck shell=sh
# frame.sh: one round trip, many fragments, each with its own deadline: a frozen dockerd costs its own facts only.
# Started once and kept: a line "probe NONCE" on stdin asks for one frame. The end of stdin ends it.
# The console puts before it lib.sh, the fragments' texts as frag_NAME, and the list $fragments of "NAME:SECONDS".
tab=$(printf '\t')
frame=

add() { frame=$frame$1$newline; }
# show: what was gathered goes out, before anything that may hang. One write is one packet, and few packets are cheap.
show() {
    printf '%s' "$frame"
    frame=
}

# quick NAME: $said and $code, where the shell alone can tell that there is nothing to look at, or where the fragment sees to
# its own limits. 1: it has to be run. A process that is not started is a millisecond saved, on each unit, at each look.
quick() {
    said=
    code=0
    case $1 in
    host) ;;
    disks) show ;;
    systemd)
        if [ -d "$root/run/systemd/system" ] && have systemctl || have launchctl; then return 1; fi
        said="init${tab}other"
        return
        ;;
    nixos)
        set -- "$root"/nix/var/nix/profiles/system*
        if [ -e "$1" ] || [ -L "$1" ] || [ -e "$root/run/current-system" ] || have nix; then return 1; fi
        return 0
        ;;
    docker)
        have docker && return 1
        said="docker${tab}missing"
        return
        ;;
    state)
        [ -d "$state" ] && return 1
        said="state${tab}none"
        return
        ;;
    checks)
        [ -n "$CLAVEL_CHECKS" ] && return 1
        return 0
        ;;
    *) return 1 ;;
    esac
    said=$(eval "$frag_text" 2>/dev/null </dev/null) || code=$?
}

while IFS= read -r ask; do
    case $ask in
    "probe "*[!0-9a-z]*) continue ;;
    "probe "*) nonce=${ask#probe } ;;
    *) continue ;;
    esac
    add "<< $nonce"
    for frag in $fragments; do
        name=${frag%%:*}
        seconds=${frag#*:}
        eval "frag_text=\$frag_$name"
        add "== $name"
        if quick "$name"; then
            add "$said"
        else
            show
            # Not gathered: what outlives its deadline would keep us waiting for its output.
            limit "$seconds" sh -c "$lib_text
$frag_text" clavel "$@" 2>/dev/null </dev/null
            code=$?
            add ''
        fi
        add "=. $name $code"
    done
    add ">> $nonce"
    show
done
