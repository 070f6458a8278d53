"""The tests of the supervisor are worth something: each of these steps, left out or changed, is noticed by one of them."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from clavel_tui.unit import script

from . import test_job as jobs
from .supervisor import Supervisor


@dataclass(frozen=True)
class Mutant:
    """A step of job.sh that is another, and the test that must fail then."""

    name: str
    found: str
    instead: str
    killed_by: Callable[[Supervisor], None]


MUTANTS = (
    Mutant(
        "the gate of the start lets everybody through",
        'if swept "$id" || ! mkdir "$job" 2>/dev/null; then',
        'if swept "$id" || ! mkdir -p "$job" 2>/dev/null; then',
        jobs.test_start_sent_twice_runs_once,
    ),
    Mutant(
        "the gate of the run is gone",
        '    mkdir "$job/run" 2>/dev/null || exit 0\n    trap',
        '    mkdir "$job/run" 2>/dev/null\n    trap',
        jobs.test_two_supervisors_of_one_job_run_it_once,
    ),
    Mutant(
        "a settled job has no tombstone",
        'settle_said=$(finish never-started "it never started: nothing was changed")',
        'settle_said=outcome=never-started; rm -r "$job"',
        jobs.test_settled_before_it_came_it_never_runs,
    ),
    Mutant(
        "the unit's lock is not taken",
        "until hold_lock 9; do",
        "until true; do",
        jobs.test_second_job_is_refused_and_told_by_whom,
    ),
    Mutant(
        "the job's own lock is not taken",
        "    hold_lock 7\n    case $? in",
        "    :\n    case $? in",
        jobs.test_running_job_is_left_alone,
    ),
    Mutant("NixOS's lock is not taken", "hold_lock 8 ||", "true ||", jobs.test_nixos_switching_refuses_a_job),
    Mutant(
        "the bundle is not compared with what was journalled",
        '[ "$(sha256 <"$job/files/SUMS")" = "$2" ] &&',
        "true &&",
        lambda unit: jobs.test_damaged_bundle_never_runs(unit, jobs.agree_with_itself),
    ),
    Mutant(
        "the bundle's files are not hashed",
        '(cd "$job/files" && sums_hold SUMS) &&',
        "true &&",
        lambda unit: jobs.test_damaged_bundle_never_runs(unit, jobs.damage_body),
    ),
    Mutant(
        "the effect comes before the state",
        "remember phase=begun || finish refused",
        "remember phase=begun || true || finish refused",
        jobs.test_no_room_for_the_state_refuses_before_the_effect,
    ),
    Mutant(
        "what is remembered is not checked",
        'mv "$job/state.new" "$job/state" && durable "$job/state"\n}',
        'mv "$job/state.new" "$job/state" && durable "$job/state"\n    true\n}',
        jobs.test_remembering_tells_when_it_failed,
    ),
    Mutant(
        "another state folder is taken for the same",
        'if [ ! -d "$job" ] && [ -n "$2" ] && [ "$2" !=',
        'if false && [ -n "$2" ] && [ "$2" !=',
        jobs.test_another_state_folder_knows_nothing,
    ),
    Mutant(
        "a reboot is not noticed",
        '|| settle_why="the unit was restarted"',
        "|| :",
        jobs.test_job_of_an_earlier_boot_died_with_it,
    ),
    Mutant(
        "what a dead job left is not mended",
        "job_mend) >/dev/null 2>&1",
        ":) >/dev/null 2>&1",
        jobs.test_killed_job_frees_the_lock,
    ),
    Mutant(
        "dead jobs are not closed before a new one",
        "    settle_others\n    take_nix_lock",
        "    take_nix_lock",
        jobs.test_killed_job_frees_the_lock,
    ),
    Mutant(
        "a swept job is forgotten",
        "printf '%s %s\\n' \"$sweep_id\"",
        "printf '' \"$sweep_id\"",
        jobs.test_swept_job_is_still_known,
    ),
    Mutant(
        "any acknowledgement will do",
        '[ "$(cat "$job/ack" 2>/dev/null)" != "$id" ] || return 0',
        '[ ! -e "$job/ack" ] || return 0',
        jobs.test_job_that_nobody_acknowledges_goes_back,
    ),
    Mutant(
        "cancel is not looked for",
        '[ ! -e "$job/cancel" ] || finish cancelled',
        "true || finish cancelled",
        jobs.test_cancel_ends_at_the_next_safe_point,
    ),
    Mutant(
        "the job stays in the session that started it",
        'setsid /bin/sh "$launch_sh"',
        '/bin/sh "$launch_sh"',
        jobs.test_job_outlives_what_started_it,
    ),
    Mutant(
        "a command of the job writes to the log itself",
        '"$@" 2>&1 3>&- </dev/null; echo $? >&3; } | pour >&2;',
        '"$@" >>"$job/log" 2>&1 3>&- </dev/null; echo $? >&3; } | pour >&2;',
        jobs.test_log_that_cannot_be_written_stops_nothing,
    ),
)


def mutated(folder: Path, mutant: Mutant) -> Path:
    """The scripts, with this one step changed; it must stand there exactly once, and the shell must still take it."""
    folder.mkdir()
    text = script("job.sh")
    assert text.count(mutant.found) == 1, f"job.sh has changed: {mutant.found}"
    (folder / "job.sh").write_text(text.replace(mutant.found, mutant.instead))
    (folder / "lib.sh").write_text(script("lib.sh"))
    subprocess.run(["dash", "-n", folder / "job.sh"], check=True)
    return folder


def outcome(scenario: Callable[[Supervisor], None], unit: Supervisor) -> str:
    """``passed``, or what the test said."""
    try:
        scenario(unit)
    except AssertionError as error:
        return str(error) or "failed"
    finally:
        unit.end()
    return "passed"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant, tmp_path: Path) -> None:
    """The test passes on the scripts as they are, and fails on those with this step changed."""
    for name in ("whole", "changed"):
        (tmp_path / name).mkdir()
    assert outcome(mutant.killed_by, Supervisor(tmp_path / "whole")) == "passed"
    source = mutated(tmp_path / "source", mutant)
    assert outcome(mutant.killed_by, Supervisor(tmp_path / "changed", source=source)) != "passed"
