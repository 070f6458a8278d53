# shellcheck shell=sh
# authorize.sh KEY LINE: adds LINE to this login's authorized_keys, once. KEY is the key within it: where it stands in another
# line already it may do more than look, since sshd takes the first line that fits.
umask 077
file=$HOME/.ssh/authorized_keys
mkdir -p "$HOME/.ssh" || exit 74
if grep -qxF -e "$2" "$file" 2>/dev/null; then
    echo "is in $file already"
    exit 0
fi
if grep -qF -e "$1" "$file" 2>/dev/null; then
    echo "$file has that key in another line, which may allow more: take it out first" >&2
    exit 77
fi
{ { [ ! -f "$file" ] || cat "$file"; } && { [ -z "$(tail -c 1 "$file" 2>/dev/null)" ] || echo; } && printf '%s\n' "$2"; } >"$file.new" &&
    mv "$file.new" "$file" && echo "written to $file"
