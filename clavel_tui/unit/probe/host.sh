# shellcheck shell=sh
# host: what this machine is and how it does. Files under /proc first: a fork less is a millisecond less.
kv() { printf '%s\t%s\n' "$1" "$2"; }
# first FILE: its first line, in $v.
first() { [ -r "$root$1" ] && IFS= read -r v <"$root$1"; }

[ -z "${stamp:-}" ] || kv stamp "$stamp"
if first /proc/sys/kernel/ostype && k=$v && first /proc/sys/kernel/osrelease; then kv kernel "$k $v"; else kv kernel "$(uname -sr)"; fi
if first /proc/sys/kernel/arch; then kv arch "$v"; else kv arch "$(uname -m)"; fi
if first /proc/sys/kernel/hostname; then kv hostname "$v"; else kv hostname "$(uname -n)"; fi
if first /proc/sys/kernel/random/boot_id; then kv boot_id "$v"; else kv boot_id "$(boot_id)"; fi
# shellcheck disable=SC3028  # bash knows the time by itself; where there is no such variable, date is asked
kv clock "${EPOCHSECONDS:-$(date +%s)}"
user=
if [ -r "$root/proc/self/status" ]; then
    while read -r k _ v _; do
        if [ "$k" = Uid: ]; then user=$v && break; fi
    done <"$root/proc/self/status"
fi
kv user "${user:-$(id -u)}"
if [ -r "$root/etc/os-release" ]; then
    while IFS='=' read -r k v; do
        case $k in
        ID | VERSION_ID | PRETTY_NAME)
            v=${v%\"}
            kv "os_$k" "${v#\"}"
            ;;
        esac
    done <"$root/etc/os-release"
elif have sw_vers; then
    v=$(sw_vers -productVersion)
    kv os_ID darwin
    kv os_VERSION_ID "$v"
    kv os_PRETTY_NAME "macOS $v"
fi
if [ -r "$root/proc/uptime" ]; then
    read -r up _ <"$root/proc/uptime" && kv uptime "$up"
    read -r l1 l5 l15 _ <"$root/proc/loadavg" && kv load "$l1 $l5 $l15"
    while read -r k v _; do
        case $k in MemTotal:) kv mem_total_kib "$v" ;; MemAvailable:) kv mem_free_kib "$v" && break ;; esac
    done <"$root/proc/meminfo"
    if first /sys/devices/system/cpu/online; then # such as 0-3,6
        n=0
        while [ -n "$v" ]; do
            k=${v%%,*}
            n=$((n + ${k#*-} - ${k%-*} + 1))
            case $v in *,*) v=${v#*,} ;; *) v= ;; esac
        done
        kv cpus "$n"
    else
        kv cpus "$(grep -c '^processor' "$root/proc/cpuinfo")"
    fi
elif have sysctl; then
    kv uptime "$(uptime_s)"
    kv load "$(sysctl -n vm.loadavg | tr -d '{}')"
    kv mem_total_kib "$(($(sysctl -n hw.memsize) / 1024))"
    kv cpus "$(sysctl -n hw.ncpu)"
fi
for t in "$root"/sys/class/thermal/thermal_zone*/temp; do
    [ -r "$t" ] && read -r v <"$t" && kv temperature_mc "$v"
done
lacks=
for t in flock:perl sha256sum:shasum timeout:perl mktemp:mktemp tar:tar; do
    if ! have "${t%:*}" && ! have "${t#*:}"; then lacks="$lacks ${t%:*}"; fi
done
[ -z "$lacks" ] || kv lacks "${lacks# }"
if have vcgencmd; then kv throttled "$(limit 3 vcgencmd get_throttled 2>/dev/null)"; fi
exit 0
