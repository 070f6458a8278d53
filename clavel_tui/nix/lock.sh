# shellcheck shell=sh
# lock NIX URL [--refresh]: what the reference means now. Messages come line by line, as our stdout; version and answer as our stderr.
nix=$1 url=$2
shift 2
command -v "$nix" >/dev/null 2>&1 || exit 127
version=$("$nix" --version 2>/dev/null) || exit
echo "${version##* }" >&2
exec "$nix" --extra-experimental-features nix-command --extra-experimental-features flakes --option warn-dirty false \
    flake metadata --json --no-update-lock-file "$@" "$url" 3>&1 1>&2 2>&3 3>&-
