# shellcheck shell=sh
# lib.sh: small tools that every script on a unit shares. POSIX sh; GNU, busybox and darwin userlands.

state=${CLAVEL_STATE:-/var/lib/clavel}
# Where this machine's /proc, /etc, /run and /nix are looked for: empty but for a demo, whose units are folders.
root=${CLAVEL_ROOT:-}

itself() { case $1 in container | iot) return 0 ;; *) return 1 ;; esac; } # what a unit of that type runs activates itself

# places TYPE: where it is found what a unit of that type runs, what it comes up with, and what our roots keep. A container or
# a device has no system of its own: its closure activates itself, and the link of what was activated last is ours.
places() {
    running=$root/run/current-system profile=$root/nix/var/nix/profiles/system roots=$root/nix/var/nix/gcroots/clavel
    itself "$1" || return 0
    running=$state/system/running profile=$root/nix/var/nix/profiles/unit-${state##*/} roots=$root/nix/var/nix/gcroots/unit-${state##*/}
}

have() { command -v "$1" >/dev/null 2>&1; }

# limit SECONDS CMD...: a command that hangs (a stopped dockerd answers nobody) costs its limit and no more.
# limit_by=exec: the shell itself becomes the command, for a $(…) that does nothing else: a process less.
limit() {
    limit_s=$1
    shift
    if have timeout; then
        ${limit_by:-} timeout -k 5 "$limit_s" "$@"
    elif have perl; then
        perl -e 'alarm shift; exec @ARGV or exit 127' "$limit_s" "$@"
    else
        "$@"
    fi
}

# sha256 <stdin: the hash alone.
sha256() {
    if have sha256sum; then
        sha256sum
    elif have shasum; then
        shasum -a 256
    else
        openssl dgst -sha256 -r
    fi | { read -r sha256_h _ && printf '%s\n' "$sha256_h"; }
}

# sums_hold FILE: every file that FILE lists has the hash listed there.
sums_hold() {
    if have sha256sum; then
        sha256sum -c "$1" >/dev/null 2>&1
    else
        shasum -a 256 -c "$1" >/dev/null 2>&1
    fi
}

# boot_id: differs after each boot; empty where the system has none to tell.
boot_id() {
    if [ -r "$root/proc/sys/kernel/random/boot_id" ]; then
        cat "$root/proc/sys/kernel/random/boot_id"
    else
        sysctl -n kern.bootsessionuuid 2>/dev/null
    fi
}

# uptime_s: whole seconds that the wall clock cannot turn back.
uptime_s() {
    if [ -r /proc/uptime ]; then
        IFS=. read -r uptime_now _ </proc/uptime
        printf '%s\n' "$uptime_now"
    else
        perl -MTime::HiRes -e 'print int(Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC())), "\n"' 2>/dev/null || echo 0
    fi
}

# hold_lock FD: the kernel frees it when the last process that inherited FD has ended. 0 held, 1 taken, 2 no tool.
hold_lock() {
    if have flock; then
        flock -n "$1" 2>/dev/null
    elif have perl; then
        perl -e 'use Fcntl ":flock"; open(my $f, "+<&=", $ARGV[0]) or exit 2;
                 exit(flock($f, LOCK_EX | LOCK_NB) ? 0 : 1)' "$1"
    else
        return 2
    fi
}

# living: whether the job in $job runs. The kernel says so; a pid file could not.
living() {
    [ -e "$job/alive" ] || return 1
    if (exec 7>>"$job/alive" && hold_lock 7) 2>/dev/null; then return 1; fi
    return 0
}

# durable PATH: on the disk, not only in memory. busybox and darwin know no `sync FILE`.
durable() { sync "$1" 2>/dev/null || sync; }

newline='
'
# unlike_booted SYSTEM: its parts that are not those which this machine was booted with; none of what has no kernel, as a
# container. One `ls` for all of them.
unlike_booted() {
    [ -L "$1/kernel" ] && [ -e "$root/run/booted-system" ] || return 0
    unlike_b=$root/run/booted-system
    unlike_l=$(ls -ld "$1/kernel" "$1/initrd" "$1/kernel-modules" "$unlike_b/kernel" "$unlike_b/initrd" "$unlike_b/kernel-modules" 2>/dev/null)
    for unlike_p in kernel initrd kernel-modules; do
        link_in "$unlike_l" "$1/$unlike_p"
        unlike_t=$link
        link_in "$unlike_l" "$unlike_b/$unlike_p"
        [ "$unlike_t" = "$link" ] || printf '%s\n' "$unlike_p"
    done
}
# link_in LINES PATH: where that link leads, in $link, by the lines of `ls -ld`; empty where it is none.
link_in() {
    link=${1#*" $2 -> "}
    if [ "$link" = "$1" ]; then link=; else link=${link%%"$newline"*}; fi
}

# listed NAME LIST: it is one of the lines of LIST. holds NAME LIST: a line of LIST is something inside it.
listed() { case "$newline$2$newline" in *"$newline$1$newline"*) return 0 ;; *) return 1 ;; esac; }
holds() { case "$newline$2" in *"$newline$1/"*) return 0 ;; *) return 1 ;; esac; }

# within NAME LIST: it, or a folder above it, is listed.
within() {
    within_f=$1
    while ! listed "$within_f" "$2"; do
        case $within_f in */*) within_f=${within_f%/*} ;; *) return 1 ;; esac
    done
}

# leaves APART [BELOW]: what is compared and moved as one in this folder: the names at its top, and in place of a folder
# that holds something of APART the names in it.
leaves() {
    find "${2:-.}" -mindepth 1 -maxdepth 1 -print | LC_ALL=C sort | while IFS= read -r leaf; do
        leaf=${leaf#./}
        if [ -d "$leaf" ] && [ ! -L "$leaf" ] && holds "$leaf" "$1"; then leaves "$1" "./$leaf"; else printf '%s\n' "$leaf"; fi
    done
}

# tree_lines DIR [SKIP]: one line a folder, file or link, "kind hash path": two folders are alike when these are.
# SKIP: paths in it, one a line, that are not even read (a database may hold gigabytes).
tree_lines() {
    (
        cd "$1" 2>/dev/null || exit 1
        LC_ALL=C
        export LC_ALL
        leaves "$2" | while IFS= read -r tree_leaf; do
            listed "$tree_leaf" "$2" || find "./$tree_leaf" -print | sort | while IFS= read -r tree_f; do tree_line "$tree_f"; done
        done
    )
}

tree_line() {
    if [ -L "$1" ]; then
        # The target of a link is read from ls: readlink is not POSIX, and busybox may lack it.
        tree_to=$(ls -ld "$1")
        printf 'link %s %s\n' "$(printf '%s' "${tree_to##* -> }" | sha256)" "$1"
    elif [ -d "$1" ]; then
        printf 'dir - %s\n' "$1"
    elif [ -f "$1" ]; then
        tree_m=file
        [ -x "$1" ] && tree_m=exec
        printf '%s %s %s\n' "$tree_m" "$(sha256 <"$1")" "$1"
    fi
}

# free_mib PATH: what an ordinary user of that file system may still write.
free_mib() {
    df -Pk "$1" 2>/dev/null | { read -r _ && read -r _ _ _ free_k _ && echo $((free_k / 1024)); }
}
