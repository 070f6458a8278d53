#!/bin/sh
# look.sh: the forced command of a key that may only look. What the other side asked for is not even read; its stdin goes to
# the probe beside us, which knows one word, "probe NONCE", and passes nothing of it to a shell.
unset SSH_ORIGINAL_COMMAND CLAVEL_CHECKS CLAVEL_TYPE
# shellcheck source=/dev/null
. "${0%/*}/probe.sh"
