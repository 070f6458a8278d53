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

# versions: of the two programs that take longer to say theirs than all else to be looked at; asked again when a file is
# another one. One that did not answer is asked again the next time.
versions() {
    have docker || have nix || return 0
    # shellcheck disable=SC2046,SC2086  # a program that is missing is no word, and plugins are several
    versions_now=$(ls -lLd $(command -v docker) $(command -v nix) $plugins 2>/dev/null)
    [ "$versions_now" != "$versions_seen" ] || return 0
    versions_seen=$versions_now
    CLAVEL_COMPOSE='' CLAVEL_NIX=''
    if have docker; then CLAVEL_COMPOSE=$(limit 4 docker compose version --short 2>/dev/null) || versions_seen=; fi
    if have nix; then CLAVEL_NIX=$(limit 4 nix --version 2>/dev/null) || versions_seen=; fi
    export CLAVEL_COMPOSE CLAVEL_NIX
}
plugins=
for versions_d in "${HOME:-/root}/.docker" /usr/libexec/docker /usr/lib/docker /usr/local/lib/docker /usr/local/libexec/docker; do
    [ ! -e "$versions_d/cli-plugins/docker-compose" ] || plugins="$plugins $versions_d/cli-plugins/docker-compose"
done
versions_seen=

while IFS= read -r ask; do
    case $ask in
    "probe "*[!0-9a-z]*) continue ;;
    "probe "*) nonce=${ask#probe } ;;
    *) continue ;;
    esac
    versions
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
