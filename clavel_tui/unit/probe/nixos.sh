# shellcheck shell=sh
# nixos: what runs, what was booted, what the profile names, its generations, and the closures that our roots keep. darwin has
# the first and the last ones. $CLAVEL_TYPE: the unit's.
places "${CLAVEL_TYPE:-nixos}"
link() { [ -e "$2" ] && link_to=$(cd "$2" && pwd -P) && printf '%s\t%s\n' "$1" "${link_to#"$root"}"; }
link current "$running"
link booted "$root/run/booted-system"
link profile "$profile"
for g in "$profile"-*-link; do
    [ -L "$g" ] || [ -e "$g" ] || continue
    n=${g##*/"${profile##*/}"-}
    to=$(ls -ld "$g")
    to=${to##* -> }
    printf 'generation\t%s\t%s\n' "${n%-link}" "${to#"$root"}"
done
for r in "$roots"/*; do
    [ -e "$r" ] && printf 'root\t/nix/store/%s\n' "${r##*/}"
done
for part in kernel initrd kernel-modules; do
    [ -L "$root/run/booted-system/$part" ] || continue
    [ "$running" = "$root/run/current-system" ] || break # the kernel is the host's
    now=$(ls -ld "$running/$part" 2>/dev/null)
    booted=$(ls -ld "$root/run/booted-system/$part")
    [ "${now##* -> }" = "${booted##* -> }" ] || printf 'due\t%s\n' "$part"
done
# Last, and for less than the fragment's own time: the first `nix` after a boot, read from an SD card, costs its version only.
if have nix; then printf 'nix\t%s\n' "${CLAVEL_NIX:-$(limit 2 nix --version 2>/dev/null)}"; fi
exit 0
