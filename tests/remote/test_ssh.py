"""Effects over SSH against a real sshd; what is left of them on the host is looked up past our own connection."""

import asyncio
import contextlib
import hashlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from clavel_tui.compose import ask
from clavel_tui.remote.effects import Mutation, Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.pool import Pool, PoolLimits
from clavel_tui.remote.secrets import Ask, Secrets
from clavel_tui.remote.ssh import SshRunner
from clavel_tui.remote.target import Target
from clavel_tui.remote.trust import SshFiles, first_contact
from tests.lab.files import CLERK_PASSWORD
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.shell import run, wait_for

pytestmark = pytest.mark.lab

H1 = Target("h1", "h1")
LIMITS = PoolLimits(connect=5.0, keepalive=1.0)
MakeRunner = Callable[..., SshRunner]


@pytest.fixture
def lab(bookworm: Lab) -> Lab:
    """One stack is enough: what differs between sshds is their init's business."""
    bookworm.reset()
    return bookworm


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("h1")


@pytest.fixture
def files(lab: Lab) -> SshFiles:
    return SshFiles((lab.ssh_dir / "config",), lab.ssh_dir / "known_hosts", lab.ssh_dir / "id")


@pytest.fixture
async def make(files: SshFiles) -> AsyncIterator[MakeRunner]:
    """Makes runners, and closes them after the test."""
    made: list[SshRunner] = []

    def make(
        with_files: SshFiles = files, limits: PoolLimits = LIMITS, password: str | None = None, ask: Ask | None = None
    ) -> SshRunner:
        async def answer(_unit: str, _question: str) -> str | None:
            return password

        secrets = Secrets(ask or answer)
        made.append(SshRunner(Pool(with_files, limits, time.monotonic, secrets), secrets))
        return made[-1]

    yield make
    for runner in made:
        await runner.close()


def sh(text: str, *args: str, stdin: bytes = b"", timeout: float = 20.0, hold_stdin: bool = False) -> Query:
    return Query.script("test", text, *args, stdin=stdin, timeout=timeout, hold_stdin=hold_stdin)


async def trouble(runner: SshRunner, target: Target, query: Query | None = None) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await runner.query(target, query or sh("true"))
    return caught.value


def runs(host: Host, mark: str) -> bool:
    """Whether a process with that mark in its command line is on the host."""
    return host.exec(["pgrep", "-f", mark], check=False).returncode == 0


async def begun(host: Host, mark: str) -> None:
    await asyncio.to_thread(wait_for, mark, lambda: runs(host, mark))


async def gone(host: Host, mark: str) -> None:
    await asyncio.to_thread(wait_for, f"end of {mark}", lambda: not runs(host, mark), 10)


# ---- what a command is given, and what it answers


async def test_code_output_and_errors(make: MakeRunner) -> None:
    result = await make().query(H1, sh('echo "$1|$2"; echo bad >&2; exit 3', "a  b", 'it\'s "$HOME"\n\\'))
    assert (result.code, result.out, result.err) == (3, 'a  b|it\'s "$HOME"\n\\\n', "bad\n")


async def test_the_environment_is_passed_and_not_inherited(make: MakeRunner, lab: Lab) -> None:
    target = Target("h1", "h1", tools=("/opt/tools",), state="/srv/state", docker_config="/root/my docker")
    result = await make().query(target, sh('echo "$PATH|$CLAVEL_STATE|$LC_ALL|$DOCKER_CONFIG"'))
    assert result.out.startswith("/opt/tools:/run/wrappers/bin:")
    assert result.out.endswith(":/bin|/srv/state|C|/root/my docker\n")


async def test_a_signal_is_not_a_lost_connection(make: MakeRunner) -> None:
    assert (await make().query(H1, sh("kill -9 $$"))).code != 0
    assert (await make().query(H1, sh("exit 255"))).code == 255


async def test_stdin_arrives_whole(make: MakeRunner) -> None:
    data = bytes(range(256)) * 20_000
    result = await make().mutate(H1, Mutation.script("put", "sha256sum", stdin=data))
    assert result.out.split()[0] == hashlib.sha256(data).hexdigest()


async def test_a_command_that_does_not_read_its_stdin_has_its_own_code(make: MakeRunner) -> None:
    result = await make().mutate(H1, Mutation.script("put", "echo 'no room' >&2; exit 72", stdin=b"x" * 8_000_000))
    assert (result.code, result.err) == (72, "no room\n")


async def test_lines_come_as_they_are_said(make: MakeRunner) -> None:
    came: list[tuple[str, float]] = []
    await make().query(
        H1, sh("for n in 1 2 3; do echo $n; sleep 1; done; printf é"), lambda line: came.append((line, time.monotonic()))
    )
    assert [line for line, _ in came] == ["1", "2", "3", "é"]
    assert came[2][1] - came[0][1] > 0.7


async def test_an_answer_without_end_is_an_error(make: MakeRunner) -> None:
    runner = make()
    error = await trouble(runner, H1, sh("head -c 5000000 /dev/zero"))
    assert (error.kind, error.text) == ("output", "test on h1 answered more than 4 MiB")
    assert len((await runner.query(H1, sh("head -c 4000000 /dev/zero"))).out) == 4_000_000


# ---- host keys and our own


def hosts_file(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "known_hosts"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def key_of(host: Host) -> str:
    return host.exec("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.strip()


async def test_an_unknown_host_key(make: MakeRunner, files: SshFiles, tmp_path: Path) -> None:
    for known in (hosts_file(tmp_path), tmp_path / "absent"):
        error = await trouble(make(SshFiles(files.config, known, files.identity)), H1)
        assert (error.kind, error.text) == ("host-key-unknown", "the host key of h1 is not known yet")
        assert "clavel-tui trust --unit h1" in error.hint


@pytest.mark.parametrize("name", ["alias,address", "address"])
async def test_a_changed_host_key(make: MakeRunner, files: SshFiles, lab: Lab, tmp_path: Path, name: str) -> None:
    named = name.replace("alias", "h1").replace("address", lab.host("h1").address)
    known = hosts_file(tmp_path, f"{named} {key_of(lab.host('h2'))}")
    error = await trouble(make(SshFiles(files.config, known, files.identity)), H1)
    assert (error.kind, error.text) == ("host-key-changed", "h1 shows another host key than the one that is known")
    assert "ssh-keygen -R" in error.hint


@pytest.mark.parametrize("address", ["h1", "the address"])
async def test_what_trust_writes_is_believed(make: MakeRunner, files: SshFiles, host: Host, tmp_path: Path, address: str) -> None:
    target = Target("h1", address.replace("the address", host.address), user="root")
    known = hosts_file(tmp_path)
    mine = SshFiles(files.config, known, files.identity)
    fingerprint, line = await first_contact(target.address, 0, mine)
    assert fingerprint == run("ssh-keygen", "-lf", "-", text=key_of(host)).stdout.split()[1]
    known.write_text(line + "\n")
    assert (await make(mine).query(target, sh("hostname"))).out == "h1\n"


async def test_a_broken_known_hosts(make: MakeRunner, files: SshFiles, tmp_path: Path) -> None:
    known = hosts_file(tmp_path, "h1 ssh-ed25519 nonsense@@", "|1|x")
    error = await trouble(make(SshFiles(files.config, known, files.identity)), H1)
    assert error.kind == "host-key-unknown"


async def test_a_wrong_key_of_ours(make: MakeRunner, files: SshFiles, tmp_path: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other")
    error = await trouble(make(SshFiles(files.config, files.known_hosts, tmp_path / "other")), H1)
    assert (error.kind, error.text.partition(":")[0]) == ("key-refused", "h1 refused our SSH key")
    assert "authorized_keys" in error.hint


@pytest.mark.parametrize("identity", ["absent", "garbage"])
async def test_a_key_of_ours_that_cannot_be_used(make: MakeRunner, files: SshFiles, tmp_path: Path, identity: str) -> None:
    (tmp_path / "garbage").write_text("no key\n")
    error = await trouble(make(SshFiles(files.config, files.known_hosts, tmp_path / identity)), H1)
    assert error.kind == "key-refused"
    assert error.text.startswith(f"our SSH key {tmp_path / identity} cannot be used: ")


async def test_a_key_of_ours_that_wants_a_passphrase(make: MakeRunner, files: SshFiles, tmp_path: Path) -> None:
    """Asked once for all units; a wrong one is told, and asked again."""
    locked = tmp_path / "locked"
    shutil.copy(str(files.identity), locked)
    run("ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", locked)
    mine = SshFiles(files.config, files.known_hosts, locked)
    assert (await trouble(make(mine), H1)).text == f"our SSH key {locked} wants a passphrase, and nobody gave one"
    answers = ["wrong", "a passphrase"]

    async def typed(_unit: str, question: str) -> str | None:
        assert question == f"passphrase of {locked}"
        return answers.pop(0)

    runner = make(mine, ask=typed)
    assert (await trouble(runner, H1)).text == f"the passphrase of our SSH key {locked} was not right"
    await runner.forget(H1)
    assert (await runner.query(H1, Query.script("say", "echo hi"))).out == "hi\n"
    assert (await runner.query(Target("h2", "h2"), Query.script("say", "echo hi"))).out == "hi\n"
    assert answers == []


# ---- reaching it


async def test_a_port_where_nobody_listens(make: MakeRunner, host: Host) -> None:
    error = await trouble(make(), Target("h1", host.address, port=1))
    assert (error.kind, error.text) == ("unreachable", f"h1 ({host.address}) refuses connections to its SSH port")
    assert error.hint == "does sshd run there?"


async def test_a_host_that_is_silent_costs_one_timeout_and_then_nothing(make: MakeRunner, host: Host) -> None:
    runner = make(limits=PoolLimits(connect=5.0, backoff_first=60.0))
    host.freeze()
    times = []
    for _ in range(3):
        start = time.monotonic()
        error = await trouble(runner, H1)
        times.append(time.monotonic() - start)
        assert (error.kind, error.text) == ("unreachable", "h1 (h1) did not answer within 5 s")
    assert 4.5 < times[0] < 20
    assert max(times[1:]) < 3
    host.thaw()
    await runner.forget(H1)
    assert (await runner.query(H1, sh("hostname"))).out == "h1\n"


async def test_a_name_that_does_not_exist(make: MakeRunner) -> None:
    error = await trouble(make(), Target("x", "no-such-host.invalid"))
    assert error.kind == "unreachable"
    assert error.text.startswith("x (no-such-host.invalid) cannot be reached: ")


async def test_one_warm_connection(make: MakeRunner, host: Host) -> None:
    runner = make()
    count = sh("ss -Htn state established 'sport = :22' | wc -l; ps -o ppid= $PPID")
    answers = [(await runner.query(H1, count)).out for _ in range(4)]
    assert answers[0].split()[0] == "1"
    assert len(set(answers)) == 1


async def test_eight_channels_at_most(make: MakeRunner, host: Host) -> None:
    host.exec("rm -rf /run/open; mkdir /run/open")
    text = "mkdir /run/open/$$; sleep 4; ls /run/open | wc -l; rmdir /run/open/$$"
    runner = make()
    found = await asyncio.gather(*(runner.query(H1, sh(text)) for _ in range(20)))
    assert max(int(result.out) for result in found) == 8


async def test_a_jump_over_another_host(make: MakeRunner, files: SshFiles, lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host h2\n  ProxyJump h1\n" + (lab.ssh_dir / "config").read_text())
    result = await make(SshFiles((config,), files.known_hosts, files.identity)).query(
        Target("h2", "h2"), sh("hostname; who am i; echo $SSH_CONNECTION")
    )
    name, came_from = result.out.splitlines()[0], result.out.split()[-4]
    assert (name, came_from) == ("h2", lab.host("h1").address)


async def test_user_and_port_of_the_unit_come_before_those_of_the_config(make: MakeRunner) -> None:
    assert (await make().query(Target("h1", "h1", user="deploy"), sh("id -un"))).out == "deploy\n"


# ---- an end to what is not wanted any more


@pytest.mark.parametrize(("user", "elevate"), [("root", "none"), ("ops", "none"), ("ops", "sudo")])
async def test_a_command_that_lasts_too_long_is_ended(make: MakeRunner, host: Host, user: str, elevate: str) -> None:
    mark = f"sleep 3{user}{elevate}".replace("root", "1").replace("ops", "2").replace("none", "1").replace("sudo", "2")
    error = await trouble(make(), Target("h1", "h1", user=user, elevate=elevate), sh(f"{mark}; echo", timeout=1.0))
    assert (error.kind, error.uncertain, error.text) == ("timeout", True, "test on h1 took longer than 1 s")
    await gone(host, mark)


@pytest.mark.parametrize(("user", "elevate"), [("root", "none"), ("ops", "sudo")])
async def test_a_command_that_is_cancelled_is_ended(make: MakeRunner, host: Host, user: str, elevate: str) -> None:
    mark = f"sleep 4{len(user)}{len(elevate)}"
    runner, target = make(), Target("h1", "h1", user=user, elevate=elevate)
    task = asyncio.create_task(runner.query(target, sh(f"{mark}; echo", timeout=60)))
    await begun(host, mark)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(host, mark)
    assert (await runner.query(target, sh("echo on"))).out == "on\n"


async def test_a_connection_that_dies_is_told_as_lost(make: MakeRunner, host: Host) -> None:
    runner = make()
    task = asyncio.create_task(runner.query(H1, sh("echo in; sleep 35")))
    await begun(host, "sleep 35")
    host.kill_sessions()
    with pytest.raises(RemoteError) as caught:
        await task
    assert (caught.value.kind, caught.value.uncertain) == ("lost", True)
    assert (await runner.query(H1, sh("echo again"))).out == "again\n"
    host.exec("pkill -f 'sleep 35'", check=False)


RESIDENT = 'while read -r word; do echo "got $word"; [ "$word" = slow ] && sleep 36; echo end; done'


async def test_a_resident_script_stays_and_comes_back(make: MakeRunner, host: Host) -> None:
    runner, resident = make(), sh("echo $$ >>/tmp/residents; " + RESIDENT)
    for word in ("one", "two"):
        assert await runner.converse(H1, resident, word, "end") == ([f"got {word}"], True)
    assert len(host.exec("cat /tmp/residents").stdout.split()) == 1
    await runner.query(H1, sh("true"))
    host.kill_sessions()
    with contextlib.suppress(RemoteError):
        await runner.converse(H1, resident, "three", "end")
    assert await runner.converse(H1, resident, "four", "end") == (["got four"], True)
    assert len(host.exec("cat /tmp/residents; rm /tmp/residents").stdout.split()) == 2
    await runner.close()
    await gone(host, "while read")


async def test_a_resident_script_whose_connection_dies_meanwhile(make: MakeRunner, host: Host) -> None:
    runner = make()
    task = asyncio.create_task(runner.converse(H1, sh(RESIDENT), "slow", "end"))
    await begun(host, "sleep 36")
    host.kill_sessions()
    with pytest.raises(RemoteError) as caught:
        await asyncio.wait_for(task, 10)
    assert caught.value.kind == "lost"
    host.exec("pkill -f 'sleep 36'", check=False)


async def test_a_resident_script_that_hangs_gives_what_it_has_said(make: MakeRunner, host: Host) -> None:
    runner = make()
    assert await runner.converse(H1, sh(RESIDENT, timeout=10.0), "slow", "end") == (["got slow"], False)
    assert await runner.converse(H1, sh(RESIDENT, timeout=20.0), "quick", "end") == (["got quick"], True)
    host.exec("pkill -f 'sleep 36'", check=False)


@pytest.mark.parametrize("how", ["cancelled", "cut off", "cancelled with sudo"])
async def test_followed_logs_leave_no_process(make: MakeRunner, lab: Lab, host: Host, how: str) -> None:
    mark, heard = "docker[- ]compose.*logs", asyncio.Event()
    target = Target("h1", "h1", user="ops", elevate="sudo") if "sudo" in how else H1
    # A service that ended has nothing more to follow: one that stays is followed with it.
    stays = "services: {app: {image: IMAGE}, stay: {image: IMAGE, entrypoint: [sh, -c, 'echo hello; exec sleep 500']}}\n"
    host.put("/srv/web/compose.yaml", stays.replace("IMAGE", lab.image("talk", "v1", oneshot=True, text="hello")))
    host.exec("cd /srv/web && docker compose up -d")
    runner = make()
    following = asyncio.create_task(
        ask.logs(
            runner, target, "/srv/web", "", tail=10, follow=True, on_line=lambda line: heard.set() if "hello" in line else None
        )
    )
    await asyncio.wait_for(heard.wait(), 60)
    assert runs(host, mark)
    if "cancelled" in how:
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
    else:
        host.kill_sessions()
        with pytest.raises(RemoteError):
            await following
    await gone(host, mark)
    host.exec("cd /srv/web && docker compose down -t 0")


# ---- root's rights


async def test_sudo_without_a_password(make: MakeRunner) -> None:
    target = Target("h1", "h1", user="ops", elevate="sudo")
    runner = make()
    assert (await runner.query(target, sh('id -u; echo "$HOME"; cat', stdin=b"data"))).out == "0\n/root\ndata"
    plain = Query.script("plain", "id -un", elevated=False)
    assert (await runner.query(target, plain)).out == "ops\n"


async def test_sudo_with_the_right_password(make: MakeRunner) -> None:
    target = Target("h1", "h1", user="clerk", elevate="sudo-password")
    runner = make(password=CLERK_PASSWORD)
    for _ in range(2):
        assert (await runner.query(target, sh("id -u; cat", stdin=b"data\n"))).out == "0\ndata\n"
    assert await runner.converse(target, sh("id -u; " + RESIDENT), "one", "end") == (["0", "got one"], True)


async def test_sudo_with_a_wrong_password_is_told_and_asked_again(make: MakeRunner) -> None:
    target = Target("h1", "h1", user="clerk", elevate="sudo-password")
    runner = make(password="wrong")
    for _ in range(2):
        error = await trouble(runner, target)
        assert (error.kind, error.text) == ("sudo", "the sudo password for h1 was not right")
    with pytest.raises(RemoteError) as caught:
        await runner.converse(target, sh(RESIDENT, timeout=20.0), "one", "end")
    assert (caught.value.kind, caught.value.text) == ("sudo", "the sudo password for h1 was not right")


async def test_sudo_with_no_password_given(make: MakeRunner) -> None:
    error = await trouble(make(), Target("h1", "h1", user="clerk", elevate="sudo-password"))
    assert (error.kind, error.text) == ("sudo", "sudo on h1 wants a password, and nobody gave one")


@pytest.mark.parametrize("user", ["clerk", "deploy"])
async def test_sudo_that_wants_a_password_where_none_was_expected(make: MakeRunner, user: str) -> None:
    error = await trouble(make(), Target("h1", "h1", user=user, elevate="sudo"))
    assert error.kind == "sudo"
    assert 'say elevate = "sudo-password" in unit.toml' in error.hint


async def test_a_password_is_in_no_process_list(make: MakeRunner, host: Host) -> None:
    target = Target("h1", "h1", user="clerk", elevate="sudo-password")
    seen = await make(password=CLERK_PASSWORD).query(target, sh("ps axeww; cat /proc/*/environ | tr '\\0' '\\n'"))
    assert seen.ok
    assert CLERK_PASSWORD not in seen.out


# ---- a login that talks


@pytest.fixture
def noisy(host: Host) -> Iterator[None]:
    host.put("/home/ops/.bashrc", "echo 'Welcome to this machine!'; echo 'be nice' >&2; printf 'no line end'; sleep 1\n")
    yield
    host.exec("rm /home/ops/.bashrc")


async def test_a_noisy_and_slow_bashrc_is_not_part_of_any_answer(make: MakeRunner, noisy: None) -> None:
    runner, target = make(), Target("h1", "h1", user="ops", elevate="sudo")
    assert (await runner.query(target, sh("echo hello"))).out == "hello\n"
    lines: list[str] = []
    await runner.query(target, sh("echo one; echo two"), lines.append)
    assert lines == ["one", "two"]
    assert await runner.converse(target, sh(RESIDENT), "three", "end") == (["got three"], True)


async def test_files_are_read_through_a_noisy_bashrc(make: MakeRunner, noisy: None, host: Host) -> None:
    host.put("/srv/noisy/compose.yaml", "services: {}\n")
    found = await ask.read_files(make(), Target("h1", "h1", user="ops", elevate="sudo"), "/srv/noisy", ("compose.yaml",))
    assert found == {"compose.yaml": b"services: {}\n"}
