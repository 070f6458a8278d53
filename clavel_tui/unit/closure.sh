# shellcheck shell=sh
# closure.sh NIX-STORE PATH...: what each of these store paths needs, itself included: "closure PATH", then as many of "size BYTES"
# and "path PATH", in the same order; or "gone PATH" where it is not valid here. nix-store says so alike in every version of Nix.
tab=$(printf '\t')
nix_store=$1
shift
command -v "$nix_store" >/dev/null || { echo "there is no $nix_store" >&2; exit 1; }
closure_none=$("$nix_store" --check-validity --print-invalid "$@") || exit 1
for closure_p; do
    ! listed "$closure_p" "$closure_none" || { printf 'gone\t%s\n' "$closure_p"; continue; }
    printf 'closure\t%s\n' "$closure_p"
    closure_all=$("$nix_store" --query --requisites "$closure_p") || exit 1
    printf '%s\n' "$closure_all" | xargs "$nix_store" --query --size | sed "s/^/size$tab/"
    printf '%s\n' "$closure_all" | sed "s/^/path$tab/"
done
