"""The durable job, line by line of its protocol: under every shell, with and without flock and setsid."""

import fcntl
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .supervisor import Seen, Supervisor, wait_until

MARK = 'echo ran >>"$marks/ran"; '
DONE = MARK + "finish succeeded done"


def small_files(size: int) -> Callable[[], None]:
    """A disk that is nearly full, without root: no file may grow beyond ``size`` bytes, and writing more is an error."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


# ---------------------------------------------------------------- one job from start to end


def test_job_runs_and_says_how_it_ended(unit: Supervisor) -> None:
    """Its steps are in the log, its own word and its keys in the result, and the lock's owner is gone after it."""
    said = unit.start('step one; say "it\'s  text"; warn w; finish succeeded "all = well" release=r1 from=r0')
    assert re.fullmatch(r"born [0-9a-f]{64}\nstarted\n", said)
    seen = unit.follow()
    assert seen.word == "ended"
    assert seen.result == {"outcome": "succeeded", "text": "all = well", "step": "one", "release": "r1", "from": "r0"}
    lines = [line.split(" ", 1) for line in seen.log.decode().splitlines()]
    assert [text for _, text in lines] == ["step one", "say it's  text", "warn w", "say all = well"]
    assert all(int(at) <= time.monotonic() + 1 for at, _ in lines)
    # The result is first on the disk: a crash behind it must find it there.
    wait_until("the lock has no owner", lambda: not (unit.state / "lock.owner").exists())
    assert not unit.of("reserve").exists()
    assert unit.of("files").stat().st_mode & 0o077 == 0 or unit.state.stat().st_mode & 0o077 == 0


def test_command_of_a_job_keeps_its_exit_code_and_output(unit: Supervisor) -> None:
    """`run` tells a command's own exit code, and its output, both streams and a last line without an end, is in the log."""
    seen = unit.ran('two() { echo a; echo b >&2; printf c; return 7; }; run two; finish failed "it was $?"')
    assert seen.result["text"] == "it was 7"
    assert re.findall(rb"^\d+ out (.*)$", seen.log, re.MULTILINE) == [b"a", b"b", b"c"]


def test_a_daemon_that_a_command_leaves_keeps_neither_the_job_nor_its_lock(unit: Supervisor) -> None:
    """Its output stays open for as long as it lives: of its words two seconds are waited for, and the next job begins."""
    (unit.bin / "mkfifo").symlink_to("/usr/bin/mkfifo")
    seen = unit.ran('run_loose 20 sh -c "sleep 60 & echo \\$! >$marks/daemon; echo left; exit 3"; finish failed "it was $?"')
    daemon = int(unit.mark("daemon"))
    try:
        assert seen.result.get("text") == "it was 3"
        assert b" out left\n" in seen.log
        assert unit.ran(DONE, "j2").outcome == "succeeded"
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_the_next_job_waits_for_one_that_has_said_its_last_word(unit: Supervisor) -> None:
    """On a slow card that word takes seconds to be on the disk; a person has read it by then, and goes on."""
    sync = unit.bin / "sync"
    sync.unlink(missing_ok=True)
    sync.write_text(f"#!/bin/sh\n[ ! -e '{unit.of('result')}' ] || [ -e '{unit.of('files', 'j2').parent}' ] || sleep 3\n")
    sync.chmod(0o755)
    first = unit.ran(DONE)
    second = unit.ran(DONE, "j2")
    assert (first.outcome, second.outcome) == ("succeeded", "succeeded"), second


def test_job_that_loses_its_way_has_a_result(unit: Supervisor) -> None:
    """A body that exits, and one that ends without a word, end as failed, with the phase that was reached."""
    seen = unit.ran("remember phase=halfway; exit 3")
    assert seen.outcome == "failed"
    assert "status 3" in seen.result["text"]
    assert "phase=halfway" in seen.result["text"]
    assert unit.ran(":", "j2").result == {"outcome": "failed", "text": "the job ended without a result"}


def test_job_outlives_what_started_it(unit: Supervisor) -> None:
    """The whole session that sent the start is killed; the job goes on to its end."""
    bundle = unit.bundle("sleep 1; " + DONE)
    with unit.spawn(unit.job_text, "start", "j1", str(unit.put(bundle)), bundle.sum(), start_new_session=True) as process:
        wait_until("it runs", unit.of("run").exists)
        os.killpg(process.pid, signal.SIGKILL)
    assert unit.mark("ran") == ""
    assert unit.follow().outcome == "succeeded"
    assert unit.mark("ran") == "ran\n"


@pytest.mark.parametrize("name", ["HUP", "INT", "PIPE", "TERM"])
def test_job_is_not_ended_by_a_polite_signal(one: Supervisor, name: str) -> None:
    """A hang-up or a TERM does not leave an update half-way."""
    os.kill(one.hold(), getattr(signal, f"SIG{name}"))
    one.let_go()
    assert one.follow().outcome == "succeeded"


# ---------------------------------------------------------------- at most once


def test_start_sent_twice_runs_once(unit: Supervisor) -> None:
    """The second start of the same job, also after its end, runs nothing."""
    unit.hold()
    assert unit.start(DONE).splitlines()[1] == "already"
    unit.let_go()
    assert unit.follow().outcome == "succeeded"
    assert unit.start(DONE).splitlines()[1] == "already"
    assert unit.mark("ran") == ""


def test_ten_starts_at_once_run_once(unit: Supervisor) -> None:
    """Ten starts of one job at the same moment: one is told that it started it, nine that it is there already."""
    bundle = unit.bundle(DONE)
    folders = [str(unit.put(bundle)) for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(lambda folder: unit.job("start", "j1", folder, bundle.sum()), folders))
    words = sorted(text.splitlines()[1] for text in said)
    assert words == ["already"] * 9 + ["started"]
    assert len({text.splitlines()[0] for text in said}) == 1
    assert unit.follow().outcome == "succeeded"
    assert unit.mark("ran") == "ran\n"


def test_two_supervisors_of_one_job_run_it_once(unit: Supervisor) -> None:
    """Should a job be launched twice, by systemd and by hand, the gate in its folder lets one through."""
    unit.hold()
    for _ in range(3):
        unit.sh(unit.job_text, "supervise", "j1")
    unit.let_go()
    assert unit.follow().outcome == "succeeded"
    unit.sh(unit.job_text, "supervise", "j1")
    assert unit.follow().log.count(b"done") == 1


def test_repeated_start_waits_until_the_first_one_runs(one: Supervisor) -> None:
    """Who is told "already" may look at the job at once: it is not taken for dead while the first start copies its files."""
    slow = one.bin / "cp"
    real = slow.resolve()
    slow.unlink()
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {real} "$@"\n')
    slow.chmod(0o755)
    bundle = one.bundle(DONE)
    with one.spawn(one.job_text, "start", "j1", str(one.put(bundle)), bundle.sum()) as first:
        wait_until("the first start is under way", one.of("").exists)
        assert one.start(DONE).splitlines()[1] == "already"
        assert one.follow().outcome == "succeeded"
        first.communicate()


def damage_body(folder: Path) -> None:
    (folder / "body.sh").write_text('job_main() { echo ran >"$marks/ran"; finish succeeded; }\n')


def lose_file(folder: Path) -> None:
    (folder / "owner").unlink()


def cut_script(folder: Path) -> None:
    (folder / "job.sh").write_bytes((folder / "job.sh").read_bytes()[:-200])


def agree_with_itself(folder: Path) -> None:
    """Another bundle, whole in itself, but not the one that was journalled."""
    damage_body(folder)
    names = sorted(path.name for path in folder.iterdir() if path.name != "SUMS")
    sums = subprocess.run(["sha256sum", *names], cwd=folder, capture_output=True, check=True).stdout
    (folder / "SUMS").write_bytes(sums)


def lose_sums(folder: Path) -> None:
    (folder / "SUMS").unlink()


@pytest.mark.parametrize("damage", [damage_body, lose_file, cut_script, agree_with_itself, lose_sums])
def test_damaged_bundle_never_runs(unit: Supervisor, damage: Callable[[Path], None]) -> None:
    """A bundle of which one byte, one file or the list itself is another is refused, and can never be run later."""
    bundle = unit.bundle(DONE)
    folder = unit.put(bundle)
    damage(folder)
    unit.job("start", "j1", str(folder), bundle.sum())
    assert unit.follow().outcome == "refused"
    assert unit.mark("ran") == ""
    assert unit.start(DONE).splitlines()[1] == "already"
    assert unit.mark("ran") == ""


def test_bundle_is_taken_from_the_login_s_hands(one: Supervisor) -> None:
    """What runs is a copy in the unit's own folder: the one that was put is gone before anything of it runs."""
    bundle = one.bundle(f'ls "{one.tmp}" >"$marks/left"; finish succeeded done')
    one.job("start", "j1", str(one.put(bundle)), bundle.sum())
    assert one.follow().outcome == "succeeded"
    assert one.mark("left") == ""


# ---------------------------------------------------------------- one lock a unit


def test_second_job_is_refused_and_told_by_whom(unit: Supervisor) -> None:
    """While one job lives another is refused and names who holds the lock; after it the next one runs."""
    unit.hold("j1")
    seen = unit.ran(DONE, "j2")
    assert seen.outcome == "refused"
    assert "job=j1" in seen.result["text"]
    assert "operator=anna@desk" in seen.result["text"]
    assert unit.mark("ran") == ""
    assert (unit.state / "lock.owner").read_text().startswith("job=j1\n")
    unit.let_go()
    assert unit.follow("j1").outcome == "succeeded"
    assert unit.ran(DONE, "j3").outcome == "succeeded"


def test_ten_jobs_at_once_never_overlap(one: Supervisor) -> None:
    """Of ten jobs that come together none runs while another does, and each says truly whether it ran."""
    main = 'mkdir "$marks/inside" || echo twice >>"$marks/twice"; sleep 0.3; rmdir "$marks/inside"; finish succeeded done'
    with ThreadPoolExecutor(10) as pool:
        seen = list(pool.map(lambda n: one.ran(main, f"j{n}"), range(10)))
    assert one.mark("twice") == ""
    assert {s.outcome for s in seen} <= {"succeeded", "refused"}
    assert "succeeded" in {s.outcome for s in seen}


def test_killed_job_frees_the_lock(unit: Supervisor) -> None:
    """After kill -9 the kernel has freed the lock; the next job first closes what the dead one left, then runs."""
    unit.hold("j1")
    unit.kill("j1")
    assert unit.ran(DONE, "j2").outcome == "succeeded"
    assert unit.mark("mended") == "j1\n"
    assert unit.settle("j1").outcome == "interrupted"
    assert unit.mark("mended") == "j1\n"


def test_lock_is_held_while_a_command_of_the_job_lives(unit: Supervisor) -> None:
    """A killed supervisor whose `docker compose up` still runs is not dead yet: nobody else may begin."""
    body = (
        'echo $$ >"$marks/$id.pid"; waiting() { until [ -e "$marks/go" ]; do sleep 0.05; done; }; remember phase=up; run waiting'
    )
    unit.start(body)
    wait_until("it runs", lambda: unit.of("log").exists() and unit.mark("j1.pid"))
    wait_until("its command runs", lambda: b"run waiting" in unit.of("log").read_bytes())
    unit.kill("j1")
    assert unit.ran(DONE, "j2").outcome == "refused"
    assert unit.settle("j1").word == "running"
    unit.let_go()
    time.sleep(0.3)
    assert unit.settle("j1").outcome == "interrupted"


def test_nixos_switching_refuses_a_job(unit: Supervisor) -> None:
    """While NixOS holds its own lock a job is refused."""
    lock = unit.folder / "switch.lock"
    unit.env["CLAVEL_NIX_LOCK"] = str(lock)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        seen = unit.ran(DONE)
    assert seen.outcome == "refused"
    assert "NixOS" in seen.result["text"]
    assert unit.mark("ran") == ""


def test_job_holds_off_nixos(unit: Supervisor) -> None:
    """A job that runs holds NixOS's lock, and frees it at its end."""
    lock = unit.folder / "switch.lock"
    lock.touch()
    unit.env["CLAVEL_NIX_LOCK"] = str(lock)
    unit.hold()
    with lock.open("w") as tried, pytest.raises(BlockingIOError):
        fcntl.flock(tried, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unit.let_go()
    assert unit.follow().outcome == "succeeded"
    with lock.open("w") as tried:
        fcntl.flock(tried, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_unit_without_a_lock_tool_refuses(tmp_path: Path) -> None:
    """Neither flock nor perl: no lock, so no job."""
    unit = Supervisor(tmp_path, "dash", "no-lock")
    seen = unit.ran(DONE)
    assert seen.outcome == "refused"
    assert "neither flock nor perl" in seen.result["text"]
    assert unit.mark("ran") == ""


def test_unlock_settles_the_dead_and_spares_the_living(unit: Supervisor) -> None:
    """`unlock` closes a dead job, tells of a live one, and breaks no lock."""
    unit.hold("j1")
    unit.kill("j1")
    assert unit.job("unlock").splitlines() == ["settled j1", "free"]
    assert unit.of("result", "j1").read_text().startswith("outcome=interrupted\n")
    unit.hold("j2")
    live, held = unit.job("unlock").splitlines()
    assert live.startswith("live j2 job=j2 operator=anna@desk")
    assert held.startswith("held job=j2")
    assert unit.ran(DONE, "j3").outcome == "refused"
    unit.let_go()
    assert unit.follow("j2").outcome == "succeeded"
    assert unit.job("unlock") == "free\n"


# ---------------------------------------------------------------- what became of it


def test_settled_before_it_came_it_never_runs(unit: Supervisor) -> None:
    """No folder: it never started, and the tombstone makes that true for a start that arrives late."""
    unit.ran(DONE, "j0")
    seen = unit.settle("late")
    assert (seen.word, seen.outcome) == ("ended", "never-started")
    assert unit.start(MARK + "finish succeeded", "late").splitlines()[1] == "already"
    assert unit.follow("late").outcome == "never-started"
    assert unit.mark("ran") == "ran\n"


def settle_patiently(unit: Supervisor, ident: str) -> Seen:
    """As a console does where the job before it has said its last word, and still holds the lock."""
    while True:
        try:
            return unit.settle(ident, "")
        except AssertionError as error:
            if "look again when it has ended" not in str(error):
                raise


def test_settle_and_start_at_once_agree(unit: Supervisor) -> None:
    """A start and a settle that meet: either it runs and is told so, or it never runs."""
    for n in range(4):
        ident, bundle = f"r{n}", unit.bundle(f'echo {n} >>"$marks/ran"; finish succeeded done', f"r{n}")
        folder = str(unit.put(bundle))
        with ThreadPoolExecutor(2) as pool:
            starting = pool.submit(unit.job, "start", ident, folder, bundle.sum())
            time.sleep(0.02 * n)
            settled = pool.submit(settle_patiently, unit, ident).result()
            starting.result()
        outcome = unit.follow(ident).outcome
        assert settled.word == "running" or settled.outcome == outcome
        assert (f"{n}\n" in unit.mark("ran")) == (outcome == "succeeded")


def test_another_state_folder_knows_nothing(unit: Supervisor) -> None:
    """A unit whose state folder was lost does not call a job of the old one unstarted."""
    unit.ran(DONE, "j0")
    seen = unit.settle("j1", born="0" * 64)
    assert seen.word == "unknown"
    assert not unit.of("").exists()


def test_running_job_is_left_alone(unit: Supervisor) -> None:
    """To settle a job that lives says so, and changes nothing."""
    unit.hold()
    assert unit.settle().word == "running"
    assert not unit.of("result").exists()
    unit.let_go()
    assert unit.follow().outcome == "succeeded"
    assert unit.settle().result == {"outcome": "succeeded", "text": "done"}


def test_killed_job_is_interrupted_at_its_phase(unit: Supervisor) -> None:
    """Killed without a word: the state that was written before the effect tells where."""
    unit.hold()
    unit.kill()
    assert unit.follow().word == "dead"
    seen = unit.settle()
    assert seen.result == {"outcome": "interrupted", "text": "it was killed while it was at: holding", "phase": "holding"}
    assert unit.mark("mended") == "j1\n"
    assert unit.settle().result == seen.result
    assert unit.start(DONE).splitlines()[1] == "already"


def test_job_of_an_earlier_boot_died_with_it(unit: Supervisor) -> None:
    """Another boot id and no result: the unit was restarted."""
    unit.hold()
    unit.kill()
    unit.of("boot").write_text("another-boot\n")
    assert unit.settle().result["text"] == "the unit was restarted while it was at: holding"


def test_swept_job_is_still_known(unit: Supervisor) -> None:
    """Old jobs go, their outcomes stay: one of them is neither "never started" nor run again."""
    unit.env["CLAVEL_KEEP_JOBS"] = "2"
    for n in range(4):
        unit.ran(f"finish {'failed' if n == 0 else 'succeeded'} done", f"j{n}")
        when = time.time() - 100 + n
        os.utime(unit.of("", f"j{n}"), (when, when))
    unit.ran("finish succeeded done", "j9")
    assert not unit.of("", "j0").exists()
    assert unit.of("", "j3").exists()
    assert unit.follow("j0").word == "missing"
    assert unit.settle("j0").outcome == "failed"
    assert unit.start(DONE, "j0").splitlines()[1] == "already"
    assert unit.settle("j0").outcome == "failed"
    assert unit.mark("ran") == ""


# ---------------------------------------------------------------- cancel, acknowledge


def test_cancel_ends_at_the_next_safe_point(unit: Supervisor) -> None:
    """A cancelled job goes on to its safe point, and says itself that nothing was changed."""
    go = 'until [ -e "$marks/go" ]; do sleep 0.05; done; '
    unit.start(f'echo $$ >"$marks/$id.pid"; {go} echo before >"$marks/before"; safe_point; {DONE}')
    assert unit.job("cancel", "j1") == "cancel j1\n"
    assert not unit.of("result").exists()
    unit.let_go()
    assert unit.follow().result == {"outcome": "cancelled", "text": "cancelled before anything was changed"}
    assert unit.mark("before") == "before\n"
    assert unit.mark("ran") == ""


def test_word_for_a_job_that_is_not_there(unit: Supervisor) -> None:
    """Nobody is told that a job was cancelled or acknowledged that this unit does not have."""
    for word in ("cancel", "ack"):
        assert unit.sh(unit.job_text, word, "nobody").returncode == 76


AWAIT = "await_ack {} || finish returned back; finish succeeded kept"


def test_acknowledged_job_keeps_what_it_did(unit: Supervisor) -> None:
    """The acknowledgement of this very job ends the wait."""
    unit.start("say waiting; " + AWAIT.format(20))
    wait_until("it waits", lambda: unit.of("log").exists() and b"waiting" in unit.of("log").read_bytes())
    assert unit.job("ack", "j1") == "ack j1\n"
    assert unit.follow().outcome == "succeeded"


def test_job_that_nobody_acknowledges_goes_back(unit: Supervisor) -> None:
    """Neither silence nor another job's name is an acknowledgement: the way back is taken in time."""
    begun = time.monotonic()
    unit.start("say waiting; " + AWAIT.format(2))
    wait_until("it waits", lambda: unit.of("log").exists() and b"waiting" in unit.of("log").read_bytes())
    unit.of("ack").write_text("j0\n")
    assert unit.follow().outcome == "returned"
    assert time.monotonic() - begun < 10


# ---------------------------------------------------------------- its log


TEXT = "grüße ✓ — 日本\\ttab and % and \\\\ and 'quotes'"


def test_log_is_read_from_any_byte(unit: Supervisor) -> None:
    """From each byte on, inside a character too, exactly the rest comes; beyond the end nothing."""
    whole = unit.ran(f'say "{TEXT}"; say ""; run echo "{TEXT}"; finish succeeded done').log
    assert whole == unit.of("log").read_bytes()
    assert "grüße ✓ — 日本".encode() in whole
    for at in (1, whole.index("ü".encode()) + 1, whole.index(b"\n"), whole.index(b"\n") + 1, len(whole) - 1, len(whole)):
        assert unit.follow(offset=at).log == whole[at:]
    assert unit.follow(offset=len(whole) + 100).log == b""


def test_log_comes_while_the_job_runs(unit: Supervisor) -> None:
    """A look that ends before the job says so; the next one goes on at that byte, and nothing is lost or told twice."""
    unit.start('say one; until [ -e "$marks/go" ]; do sleep 0.05; done; say two; finish succeeded done')
    first = unit.follow(seconds=1)
    assert first.word == "running"
    assert first.log.endswith(b"say one\n")
    unit.let_go()
    second = unit.follow(offset=len(first.log))
    assert second.word == "ended"
    assert first.log + second.log == unit.of("log").read_bytes()


def test_line_that_is_half_written_waits(unit: Supervisor) -> None:
    """A line comes whole or not yet; one that a full disk cut off is ended before the last word."""
    unit.hold()
    with unit.of("log").open("ab") as log:
        log.write(b"1 say whole\n1 say ha")
        log.flush()
        assert unit.follow(seconds=1).log == b"1 say whole\n"
        log.write(b"lf\n1 say cut")
    unit.let_go()
    wait_until("it ended", unit.of("result").exists)
    seen = unit.follow()
    assert seen.word == "ended"
    assert b"1 say half\n1 say cut" in seen.log
    unit.of("log").write_bytes(b"1 say cut")
    cut = unit.follow()
    assert (cut.log, cut.word, cut.outcome) == (b"1 say cut\n", "ended", "succeeded")


def test_log_is_bounded(unit: Supervisor) -> None:
    """A command that talks without an end, or without a line's end, fills no disk."""
    unit.env["CLAVEL_LOG_LINES"] = "50"
    chatter = 'talk() { n=0; while [ $n -lt 400 ]; do echo "$n"; n=$((n + 1)); done; }; '
    long = 'long() { dd if=/dev/zero bs=1024 count=200 2>/dev/null | tr "\\000" x; }; '
    seen = unit.ran(f"{chatter}{long} run long; run talk; say after; finish succeeded done")
    assert seen.outcome == "succeeded"
    assert seen.log.count(b"\n") < 120
    assert max(map(len, seen.log.splitlines())) < 8192
    assert b"say after\n" in seen.log


# ---------------------------------------------------------------- full disks


def test_log_that_cannot_be_written_stops_nothing(unit: Supervisor) -> None:
    """On a full disk the log is silent, and commands run, tell their exit codes and end as ever."""
    seen = unit.ran(
        'ln -sf /dev/full "$job/log"; say lost; effect() { echo much && echo ran >"$marks/ran" && return 4; };'
        ' run effect; code=$?; rm "$job/log"; finish succeeded "it was $code"'
    )
    assert seen.result["text"] == "it was 4"
    assert unit.mark("ran") == "ran\n"


def test_no_room_for_the_state_refuses_before_the_effect(unit: Supervisor) -> None:
    """Where the reserve cannot be written nothing is begun; the refusal itself still finds room."""
    seen = unit.ran(DONE, preexec_fn=small_files(100 * 1024))
    assert seen.outcome == "refused"
    assert "nothing was changed" in seen.result["text"]
    assert unit.mark("ran") == ""


def test_bundle_that_does_not_fit_is_refused(unit: Supervisor) -> None:
    """A disk that fills while the files are taken: refused, and what was taken of them is gone."""
    seen = unit.ran(DONE, preexec_fn=small_files(4096))
    assert seen.outcome == "refused"
    assert not unit.of("files").exists()
    assert unit.mark("ran") == ""


def test_full_disk_neither_hangs_nor_starts(unit: Supervisor) -> None:
    """Not one byte can be written: the start fails at once, the settling says it never started, and it never will."""
    unit.ran(DONE, "j0")
    bundle, full = unit.bundle(DONE), small_files(0)
    begun = time.monotonic()
    done = unit.sh(unit.job_text, "start", "j1", str(unit.put(bundle)), bundle.sum(), preexec_fn=full)
    assert done.returncode == 74
    assert b"is the disk full?" in done.stderr
    said = unit.job("settle", "j1", unit.born, preexec_fn=full)
    assert said == "= ended\noutcome=never-started\ntext=it never started: nothing was changed\n"
    assert time.monotonic() - begun < 10
    assert unit.start(DONE).splitlines()[1] == "already"
    assert unit.settle().outcome == "never-started"
    assert unit.mark("ran") == "ran\n"


def test_remembering_tells_when_it_failed(unit: Supervisor) -> None:
    """`remember` is true only when the new state is whole in its place; a failure leaves the old one."""
    seen = unit.ran('remember phase=one; mkdir "$job/state.new"; remember phase=two || finish refused "not remembered"; ' + DONE)
    assert seen.result["text"] == "not remembered"
    assert "phase=one" in unit.of("state").read_text()
    assert unit.mark("ran") == ""


def test_beyond_the_most_of_a_log_the_last_words_of_a_command_are_kept(unit: Supervisor) -> None:
    """There it says why it failed."""
    unit.env["CLAVEL_LOG_LINES"] = "10"
    pull = 'pull() { n=0; while [ $n -lt 90 ]; do echo "layer $n"; n=$((n + 1)); done; echo "unauthorized: log in first"; echo; return 1; }; '
    for way in (
        "run pull",
        "run_loose 20 sh -c 'n=0; while [ $n -lt 90 ]; do echo layer $n; n=$((n+1)); done; echo unauthorized: log in first'",
    ):
        seen = unit.ran(f"{pull}{way}; finish succeeded done")
        assert b"out unauthorized: log in first\n" in seen.log
        assert b"layer 40\n" not in seen.log
