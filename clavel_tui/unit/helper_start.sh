# helper_start.sh: the program that sudoers names: nothing of the caller's environment and limits goes with what it does as root.
# Before it stands `here=FOLDER`.
# shellcheck shell=sh disable=SC2154,SC3045
PATH=/run/current-system/sw/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH
cd /
for limit in f t v d; do
    ulimit -"$limit" unlimited 2>/dev/null || [ "$(id -u)" != 0 ] || {
        echo "clavel-unit: its limits cannot be lifted" >&2
        exit 77
    }
done
home=~root
exec env -i PATH="$PATH" HOME="$home" SUDO_USER="${SUDO_USER:-root}" sh "$here/helper.sh" "$@"
