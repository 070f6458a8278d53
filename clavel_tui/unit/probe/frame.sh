# shellcheck shell=sh
# frame.sh: one round trip, many fragments, each with its own deadline: a frozen dockerd costs its own facts only.
# Started once and kept: a line "probe NONCE" on stdin asks for one frame. The end of stdin ends it.
# The console puts the fragments before it as functions: frag_NAME_text and the list $fragments of "NAME:SECONDS".
while IFS= read -r ask; do
    case $ask in
    "probe "*) nonce=${ask#probe } ;;
    *) continue ;;
    esac
    printf '<< %s\n' "$nonce"
    for frag in $fragments; do
        printf '== %s\n' "${frag%%:*}"
        eval "frag_text=\$frag_${frag%%:*}"
        limit "${frag#*:}" sh -c "$lib_text
$frag_text" clavel "$@" 2>/dev/null </dev/null
        printf '\n=. %s %s\n' "${frag%%:*}" "$?"
    done
    printf '>> %s\n' "$nonce"
done
