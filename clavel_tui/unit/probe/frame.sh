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
        set -- "$root"/nix/var/nix/profiles/*
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
        [ -n "$CLAVEL_CHECKS${CLAVEL_TYPE:-}" ] && return 1
        return 0
        ;;
    *) return 1 ;;
    esac
    said=$(eval "$frag_text" 2>/dev/null </dev/null) || code=$?
}

plugins=
for plugins_d in "${HOME:-/root}/.docker" /usr/libexec/docker /usr/lib/docker /usr/local/lib/docker /usr/local/libexec/docker; do
    [ ! -e "$plugins_d/cli-plugins/docker-compose" ] || plugins="$plugins $plugins_d/cli-plugins/docker-compose"
done

# stamp: $stamp, one line that is another one when a program whose version is told, or the daemon, is another one. Their
# versions take longer to ask for than all else that is looked at, so that whoever asks says what it knows of them: a line
# "known DOCKER|COMPOSE|NIX|STAMP". Where the stamp is still that one, nothing of it is asked again.
stamp() {
    stamp_f=$root/run/docker.pid
    if have docker; then stamp_f="$stamp_f $plugins $(command -v docker)"; fi
    if have nix; then stamp_f="$stamp_f $(command -v nix)"; fi
    # shellcheck disable=SC2046,SC2086  # several files; and the columns of all lines as one line
    set -- $(ls -liLd $stamp_f 2>/dev/null)
    stamp=$*
}
recall() {
    stamp
    CLAVEL_DOCKER='' CLAVEL_COMPOSE='' CLAVEL_NIX=''
    recall_k=$known
    known=
    [ "${recall_k#*"|"*"|"*"|"}" = "$stamp" ] || return 0
    # Of a daemon without a pid file nothing would tell that it is another one.
    [ ! -e "$root/run/docker.pid" ] || CLAVEL_DOCKER=${recall_k%%"|"*}
    recall_k=${recall_k#*"|"}
    CLAVEL_COMPOSE=${recall_k%%"|"*}
    recall_k=${recall_k#*"|"}
    CLAVEL_NIX=${recall_k%%"|"*}
}
export CLAVEL_COMPOSE CLAVEL_DOCKER CLAVEL_NIX

known=
while IFS= read -r ask; do
    case $ask in
    "probe "*[!0-9a-z]*) continue ;;
    "probe "*) nonce=${ask#probe } ;;
    "known "*)
        known=${ask#known }
        continue
        ;;
    *) continue ;;
    esac
    add "<< $nonce"
    recall
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
