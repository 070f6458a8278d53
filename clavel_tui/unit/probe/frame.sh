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

# version_of NAME FILES CMD...: what CMD says, in $version; asked again when one of the files is another one, or when it did
# not answer. `nix --version` and `docker compose version` take longer than all else that is looked at.
version_of() {
    version_n=$1
    # shellcheck disable=SC2086  # several files
    version_now=$(ls -liLd $2 2>/dev/null)
    shift 2
    eval "version=\$version_$version_n version_was=\$version_was_$version_n"
    [ -z "$version" ] || [ "$version_now" != "$version_was" ] || return 0
    version=$(limit 4 "$@" 2>/dev/null </dev/null) || version=
    eval "version_$version_n=\$version version_was_$version_n=\$version_now"
}

version_compose='' version_docker='' version_nix='' version_was_compose='' version_was_docker='' version_was_nix=''
plugins=
for plugins_d in "${HOME:-/root}/.docker" /usr/libexec/docker /usr/lib/docker /usr/local/lib/docker /usr/local/libexec/docker; do
    [ ! -e "$plugins_d/cli-plugins/docker-compose" ] || plugins="$plugins $plugins_d/cli-plugins/docker-compose"
done

versions() { # versions FRAGMENT: those that it tells
    case $1 in
    docker)
        have docker || return 0
        version_of compose "$(command -v docker) $plugins" docker compose version --short && CLAVEL_COMPOSE=$version
        CLAVEL_DOCKER=
        # The daemon's changes with its pid file; where there is none nothing would tell, and it is asked at each look.
        if [ -e "$root/run/docker.pid" ]; then
            version_of docker "$root/run/docker.pid" docker version --format '{{.Server.Version}}' && CLAVEL_DOCKER=$version
        fi
        ;;
    nixos) have nix && version_of nix "$(command -v nix)" nix --version && CLAVEL_NIX=$version ;;
    *) return 0 ;;
    esac
    export CLAVEL_COMPOSE CLAVEL_DOCKER CLAVEL_NIX
}

looks=0
while IFS= read -r ask; do
    case $ask in
    "probe "*[!0-9a-z]*) continue ;;
    "probe "*) nonce=${ask#probe } ;;
    *) continue ;;
    esac
    add "<< $nonce"
    answered=
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
        [ "$code" != 0 ] || answered="$answered $name"
    done
    add ">> $nonce"
    show
    # For the next time, when nobody waits: a fragment whose version is not known asks for it itself. Who looks only once or
    # twice, as a command does, has no use for that.
    looks=$((looks + 1))
    [ "$looks" -lt 3 ] || for name in $answered; do versions "$name"; done
done
