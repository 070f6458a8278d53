# shellcheck shell=sh
# nixos: what runs, what was booted, what the profile names, its generations, and the closures that our roots keep. darwin has
# the first and the last ones. $CLAVEL_TYPE: the unit's.
places "${CLAVEL_TYPE:-nixos}"
link() { [ -e "$2" ] && link_to=$(cd "$2" && pwd -P) && printf '%s\t%s\n' "$1" "${link_to#"$root"}"; }
link current "$running"
link booted "$root/run/booted-system"
link profile "$profile"
# One process for all of them: a unit may have hundreds.
ls -ld "$profile"-*-link 2>/dev/null | while IFS= read -r g; do
    case $g in *' -> '*) ;; *) continue ;; esac
    to=${g##* -> }
    n=${g% -> *}
    n=${n##*/"${profile##*/}"-}
    printf 'generation\t%s\t%s\n' "${n%-link}" "${to#"$root"}"
done
for r in "$roots"/*; do
    [ -e "$r" ] && printf 'root\t/nix/store/%s\n' "${r##*/}"
done
[ "$running" != "$root/run/current-system" ] || unlike_booted "$running" | sed "s/^/due$tab/" # else the kernel is the host's
# Last, and for less than the fragment's own time: the first `nix` after a boot, read from an SD card, costs its version only.
if have nix; then printf 'nix\t%s\n' "${CLAVEL_NIX:-$(limit 2 nix --version 2>/dev/null)}"; fi
exit 0
