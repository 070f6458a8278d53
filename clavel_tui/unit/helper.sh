# helper.sh: all that a login may do with root's rights whose line in sudoers names this file and nothing else: look at the unit,
# and deploy systems that are signed by a key which the unit trusts, or that have run here before. No line of code comes from
# outside: what runs lies beside this file, and only root can change it. It is started by helper_start.sh.
#
#   clavel-unit NAME SUM [ARGS...]    SUM: which text the console means by NAME; another one is of another version
# shellcheck shell=sh disable=SC2154
umask 077
here=${0%/*}
# shellcheck source=/dev/null
. "$here/settings"
# shellcheck source=clavel_tui/unit/lib.sh
. "$here/lib.sh"
# shellcheck source=clavel_tui/unit/vetted.sh
. "$here/vetted.sh"

no() {
    printf 'clavel-unit: %s\n' "$*" >&2
    exit 77
}
plain() {
    case $1 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) no "$2 is not a plain word" ;; esac
    [ "${#1}" -le 64 ] || no "$2 is too long"
}
# number N WHAT MOST: decimal, since a shell would count one that begins with 0 by eights, and end.
number() {
    case $1 in 0 | [1-9] | [1-9]*[0-9]) ;; *) no "$2 is not a number" ;; esac
    case $1 in *[!0-9]*) no "$2 is not a number" ;; esac
    [ "${#1}" -le 12 ] && [ "$1" -le "$3" ] || no "$2 is out of reason"
}
# own IDENT: a job that was started through here; what root himself does is none of this login's.
own() {
    plain "$1" "the job's name"
    [ ! -e "$state/jobs/$1" ] || grep -q '^signed_only=1$' "$state/jobs/$1/files/params" 2>/dev/null || no "that job is somebody else's"
}
no_controls() { [ "$(printf '%s' "$1" | tr -d '[:print:]\200-\377'; echo .)" = . ] || no "$2 holds control characters"; }
of_this_unit() {
    vetted "$1" "$CLAVEL_SYSTEM_KEYS" || no "that system is not signed by the key that was named for this unit, and has not run here before"
}

# begin: what the login's shell or sudo said before is no part of the answer.
begin() { sh -c "$(cat "$here/say")"; }

# ask TEXT ARGS...: a question that ends when the console's side does.
ask() { exec sh -c "$(cat "$here/guard")" clavel "$@"; }

# ---------------------------------------------------------------- a job

VERBS='deploy rollback reboot gc'
KEYS='verb target mode type arch expect activate_s check_s grace_s confirm_s checks on_failure keep_n secrets check_secrets label
revision now operator reason keep_generations'

# take_params: from stdin up to a line "--", as far as every line of it is KEY=VALUE, each KEY known, each VALUE one literal word:
# then nothing of it is a command, and it can be read by a shell.
take_params() {
    params_open=
    while IFS= read -r params_l; do
        if [ -z "$params_open" ]; then
            [ "$params_l" != -- ] || return 0
            params_v=${params_l#*=}
            case $params_l in *=*) ;; *) no "a parameter has no value" ;; esac
            # Two keys with a blank between them are none: the second one would be a command.
            case ${params_l%%=*} in '' | *[!a-z_]*) no "it knows no such parameter" ;; esac
            case $(printf ' %s ' "$KEYS" | tr '\n' ' ') in *" ${params_l%%=*} "*) ;; *) no "it knows no such parameter" ;; esac
            case $params_v in
            \'*\')
                params_v=${params_v#\'}
                case ${params_v%\'} in *\'*) no "a parameter is not one word" ;; esac
                ;;
            \'*)
                case ${params_v#\'} in *\'*) no "a parameter is not one word" ;; esac
                params_open=1
                ;;
            *[!A-Za-z0-9@%+=:,./_-]*) no "a parameter is not one word" ;;
            esac
        else
            case $params_l in
            *\'*\'*) no "a parameter is not one word" ;;
            *\') params_open= ;;
            *\'*) no "a parameter is not one word" ;;
            esac
        fi
        printf '%s\n' "$params_l" >>"$dir/params" || no "the disk is full"
    done
    no "the parameters did not come whole"
}

# sound: what those words mean can only be what a console means by them.
sound() {
    # shellcheck source=/dev/null
    . "$dir/params"
    case " $VERBS " in *" $verb "*) ;; *) no "it knows no such verb" ;; esac
    case $kind$verb in systemdeploy | systemrollback | machinereboot | machinegc) ;; *) no "these scripts do not $verb" ;; esac
    case ${type:-nixos} in nixos | darwin) ;; *) no "it knows no such type" ;; esac
    case ${mode:-switch} in switch | test | boot) ;; *) no "it knows no such mode" ;; esac
    case ${on_failure:-return} in return | leave) ;; *) no "on_failure is return or leave" ;; esac
    for sound_n in "${activate_s:-0}" "${check_s:-0}" "${grace_s:-0}" "${confirm_s:-0}" "${keep_n:-0}" "${keep_generations:-0}"; do
        number "$sound_n" "a limit" 7200
    done
    number "${now:-0}" "the time" 99999999999
    case ${check_secrets:-1} in 0 | 1) ;; *) no "check_secrets is 0 or 1" ;; esac
    case ${target:-} in '' | /nix/store/[0-9a-z]*) ;; *) no "what is meant is no store path" ;; esac
    case ${arch:-} in *[!a-z0-9_-]*) no "it knows no such arch" ;; esac
    case ${expect:-} in *[!0-9A-Za-z+._?=/\ -]*) no "what it expects is no store path" ;; esac
    case ${secrets:-} in *[!0-9A-Za-z+._@/\ -]*) no "a secret's path is odd" ;; esac
    for sound_t in "${label:-}" "${revision:-}" "${operator:-}" "${reason:-}" "${target:-}"; do no_controls "$sound_t" "a word"; done
    printf '%s\n' "${checks:-}" | while IFS= read -r sound_c; do
        case $sound_c in
        '') ;;
        "systemd "[!A-Za-z0-9]*) exit 1 ;;
        "systemd "*[!A-Za-z0-9@._:\\-]*) exit 1 ;;
        "systemd "?*) ;;
        *) exit 1 ;;
        esac
    done || no "a check here can only be of a systemd unit: a command would be run by root"
}

take_owner() {
    owner_n=0
    while IFS= read -r owner_l && [ "$owner_n" -lt 12 ]; do
        owner_n=$((owner_n + 1))
        case $owner_l in login=*) no "the owner's line is none" ;; [a-z]*=*) ;; *) no "the owner's line is none" ;; esac
        no_controls "$owner_l" "the owner's line"
        printf '%.400s\n' "$owner_l"
    done
    printf 'login=%s\n' "${SUDO_USER:-root}"
}

# start IDENT CODE: a job as the console would put it, but of our own scripts; with its parameters and its owner on stdin.
start() {
    plain "$1" "the job's name"
    kind=
    for start_k in system machine; do
        [ "$(cat "$here/files/$start_k.sum")" != "$2" ] || kind=$start_k
    done
    [ -n "$kind" ] || no "another version of clavel-tui put it here: \`clavel-tui install-helper\` puts it anew"
    mkdir -p "$state" && chmod 700 "$state" && dir=$(mktemp -d "$state/put.XXXXXX") || no "$state cannot be written"
    trap 'rm -rf "$dir"' EXIT
    trap 'exit 70' HUP INT TERM PIPE
    find "$state" -maxdepth 1 -name 'put.*' -mmin +60 -exec rm -rf {} + 2>/dev/null
    head -c 65536 >"$dir/said" || no "the disk is full"
    exec <"$dir/said"
    rm -f "$dir/said"
    # First, so that nothing which is lost at the end can take it away.
    printf '%s\n' "signed_only=1" "signed_by='$CLAVEL_SYSTEM_KEYS'" >"$dir/params" || no "the disk is full"
    cp "$here/files/$kind"/*.sh "$dir/" || no "the disk is full"
    take_params
    (sound) || exit 77
    take_owner >"$dir/owner" || exit 77
    (cd "$dir" && sha256sum -- *.sh params owner >SUMS) 2>/dev/null || (cd "$dir" && shasum -a 256 -- *.sh params owner >SUMS) || no "the disk is full"
    sh -c "$(cat "$here/texts/job")" clavel start "$1" "$dir" "$(sha256 <"$dir/SUMS")"
}

# ---------------------------------------------------------------- what is asked

[ $# -ge 2 ] || no "it is called by clavel-tui"
name=$1
sum=$2
shift 2
case $name in probe | job | system_look | dry-activate) ;; *) no "it does no such thing" ;; esac
[ "$sum" = "$(cat "$here/texts/$name.sum")" ] ||
    no "another version of clavel-tui put it here: \`clavel-tui install-helper\` puts it anew"
text=$(cat "$here/texts/$name")
case $name in
probe)
    CLAVEL_CHECKS=$(printf '%s\n' "${1:-}" | grep -E '^systemd [A-Za-z0-9][A-Za-z0-9@._:\\-]*$')
    export CLAVEL_CHECKS
    begin
    exec sh -c "$text" clavel
    ;;
system_look)
    of_this_unit "${1:-}"
    for arg; do case $arg in /*[!0-9A-Za-z+._?=@/-]* | [!/]*) no "a path is odd" ;; esac; done
    ask "$text" "$@"
    ;;
dry-activate)
    of_this_unit "${1:-}"
    begin
    exec sh -c "$text" clavel "$1"
    ;;
esac
verb=${1:-}
[ $# = 0 ] || shift
case $verb in
start)
    begin
    start "${1:-}" "${2:-}"
    ;;
follow)
    own "${1:-}"
    number "${2:-}" "the offset" 999999999999
    number "${3:-}" "the time" 600
    ask "$text" follow "$1" "$2" "$3"
    ;;
settle | cancel | ack)
    own "${1:-}"
    [ -z "${2:-}" ] || plain "$2" "the folder's birth"
    begin
    exec sh -c "$text" clavel "$verb" "$1" "${2:-}"
    ;;
unlock)
    begin
    exec sh -c "$text" clavel unlock
    ;;
*) no "it does no such thing to a job" ;;
esac
