"""The tests of the supervisor are worth something: each of these steps, left out or changed, is noticed by one of them."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from clavel_tui.nix.system_job import LIBRARIES
from clavel_tui.unit import script

from . import test_itself as itself
from . import test_job as jobs
from . import test_secrets as lacking
from . import test_system as systems
from .supervisor import Supervisor
from .systems import SystemUnit


@dataclass(frozen=True)
class Mutant:
    """A step of a script that is another, and the test that must fail then."""

    name: str
    found: str
    instead: str
    killed_by: Callable[[Supervisor], None]
    file: str = "job.sh"


def deployment(name: str, found: str, instead: str, killed_by: Callable[[SystemUnit], None]) -> Mutant:
    """A step of a deployment that is another."""
    return Mutant(name, found, instead, lambda unit: killed_by(SystemUnit(unit)), "system.sh")


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
        "what a command leaves behind is waited for",
        'while kill -0 "$loose_pour" 2>/dev/null && [ "$loose_n" -lt 20 ]; do',
        'while kill -0 "$loose_pour" 2>/dev/null; do',
        jobs.test_a_daemon_that_a_command_leaves_keeps_neither_the_job_nor_its_lock,
    ),
    Mutant(
        "what reads the words of a daemon keeps the locks",
        '(exec 7>&- 8>&- 9>&- && pour) <"$job/pipe" &',
        'pour <"$job/pipe" 7>&- 8>&- 9>&- &',
        jobs.test_a_daemon_that_a_command_leaves_keeps_neither_the_job_nor_its_lock,
    ),
    Mutant(
        "a job that has said its last word is not waited for",
        'if [ "$lock_n" -lt 600 ] && about_to_end; then',
        "if false; then",
        jobs.test_the_next_job_waits_for_one_that_has_said_its_last_word,
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

SET = 'set_profile "$target"'
DEPLOYMENTS = (
    deployment(
        "the profile is set before the acknowledgement",
        "    step check\n    judge\n",
        f"    step check\n    {SET}\n    judge\n",
        systems.test_nothing_is_set_before_somebody_answers,
    ),
    deployment(
        "the root of the new path is forgotten",
        'root_path "$from" && root_path "$target" &&',
        'root_path "$from" &&',
        systems.test_both_paths_are_rooted_before_anything_runs,
    ),
    deployment(
        "the root of the old path is forgotten",
        '&& root_path "$from" && root_path "$target" && root_path "$was_set"; }',
        '&& root_path "$target"; }',
        systems.test_both_paths_are_rooted_before_anything_runs,
    ),
    deployment(
        "what could not be returned to is not looked for",
        'valid "$target" ${from:+"$from"} ||',
        'valid "$target" ||',
        systems.test_what_runs_has_to_be_there_to_return_to,
    ),
    deployment(
        "what is returned to is read after the activation",
        '    back_rc=0\n    switch_back "$from" test',
        '    back_rc=0\n    from=$(store_path "$running")\n    switch_back "$from" test',
        systems.test_nobody_answers_and_it_goes_back,
    ),
    deployment(
        "checks are looked at before the activation",
        '    activate_rc=0\n    switch_to "$target" test || activate_rc=$?\n',
        '    judge\n    judge() { :; }\n    activate_rc=0\n    switch_to "$target" test || activate_rc=$?\n',
        systems.test_a_check_that_does_not_hold_goes_back,
    ),
    deployment(
        "nobody is waited for",
        'await_ack "$confirm_s" || go_back',
        "true || go_back",
        systems.test_nobody_answers_and_it_goes_back,
    ),
    deployment(
        "it switches at once, boot entry and all",
        'switch_to "$target" test || activate_rc=$?',
        'switch_to "$target" switch || activate_rc=$?',
        systems.test_profile_and_boot_entry_move_last,
    ),
    deployment(
        "the boot entry is forgotten",
        '    switch_to "$target" boot || go_back "the boot entry could not be written"\n',
        "",
        systems.test_profile_and_boot_entry_move_last,
    ),
    deployment(
        "exit 4 is taken for failure of any kind",
        '    4) if itself "$type"; then go_back "the activation failed with exit code 4"; else unwell; fi ;;\n',
        "",
        systems.test_failed_units_are_left_where_that_is_wanted,
    ),
    deployment(
        "exit 4 is taken for success",
        "else unwell; fi ;;\n",
        "fi ;;\n",
        systems.test_failed_units_are_named_and_it_goes_back,
    ),
    deployment(
        "the exit code proves what runs",
        '    [ "$(store_path "$running")" = "$target" ] || go_back',
        "    true || go_back",
        systems.test_it_ends_well_and_something_else_runs,
    ),
    deployment(
        "the way back leaves the profile",
        "    unset_profile || back_left=",
        "    true || back_left=",
        systems.test_a_boot_entry_that_cannot_be_written_goes_back,
    ),
    deployment(
        "a return that failed is called one",
        'if [ "$(store_path "$running")" = "$from" ] && { [ "$back_rc" = 0 ]',
        'if true || { [ "$back_rc" = 0 ]',
        systems.test_the_way_back_fails_and_says_so,
    ),
    deployment(
        "what failed before is judged",
        'judge_bad=$(beyond "$(failing)" "$failing_before")',
        "judge_bad=$(failing)",
        systems.test_what_failed_before_is_not_judged,
    ),
    deployment(
        "the preview is not compared",
        '[ -z "$expect" ] || [ "$expect" = "$from $was_set" ] ||',
        "true ||",
        systems.test_it_is_not_what_was_previewed,
    ),
    deployment(
        "a system of another machine is tried",
        '[ -z "$guard_arch" ] || [ -z "$arch" ] || [ "$guard_arch" = "$arch" ] ||',
        "true ||",
        systems.test_a_system_of_another_machine,
    ),
    deployment(
        "nothing is mended after a death",
        "    case $mend_phase in activating | keeping | booting) ;; *) return 0 ;; esac\n",
        "    return 0\n",
        systems.test_killed_while_it_activates_it_is_returned,
    ),
    deployment(
        "after a reboot the old system is activated once more",
        '{ itself "$type" || [ "$(boot_id)" = "$(cat "$job/boot" 2>/dev/null)" ]; }; then',
        "true; then",
        systems.test_a_reboot_lands_on_the_old_system_and_nothing_is_activated_again,
    ),
    deployment(
        "after a reboot a container is left as it is",
        '{ itself "$type" || [ "$(boot_id)" = "$(cat "$job/boot" 2>/dev/null)" ]; }; then',
        '[ "$(boot_id)" = "$(cat "$job/boot" 2>/dev/null)" ]; then',
        lambda unit: itself.test_killed_while_it_waits_what_ran_is_activated_again(itself.Container(unit), restarted=True),
    ),
    deployment(
        "what a closure looks at itself does not count",
        '    own_check "$(store_path "$running")"\n',
        "",
        lambda unit: itself.test_a_bad_one_is_left_by_activating_what_ran(itself.Container(unit), {"check": "exit 1"}),
    ),
    deployment(
        "of an activation that failed it is said that it runs",
        'else rm -f "$running"; fi; }',
        "fi; }",
        lambda unit: itself.test_a_way_back_that_fails_says_that_nothing_is_known_to_run(itself.Container(unit)),
    ),
    deployment(
        "a death between profile and boot entry goes back",
        'if [ "$mend_phase" = keeping ] && [ "$mend_now" = "$target" ] ||',
        "if false ||",
        systems.test_killed_between_profile_and_boot_entry_it_goes_on_forward,
    ),
    deployment(
        "a dead deployment undoes what somebody has deployed since",
        '|| return 0\n    listed "$mend_set" "$was_set$newline$target" || return 0\n',
        "|| true\n",
        systems.test_what_somebody_deployed_since_is_left_alone,
    ),
    deployment(
        "the boot entry of the way back is taken for written",
        '    elif [ -z "${set_begun:-}" ]; then\n        return 0\n    fi',
        "    else\n        return 0\n    fi",
        systems.test_killed_on_the_way_back_the_boot_entry_is_written_anew,
    ),
    deployment(
        "something else runs, and the profile is set all the same",
        '[ "$keep_now" = "$target" ] || finish failed',
        "true || finish failed",
        systems.test_somebody_switches_while_it_waits,
    ),
    deployment(
        "roots are never forgotten",
        'listed "/nix/store/$prune_r" "$prune_used" || rm -f',
        'listed "/nix/store/$prune_r" "$prune_used" || true',
        systems.test_the_newest_roots_stay_and_what_is_used,
    ),
    deployment(
        "the root of what was booted is forgotten",
        '$(store_path "$root/run/booted-system")$newline',
        "",
        systems.test_the_newest_roots_stay_and_what_is_used,
    ),
    deployment(
        "nobody looks for its secrets", "\n    has_its_secrets\n", "\n", lacking.test_files_that_the_fleet_names_must_all_be_there
    ),
    deployment(
        "its signatures are not asked for",
        'vetted "$target" "${signed_by:-}" ||',
        "true ||",
        systems.test_only_what_is_signed_where_that_is_asked_for,
    ),
)


def mutated(folder: Path, mutant: Mutant) -> Path:
    """The scripts, with this one step changed; it must stand there exactly once, and the shell must still take it."""
    folder.mkdir()
    for name in ("job.sh", "lib.sh", "system.sh", *LIBRARIES):
        (folder / name).write_text(script(name))
    text = script(mutant.file)
    assert text.count(mutant.found) == 1, f"{mutant.file} has changed: {mutant.found}"
    (folder / mutant.file).write_text(text.replace(mutant.found, mutant.instead))
    subprocess.run(["dash", "-n", folder / mutant.file], check=True)
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


@pytest.mark.parametrize("mutant", [*MUTANTS, *DEPLOYMENTS], ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant, tmp_path: Path) -> None:
    """The test passes on the scripts as they are, and fails on those with this step changed."""
    for name in ("whole", "changed"):
        (tmp_path / name).mkdir()
    assert outcome(mutant.killed_by, Supervisor(tmp_path / "whole")) == "passed"
    source = mutated(tmp_path / "source", mutant)
    assert outcome(mutant.killed_by, Supervisor(tmp_path / "changed", source=source)) != "passed"
