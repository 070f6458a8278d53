"""A read-only console on real hosts: what sshd was asked for is on a list, and nothing on the host is another one after it."""

import contextlib
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clavel_tui.cli.parser import build
from clavel_tui.compose.ask import _text
from clavel_tui.domain.commands import COMMANDS
from clavel_tui.inventory import load_fleet
from clavel_tui.probe import probe_query
from clavel_tui.remote.ssh import GUARDED, SAY
from clavel_tui.unit import script

from .beside import CALM, Scene, beside, scenes
from .host import Host
from .lab import Lab
from .places import SUCCEEDED, Place, compose, push, tagged
from .shell import run
from .terminal import Terminal

__all__ = ["scenes"]
pytestmark = pytest.mark.lab

REFUSED = 3
QUERIES = {_text("inspect.sh"), _text("newer.sh"), script("files.sh"), script("logs.sh")}
RECORDER = """\
#!/bin/sh
printf '%s\\0' "$SSH_ORIGINAL_COMMAND" >>/run/asked
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""
READ_AGAIN = "pkill -HUP -f '^sshd: /usr/sbin/sshd|^/usr/sbin/sshd -D'"


@contextlib.contextmanager
def recorded(scene: Scene) -> Iterator[Place]:
    """A stack that runs, on a host whose sshd writes down what it is asked for."""
    web = scene.place("web")
    push(scene.shelf, "quiet", "v1", health="none")
    web.files(compose(app=tagged(scene.shelf, "quiet")))
    web.update().ends(SUCCEEDED)
    push(scene.shelf, "quiet", "v2", health="none")
    host = web.host
    host.put("/usr/local/bin/recorder", RECORDER, 0o755)
    host.exec("cp /etc/ssh/sshd_config /run/sshd_config && echo 'ForceCommand /usr/local/bin/recorder' >>/etc/ssh/sshd_config")
    host.exec(f"{READ_AGAIN}; rm -f /run/asked")
    try:
        yield web
    finally:
        host.exec(f"cp /run/sshd_config /etc/ssh/sshd_config; {READ_AGAIN}; rm -f /run/asked")


def asked(host: Host) -> list[list[str]]:
    """Every command that came over SSH, as the words that it is made of."""
    return [shlex.split(line) for line in host.exec("cat /run/asked", check=False).stdout.split("\0") if line]


def strangers(web: Place) -> list[str]:
    """What was asked for that is not on the exact list of queries."""
    unit = load_fleet(web.console.hosts).unit(web.host.name)
    assert unit
    found = []
    for words in asked(web.host):
        *before, text = words[: words.index("-c") + 2]
        assert before[0] == "env"
        resident = text == SAY + probe_query(unit).text
        query = text == GUARDED and words[words.index("clavel") + 1] in QUERIES
        if not resident and not query:
            found.append(text[:200])
    return found


def state(web: Place) -> tuple[object, ...]:
    """Files and containers of the host, whatever they are of."""
    tree = "find /srv /var/lib/clavel /etc /root /home /tmp -type f -exec sha256sum {} + | sort"
    return web.all(), web.host.exec(tree).stdout


def events(host: Host, since: float) -> str:
    """What the engine did since then."""
    return host.exec(["docker", "events", "--since", f"{since:.3f}", "--until", f"{time.time():.3f}"]).stdout


def verbs() -> list[str]:
    (found,) = (action.choices for action in build()._actions if action.dest == "verb")
    return list(found or ())


def words(verb: str, host: str, key: Path) -> list[str]:
    """How a verb is called so that it would do something."""
    return {
        "units": ["--json"],
        "stacks": ["--json"],
        "show": [host],
        "doctor": [],
        "agent": ["hold", host],
        "logs": ["web", "--unit", host, "--tail", "3"],
        "history": [],
        "unlock": [host],
        "trust": ["--unit", host],
        "check": [],
        "install-key": [host, "--read-only", "--install", "--yes", "--key", str(key)],
        "install-helper": [host, "--login", "ops", "--yes"],
        "forget": ["web", "--unit", host, "--yes", "--to", "0"],
        "demo": [],
        "init": ["/nowhere", "--host", host, "--yes"],
        "eval": ["/nowhere"],
        "sources": [],
        "deployments": [],
        "compare": ["a", "b"],
        "completion": ["bash"],
        "deploy": [host, "--yes"],
        "prepare": [host],
        "diff": [host],
        "generations": [host],
        "rollout": [host, "--yes"],
        "reboot": [host, "--yes"],
        "gc": [host, "--yes"],
    }.get(verb, ["web", "--unit", host, "--yes"])


@beside(stacks=CALM)
def test_every_verb_of_a_read_only_console_changes_nothing(scene: Scene) -> None:
    """All verbs of the command line; those that would change something are refused."""
    with recorded(scene) as web:
        before, begun = state(web), time.time()
        host, key = web.host.name, web.console.lab.ssh_dir / "id.pub"
        allowed = {"units", "stacks", "show", "doctor", "logs", "history", "check", "sources", "deployments", "completion"}
        allowed.add("generations")
        for verb in verbs():
            if verb in {"demo", "compare", "diff", "agents"}:
                continue  # there is no claveld here; compare reads two rows of the journal, and this one has none; diff is for units with a system
            answer = web.console.run("--read-only", verb, *words(verb, host, key))
            answer.ends(0 if verb in allowed else REFUSED)
            if verb not in allowed:
                assert "read-only: --read-only says so" in answer.err
        web.console.run("--read-only", "update", "web", "--unit", host, "--dry-run").ends(0)
        web.console.run("--read-only", "update", "web", "--unit", host, "--check").ends(0)
        web.console.run("--read-only", "rollback", "web", "--unit", host, "--dry-run")
        assert len(asked(web.host)) > len(allowed)
        assert strangers(web) == []
        assert events(web.host, begun) == ""
        assert state(web) == before


@beside(stacks=CALM)
def test_every_key_of_a_read_only_console_changes_nothing(scene: Scene) -> None:
    """Typed into the real console, each followed by enter and y."""
    with recorded(scene) as web:
        before, begun = state(web), time.time()
        names = {"slash": "/", "question_mark": "?", "colon": ":", "enter": "Enter"}
        argv = [*web.console._argv(), "--read-only"]
        with Terminal(argv, env={"HOME": str(web.console.folder)}) as keys:
            keys.until("READ-ONLY", "web", "✓")
            for command in COMMANDS:
                if command.id == "quit":
                    continue
                keys.press("1", names.get(command.key, command.key))
                keys.until_still(0.5)
                keys.press("Enter", "y", "Escape", "Escape")
                keys.until_still(0.3)
            keys.press("1", "u")
            keys.until("this console is read-only")
            keys.until("READ-ONLY")
            keys.press("q")
            keys.until("ended with 0")
        assert asked(web.host)
        assert strangers(web) == []
        assert events(web.host, begun) == ""
        assert state(web) == before


@beside(stacks=CALM)
def test_the_detector_sees_a_console_that_may_change(scene: Scene) -> None:
    """The same measures, and one update: each of them fires."""
    with recorded(scene) as web:
        before, begun = state(web), time.time()
        web.update().ends(SUCCEEDED)
        assert strangers(web)
        assert "container" in events(web.host, begun)
        assert state(web) != before


@beside(stacks=CALM)
def test_the_systems_file_is_the_last_word(scene: Scene) -> None:
    """/etc/clavel-tui/config.toml of this very machine, in a mount namespace of its own: no flag, variable or file undoes it."""
    with recorded(scene) as web:
        folder = web.console.folder
        (folder / "config/clavel-tui").mkdir(parents=True)
        (folder / "config/clavel-tui/config.toml").write_text("read_only = false\n")
        text = 'mkdir -p /etc/clavel-tui && mount -t tmpfs none /etc/clavel-tui && echo "read_only = true" >/etc/clavel-tui/config.toml; exec "$@"'
        environ = {
            "HOME": "/nowhere",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CONFIG_DIRS": "/nowhere",
            "CLAVEL_READ_ONLY": "0",
        }
        argv = web.console._argv("update", "web", "--unit", web.host.name, "--yes")
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", text, "sh", "env", *(f"{k}={v}" for k, v in environ.items()), *argv],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == REFUSED, done.stderr
        assert "read-only: /etc/clavel-tui/config.toml says so" in done.stderr
        assert strangers(web) == []
        Path("/etc/clavel-tui").rmdir()  # the mount point, which was made on this machine


@beside(stacks=CALM)
def test_a_journal_in_a_folder_that_cannot_be_written(scene: Scene) -> None:
    """On a read-only file system, with rows that stand in the log only: it is read, and not touched."""
    with recorded(scene) as web:
        place = web.console.folder / "shared"
        place.mkdir()
        for tail in ("", "-wal"):
            source = web.console.folder / f"journal.db{tail}"
            if source.exists():
                (place / f"journal.db{tail}").write_bytes(source.read_bytes())
        argv = ["--db", str(place / "journal.db"), "--read-only", "history", "--json"]
        options = [word for word in web.console._argv() if word != str(web.console.folder / "journal.db") and word != "--db"]
        mount = f'mount --bind {place} {place} && mount -o remount,ro,bind {place}; exec "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", mount, "sh", *options, *argv], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert '"verb": "update"' in done.stdout
        refused = [word for word in argv if word != "--read-only"]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", mount, "sh", *options, *refused], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "name another file with --db" in done.stderr


# ---------------------------------------------------------------- the key that may only look


@contextlib.contextmanager
def looking(scene: Scene) -> Iterator[tuple[Place, Path]]:
    """A stack, and a key that was installed by the command line for looking only, for the login ops with sudo."""
    console, unit = scene.console, scene.host
    web = scene.place("web")
    web.files(compose(app=push(scene.shelf, "app", "v1")))
    web.update().ends(SUCCEEDED)
    console.unit(unit, {"web": {}}, user="ops", elevate="sudo")
    key = console.folder / "look"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops box", "-f", key)
    install = ("install-key", unit, "--read-only", "--key", f"{key}.pub")
    printed = console.run(*install).ends(0).out
    assert printed.startswith('restrict,command="sudo -n -H sh /var/lib/clavel-look/look.sh" ssh-ed25519 ')
    assert console.run(*install, "--install").ends(7).out == ""
    console.run(*install, "--install", "--yes").ends(0)
    assert "already" in console.run(*install, "--install", "--yes").ends(0).out
    assert web.host.exec("cat /home/ops/.ssh/authorized_keys").stdout == printed
    try:
        yield web, key
    finally:
        web.host.exec("rm -rf /home/ops/.ssh /var/lib/clavel-look /tmp/out")


def own_config(lab: Lab, key: Path) -> Path:
    """The client's settings without the key and the login that the lab gives to everybody."""
    text = (lab.ssh_dir / "config").read_text().replace(f"  IdentityFile {lab.ssh_dir}/id\n", "").replace("  User root\n", "")
    own = key.with_name("config")
    own.write_text(text)
    return own


def ssh(config: Path, key: Path, *words: str, stdin: str = "", seconds: int = 8) -> subprocess.CompletedProcess[str]:
    """As somebody who holds the key and nothing else."""
    argv = ["ssh", "-F", str(config), "-o", f"IdentityFile={key}", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
    return subprocess.run(
        ["timeout", str(seconds), *argv, "-l", "ops", *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    )


@beside()
def test_a_key_that_may_only_look_shows_the_same_facts(scene: Scene) -> None:
    """The same probe works through it; a change does not, whatever the console believes."""

    def units(words: list[str]) -> dict[str, object]:
        done = subprocess.run([*words, "units", "--unit", scene.host, "--json"], capture_output=True, text=True, check=True)
        (unit,) = json.loads(done.stdout)
        return {name: value for name, value in unit.items() if name != "seen_at"}

    with looking(scene) as (web, key):
        argv = web.console._argv()
        mine = str(web.console.lab.ssh_dir / "id")
        with_key = [str(key) if word == mine else word for word in argv]
        assert units(with_key) == units(argv)
        still = web.all()
        restart = [*with_key, "restart", "web", "--unit", scene.host, "--yes"]
        assert subprocess.run(restart, capture_output=True, text=True, check=False).returncode != 0
        assert web.all() == still


WORDS = (
    "id >/tmp/out", "sh -c 'id >/tmp/out'", "bash -i", "/bin/sh", "sudo id", "sudo -n sh -c 'id >/tmp/out'", "docker ps",
    "cat /etc/shadow", "scp -t /tmp/out", "scp -f /etc/passwd", "rsync --server . /tmp/out", "internal-sftp",
    "/usr/lib/openssh/sftp-server", "env FOO=bar id", "exec id", "$(id >/tmp/out)", "`id >/tmp/out`", "; id >/tmp/out", "&& id",
    "| id", "\nid >/tmp/out\n", "probe 1; id >/tmp/out", "sh /var/lib/clavel-look/../../../tmp/x", "clavel", "",
)  # fmt: skip
STDINS = (
    "probe $(id>/tmp/out)\n", "probe `id>/tmp/out`\n", "probe 1;id>/tmp/out\n", "probe 1\nid >/tmp/out\n", "probe ../../x\n",
    "probe -n\nprobe --\n", "probe \\$(id)\n", "probe 1 2 3\n", "id >/tmp/out\n", "exit\n", "probe\n", "probe 1\0id\n",
    "probe " + "a" * 100_000 + "\n", "probe %s%n\n", "probe '\nid>/tmp/out\n'\n",
)  # fmt: skip
HOST = "the host"
OPTIONS = (
    ("-tt", HOST), ("-s", HOST, "sftp"), ("-A", HOST, "ssh-add -l"), ("-X", HOST, "xterm"), ("-N", "-L", "0:127.0.0.1:22", HOST),
    ("-N", "-R", "0:127.0.0.1:22", "-o", "ExitOnForwardFailure=yes", HOST), ("-W", "127.0.0.1:22", HOST),
    ("-o", "SetEnv=BASH_ENV=/tmp/x", HOST, "id"), ("-o", "SetEnv=LD_PRELOAD=/tmp/x.so", HOST), ("-w", "0:0", HOST),
)  # fmt: skip


@beside()
def test_nothing_breaks_out_of_a_key_that_may_only_look(scene: Scene) -> None:
    """Fifty attempts: what is asked for, what comes on stdin, and what else SSH can do."""
    attempts = [((scene.host, word), "probe 2\n") for word in WORDS]
    attempts += [((scene.host,), stdin) for stdin in STDINS]
    attempts += [(tuple(scene.host if word == HOST else word for word in option), "probe 2\n") for option in OPTIONS]
    assert len(attempts) >= 40
    with looking(scene) as (web, key), ThreadPoolExecutor(4) as threads:
        still = web.all()
        config = own_config(web.console.lab, key)
        good = ssh(config, key, scene.host, stdin="probe 1\n", seconds=90).stdout
        assert "<< 1\n" in good
        assert ">> 1\n" in good
        # Some hang until they are ended. Each is judged by what it was told, and all of them by what is on the host then.
        tried = threads.map(lambda attempt: ssh(config, key, *attempt[0], stdin=attempt[1]), attempts)
        for attempt, done in zip(attempts, tried, strict=True):
            assert "uid=" not in done.stdout + done.stderr, attempt
            assert "root:" not in done.stdout, attempt
            assert "SSH-2.0" not in done.stdout, attempt
            if done.stdout.strip():
                assert "clavel-tui begins" in done.stdout, attempt
        assert web.host.exec("ls /tmp/out /root/out", check=False).stdout == ""
        assert web.all() == still
