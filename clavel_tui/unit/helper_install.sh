# shellcheck shell=sh
# helper_install.sh FOLDER SUM LOGIN < tar: puts the helper as one whole, and the line in sudoers that lets LOGIN run it, and it
# alone, as root. Only root may change either.
umask 022
helper=$1
wanted=$2
login=$3
sudoers=/etc/sudoers.d/clavel-unit
fail() {
    rm -rf "$helper.new" "${sudoers%/*}/.clavel-unit"
    printf '%s\n' "$1" >&2
    exit 74
}
uid=$(id -u "$login" 2>/dev/null) || fail "there is no login $login on this unit: make it first"
[ "$uid" != 0 ] || fail "$login is root, and needs no helper"
command -v sudo >/dev/null 2>&1 || fail "there is no sudo on this unit"
rm -rf "$helper.new" "$helper.old"
mkdir -p "${helper%/*}" && mkdir "$helper.new" && tar -xpf - -C "$helper.new" || fail "$helper cannot be written: is the disk full?"
cd "$helper.new" || fail "$helper cannot be written"
if command -v sha256sum >/dev/null 2>&1; then sum=sha256sum; else sum='shasum -a 256'; fi
found=$($sum <SUMS)
if [ "${found%% *}" != "$wanted" ] || ! $sum -c SUMS >/dev/null 2>&1; then fail "the helper did not arrive whole"; fi
# roots_alone FOLDER: who else may write in it, or above it, could put another program in its place.
roots_alone() {
    ra_f=$1
    while :; do
        if [ -e "${ra_f:-/}" ]; then
            ra_f=$(cd "${ra_f:-/}" && pwd -P) || return 1
            # shellcheck disable=SC2046  # mode, links, owner
            set -- $(ls -ldn "$ra_f")
            case $1$3 in d????-??-?0 | d????-??-?[.@]0) ;; *) return 1 ;; esac
        fi
        case $ra_f in '' | /) return 0 ;; esac
        ra_f=${ra_f%/*}
    done
}
while IFS= read -r above; do
    roots_alone "$above" || fail "$above, or a folder above it, may be written by others than root: the helper would not be safe"
done <<PATHS
${helper%/*}
$(sed -n "s/^PATH='\{0,1\}\([^']*\)'\{0,1\}$/\1/p" settings | tr ':' '\n')
PATHS
find . -exec chown 0:0 {} + && find . -type d -exec chmod 755 {} + || fail "its files cannot be given to root"
sync
line="$login ALL=(root) NOPASSWD: $helper/clavel-unit"
[ ! -e "$helper" ] || mv "$helper" "$helper.old" || fail "$helper cannot be replaced"
cd / && mv "$helper.new" "$helper" || fail "$helper cannot be written"
rm -rf "$helper.old"
if [ -e /etc/NIXOS ]; then
    echo "nixos"
    exit 0
fi
# sudo passes over a name with a dot, so nothing half-written counts.
new=${sudoers%/*}/.clavel-unit
printf '%s\n' "$line" >"$new" && chmod 440 "$new" || fail "${sudoers%/*} cannot be written"
if command -v visudo >/dev/null 2>&1; then visudo -cqf "$new" || fail "visudo does not like this line: $line"; fi
mv "$new" "$sudoers-$uid" || fail "${sudoers%/*} cannot be written"
echo "$sudoers-$uid"
