"""The one program that a login without root's rights may run as root: what it does, and what nobody gets it to do."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from clavel_tui.nix.system_job import LIBRARIES
from clavel_tui.operations.helper import helper_files
from clavel_tui.remote.bundle import Bundle, assignments
from clavel_tui.remote.effects import Effect, Mutation, OnLine, Query, Result
from clavel_tui.remote.helper import helped
from clavel_tui.remote.jobs import JobClient, JobScripts
from clavel_tui.remote.target import Target
from clavel_tui.unit import job_files, script

from .supervisor import Supervisor
from .systems import PARAMS, SystemUnit

JOB = script("lib.sh") + script("job.sh")
SYSTEM = job_files("system.sh", *LIBRARIES)
SETSID = shutil.which("setsid") or "setsid"
BEGINS = "-- clavel-tui begins --\n"
NIX = """\
#!/bin/sh
for last; do :; done
[ ! -e "$CLAVEL_ROOT/corrupt" ] || exit 1
file=$CLAVEL_ROOT/signed
case "$*" in
*path-info*) printf '%s\\t%s\\n' "$last" "$(cat "$CLAVEL_ROOT$last/ca" 2>/dev/null || echo desk-1:abc)" && exit ;;
*"trusted-public-keys desk-1:KEY"*) ;;
*) paths=$(cat "$CLAVEL_ROOT$last/needs" 2>/dev/null) && cached=$CLAVEL_ROOT/cached ;;
esac
for path in "$last" $paths; do
    cat "$file" $cached 2>/dev/null | grep -qxF "$path" || { echo "path '$path' is untrusted" >&2; bad=2; }
done
exit ${bad:-0}
"""
"""As both versions of the lab say it: 2 for what is signed by nobody, and 1 for what is not what it was."""
NIX_STORE = """\
#!/bin/sh
[ "$1" = --query ] || { [ -e "$CLAVEL_ROOT$2" ]; exit; }
shift 2
for path; do echo "$path"; cat "$CLAVEL_ROOT$path/needs" 2>/dev/null; done
"""


@dataclass
class Helped:
    """A unit whose login has the helper, and nothing more; it is the Runner of that login as well."""

    web: SystemUnit
    target: Target

    def __post_init__(self) -> None:
        self.folder = self.web.unit.folder / "helper"
        for name, (content, mode) in helper_files().bundle(self.target, "desk-1:KEY", str(self.folder)).files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(content)
            (self.folder / name).chmod(mode)
        for name, text in {"nix": NIX, "nix-store": NIX_STORE}.items():
            (self.web.unit.bin / name).write_text(text)
            (self.web.unit.bin / name).chmod(0o755)
        (self.web.unit.bin / "awk").symlink_to(shutil.which("awk") or "awk")

    def call(self, *words: str, stdin: bytes = b"", **env: str) -> "subprocess.CompletedProcess[bytes]":
        # A session of its own, as sshd gives it: its guard ends the whole group.
        argv = [SETSID, "-w", str(self.folder / "clavel-unit"), *words]
        return subprocess.run(argv, input=stdin, env={"SUDO_USER": "deploy", **env}, capture_output=True, timeout=30, check=False)

    def ask(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        """With its stdin held open, as for a question."""
        argv = [SETSID, "-w", str(self.folder / "clavel-unit"), *words]
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            out, err = process.stdout.read(), process.stderr.read()  # type: ignore[union-attr]
            return subprocess.CompletedProcess(argv, process.wait(30), out, err)

    def sum(self, name: str) -> str:
        return (self.folder / f"texts/{name}.sum").read_text().strip()

    async def _run(self, effect: Effect, on_line: OnLine | None) -> Result:
        words = helped(self.target, effect)
        assert words
        done = self.ask(*words[4:]) if isinstance(effect, Query) else self.call(*words[4:], stdin=effect.stdin)
        out = done.stdout.decode().partition(BEGINS)[2]
        for line in out.splitlines() if on_line else ():
            on_line(line)
        return Result(done.returncode, out, done.stderr.decode())

    async def query(self, _target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        return await self._run(query, on_line)

    async def mutate(self, _target: Target, mutation: Mutation, on_line: OnLine | None = None) -> Result:
        return await self._run(mutation, on_line)

    def start(self, params: bytes, *, code: Bundle | None = None, owner: bytes = b"job=j1\n") -> str:
        """What it says to the start of a job with these parameters; nothing where it took them."""
        words = ("start", "j1", (code or Bundle(SYSTEM)).code_sum())
        done = self.call("job", self.sum("job"), *words, stdin=params + b"--\n" + owner)
        said = done.stderr.decode().partition(BEGINS)[2]
        assert (done.returncode == 0) == (not said), done
        return said


@pytest.fixture
def helped_unit(one: Supervisor) -> Helped:
    web = SystemUnit(one)
    environment = (("CLAVEL_ROOT", str(web.root)), ("CLAVEL_NIX_LOCK", "/nonexistent"))
    return Helped(web, Target("web", "web", "deploy", 0, "helper", (str(one.bin),), str(one.state), environment=environment))


def params(target: str, **more: str) -> bytes:
    return assignments({**PARAMS, "target": target, **more})


def sign(unit: Helped, *paths: str) -> None:
    (unit.web.root / "signed").write_text("".join(f"{path}\n" for path in paths))


async def deploy(unit: Helped, target: str, ident: str = "j1") -> dict[str, str]:
    """As the console does it, through the helper alone."""
    client = JobClient(unit, JobScripts(script("put.sh"), JOB))
    owner = (b"job=j1\noperator=anna@desk\n", 0o600)
    bundle = Bundle({**SYSTEM, "params": (params(target), 0o600), "owner": owner})
    folder = await client.put(unit.target, bundle)
    await client.start(unit.target, ident, folder, bundle)
    end = await client.follow(unit.target, ident, 0, lambda _kind, _text: None)
    assert end.word == "ended"
    return end.result


async def test_a_signed_system_is_deployed(helped_unit: Helped) -> None:
    wanted = helped_unit.web.system("2")
    sign(helped_unit, wanted)
    assert (await deploy(helped_unit, wanted))["outcome"] == "succeeded"
    assert (helped_unit.web.runs, helped_unit.web.profile) == ("2", "2")
    owner = (helped_unit.web.unit.state / "jobs/j1/files/owner").read_text()
    assert owner == "job=j1\noperator=anna@desk\nlogin=deploy\n"
    assert not [file for file in helped_unit.web.unit.state.iterdir() if file.name.startswith("put.")]


async def test_what_nobody_signed_is_not_even_read(helped_unit: Helped) -> None:
    wanted = helped_unit.web.system("2", arch="secret")
    result = await deploy(helped_unit, wanted)
    assert result["outcome"] == "refused"
    assert "is not signed by the key that was named for this unit" in result["text"]
    assert helped_unit.web.told == []


async def test_what_has_run_here_needs_no_signature(helped_unit: Helped) -> None:
    before, wanted = helped_unit.web.system("1"), helped_unit.web.system("2")
    sign(helped_unit, wanted)
    assert (await deploy(helped_unit, wanted))["outcome"] == "succeeded"
    sign(helped_unit)
    assert (await deploy(helped_unit, before, "j2"))["outcome"] == "succeeded"  # our root keeps it
    (helped_unit.web.root / f"nix/var/nix/gcroots/clavel/{wanted.rpartition('/')[2]}").unlink()
    assert (await deploy(helped_unit, wanted, "j3"))["outcome"] == "refused"
    (helped_unit.web.root / "nix/var/nix/profiles/system-2-link").symlink_to(wanted)
    assert (await deploy(helped_unit, wanted, "j4"))["outcome"] == "succeeded"


async def test_a_public_cache_s_signature_is_no_leave_to_run_its_system(helped_unit: Helped) -> None:
    wanted = helped_unit.web.system("2")
    (helped_unit.web.root / "cached").write_text(f"{wanted}\n")
    assert (await deploy(helped_unit, wanted))["outcome"] == "refused"


async def test_what_is_named_by_its_content_is_signed_by_nobody(helped_unit: Helped) -> None:
    """Nix calls it signed, and whoever may reach the daemon puts it into the store."""
    wanted = helped_unit.web.system("2")
    sign(helped_unit, wanted)
    (helped_unit.web.root / wanted[1:] / "ca").write_text("ca:fixed:r:sha256:09zz93")
    assert (await deploy(helped_unit, wanted))["outcome"] == "refused"


async def test_a_part_of_what_has_run_needs_no_signature(helped_unit: Helped) -> None:
    """A copy leaves out what is there already, and with it its signature."""
    first, wanted = helped_unit.web.system("1"), helped_unit.web.system("2")
    part = f"/nix/store/{'0' * 32}-glibc"
    (helped_unit.web.root / wanted[1:] / "needs").write_text(f"{part}\n")
    sign(helped_unit, wanted)
    assert (await deploy(helped_unit, wanted))["outcome"] == "refused"
    (helped_unit.web.root / first[1:] / "needs").write_text(f"{part}\n")
    assert (await deploy(helped_unit, wanted, "j2"))["outcome"] == "refused"  # nobody has deployed the first one here
    (helped_unit.web.root / "nix/var/nix/profiles/system-1-link").symlink_to(first)
    (helped_unit.web.root / "corrupt").touch()
    assert (await deploy(helped_unit, wanted, "j3"))["outcome"] == "refused"
    (helped_unit.web.root / "corrupt").unlink()
    assert (await deploy(helped_unit, wanted, "j4"))["outcome"] == "succeeded"


async def test_the_way_back_needs_no_signature(helped_unit: Helped) -> None:
    wanted = helped_unit.web.system("2", after="exit 3")
    sign(helped_unit, wanted)
    assert (await deploy(helped_unit, wanted))["outcome"] == "returned"
    assert helped_unit.web.runs == "1"


PARAMETERS = [
    "target=$(touch MARK)", "target=`touch MARK`", "label='a'; touch MARK #'", "label=a;touch MARK", "label=a touch MARK",
    "label='a'\"$(touch MARK)\"'b'", "label='a\n'; touch MARK; '", "label='a", "PATH=/tmp", "job=/tmp", "state=/tmp",
    "signed_only=", "root=/tmp", "here=/tmp", "body_sh=x", "label", "=x", "touch MARK", "", "label=\\", "checks='command touch MARK'",
    "checks='systemd a;touch MARK'", "checks='systemd a\ncommand touch MARK'", "checks='stack /srv'", "verb=restart", "verb=reboot",
    "mode='test; touch MARK'", "type=container", "activate_s=$((1))", "activate_s=-1", "keep_n='1 2'", "confirm_s=9999999999999",
    "on_failure=ignore", "label='a\nb'", "label='a\tb'", "reason='a\x1bb'", "secrets='$(touch MARK)'", "secrets=/a;b",
    "expect='$(id)'", "arch=../x", "now=x", "main='touch MARK'", "IFS=x", "ENV=/tmp/x", "operator='a\n'",
    "verb target=x", "expect activate_s=x", "type arch=x", "expect=a activate_s=x", "check_s=08", "confirm_s=86400", "target=--help",
    "target=/etc/passwd", "check_secrets=2", "signed_by=x", "checks='systemd -Hdeploy@host'", "=", "a=", "verb =x",
]  # fmt: skip


@pytest.mark.parametrize("line", PARAMETERS)
def test_no_parameter_is_a_command(helped_unit: Helped, line: str) -> None:
    mark = helped_unit.web.unit.folder / "mark"
    bad = line.replace("MARK", str(mark)).encode() + b"\n"
    why = helped_unit.start(params("/nix/store/x") + bad)
    assert why.startswith("clavel-unit: "), (line, why)
    assert not mark.exists()
    assert not (helped_unit.web.unit.state / "jobs/j1").exists()


def test_words_that_are_two_keys_run_nothing_of_the_caller_s_folder(helped_unit: Helped, tmp_path: Path) -> None:
    """`expect activate_s=x` is a command with a file's name, where `expect` is a program."""
    mark = tmp_path / "mark"
    program = helped_unit.web.unit.bin / "expect"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    assert "no such parameter" in helped_unit.start(b"expect activate_s=x\n" + params("/nix/store/x"))
    assert not mark.exists()


def test_limits_of_the_caller_are_lifted_or_the_end(helped_unit: Helped) -> None:
    """A file may be of 1 KiB only: what is written last would be lost, unseen. Not every root may lift that."""
    wanted = helped_unit.web.system("2")
    said = params(wanted) + b"--\njob=j1\n"
    words = ("job", helped_unit.sum("job"), "start", "j1", Bundle(SYSTEM).code_sum())
    line = 'ulimit -f 1; trap "" XFSZ; exec "$@"'
    argv = ["bash", "-c", line, "bash", SETSID, "-w", str(helped_unit.folder / "clavel-unit"), *words]
    done = subprocess.run(argv, input=said, env={"PATH": "/usr/bin:/bin"}, capture_output=True, timeout=30, check=False)
    if done.returncode == 77:
        assert done.stderr == b"clavel-unit: its limits cannot be lifted\n"
        assert not (helped_unit.web.unit.state / "jobs/j1").exists()
        return
    assert done.returncode == 0, done
    helped_unit.web.unit.follow()
    kept = (helped_unit.web.unit.state / "jobs/j1/files/params").read_text()
    assert kept.startswith("signed_only=1\nsigned_by='desk-1:KEY'\n")
    assert helped_unit.web.runs == "1"


def test_the_caller_s_home_is_not_root_s(helped_unit: Helped, tmp_path: Path) -> None:
    """Where sudo keeps HOME, root's Nix would read the login's own nix.conf, with plug-ins in it."""
    told = helped_unit.web.root / "home"
    text = (helped_unit.web.unit.bin / "nix").read_text()
    (helped_unit.web.unit.bin / "nix").write_text(text.replace("for last;", f'echo "$HOME $XDG_CONFIG_HOME" >{told}\nfor last;'))
    wanted = helped_unit.web.system("2")
    helped_unit.call("dry-activate", helped_unit.sum("dry-activate"), wanted, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
    assert told.read_text() == f"{Path('~root').expanduser()} \n"


@pytest.mark.parametrize("words", [("follow", "r1", "0", "1"), ("cancel", "r1"), ("ack", "r1"), ("settle", "r1", "")])
def test_jobs_of_root_are_none_of_its_business(helped_unit: Helped, words: Sequence[str]) -> None:
    files = helped_unit.web.unit.state / "jobs/r1/files"
    files.mkdir(parents=True)
    (files / "params").write_text("verb='update'\nlabel='x\nsigned_only=1 or not'\n")
    done = helped_unit.call("job", helped_unit.sum("job"), *words)
    assert (done.returncode, b"somebody else's" in done.stderr) == (77, True)
    assert not (files.parent / "cancel").exists()


async def test_another_unit_s_system_is_refused_though_the_key_has_signed_it(helped_unit: Helped) -> None:
    wanted = helped_unit.web.system("2")
    other = wanted.replace("nixos-system-web", "nixos-system-bastion")
    shutil.copytree(helped_unit.web.root / wanted[1:], helped_unit.web.root / other[1:])
    sign(helped_unit, other)
    assert (await deploy(helped_unit, other))["outcome"] == "refused"


async def test_an_apostrophe_in_a_label_is_no_end_of_a_word(helped_unit: Helped) -> None:
    wanted = helped_unit.web.system("2")
    sign(helped_unit, wanted)
    client = JobClient(helped_unit, JobScripts(script("put.sh"), JOB))
    files = {**SYSTEM, "params": (params(wanted, reason="it's time"), 0o600), "owner": (b"job=j1\n", 0o600)}
    await client.start(helped_unit.target, "j1", "", Bundle(files))
    assert helped_unit.web.unit.follow().outcome == "succeeded"


ASKED: list[Sequence[str]] = [
    ("lib.sh",), ("../files/system/body.sh",), ("sh", "-c", "id"), ("",), ("probe/../job",), ("*",), ("--help",),
    ("job", "supervise", "j1"), ("job", "start", "../../x", "CODE"), ("job", "start", "j1", ""), ("job", "start", "-x", "CODE"),
    ("job", "start", "j1", "0000"), ("job", "follow", "../..", "0", "1"), ("job", "follow", "j1", "$(id)", "1"),
    ("job", "follow", "j1", "0", "1;id"), ("job", "settle", "j1", "$(id)"), ("job", "settle", "a/b", ""), ("job", "cancel", "../x"),
    ("job", "ack", "-rf"), ("job",), ("job", "eval"), ("job", "unlock;id"), ("system_look", "/etc"),
    ("system_look", "/nix/store/../../etc"), ("job", "settle", "..", ""), ("job", "cancel", "."), ("job", "follow", "..", "0", "1"),
    ("job", "settle", "x" * 65, ""), ("job", "follow", "j1", "08", "1"), ("job", "follow", "j1", "0", "9999"),
    ("system_look", ""), ("dry-activate", "/tmp/x"), ("dry-activate", "/nix/store/x/../../../tmp"), ("dry-activate",),
]  # fmt: skip


@pytest.mark.parametrize("words", ASKED)
def test_it_does_nothing_else(helped_unit: Helped, words: Sequence[str]) -> None:
    name, *rest = (Bundle(SYSTEM).code_sum() if word == "CODE" else word for word in words)
    known = name in {"job", "probe", "system_look", "dry-activate"}
    stdin = params("/nix/store/x") + b"--\n"
    done = helped_unit.call(name, helped_unit.sum(name if known else "job"), *rest, stdin=stdin)
    assert done.returncode == 77, done
    assert b"clavel-unit: " in done.stderr
    assert helped_unit.web.told == []


def test_another_version_of_the_console_is_told_what_to_do(helped_unit: Helped) -> None:
    done = helped_unit.call("job", "0" * 64, "unlock")
    assert (done.returncode, done.stdout) == (77, b"")
    assert b"`clavel-tui install-helper` puts it anew" in done.stderr


def test_the_callers_environment_means_nothing(helped_unit: Helped, tmp_path: Path) -> None:
    mark, evil = tmp_path / "mark", tmp_path / "evil.sh"
    evil.write_text(f"touch {mark}\n")
    env = {"ENV": str(evil), "BASH_ENV": str(evil), "CLAVEL_CHECKS": f"command touch {mark}", "CLAVEL_STATE": str(tmp_path)}
    checks = f"command touch {mark}\nsystemd a.service"
    done = helped_unit.call("probe", helped_unit.sum("probe"), checks, stdin=b"probe n1\n", PATH=str(tmp_path), **env)
    said = done.stdout.decode()
    assert "\n>> n1\n" in said
    assert "\tsystemd\ta.service\n" in said
    assert not mark.exists()


def test_a_wrong_owner_is_refused(helped_unit: Helped) -> None:
    assert "owner" in helped_unit.start(params("/nix/store/x"), owner=b"job=\x1b[2J\n")
    assert "owner" in helped_unit.start(params("/nix/store/x"), owner=b"no line\n")


def test_scripts_of_one_kind_do_not_do_the_others_verbs(helped_unit: Helped) -> None:
    asked = assignments({"verb": "deploy", "type": "nixos", "target": ""})
    assert "do not deploy" in helped_unit.start(asked, code=Bundle(job_files("machine.sh")))
