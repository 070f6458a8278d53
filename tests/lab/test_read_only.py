"""A read-only console on real hosts: what sshd was asked for is on a list, and nothing on the host is another one after it."""

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clavel_tui.cli.parser import build
from clavel_tui.compose.ask import _text
from clavel_tui.domain.commands import COMMANDS
from clavel_tui.inventory import load_fleet
from clavel_tui.probe import probe_query
from clavel_tui.remote.ssh import _GUARDED, SAY
from clavel_tui.unit import script

from .console import Console
from .host import Host
from .lab import Lab
from .places import SUCCEEDED, Place, Places, compose, push
from .shell import run
from .terminal import Terminal

pytestmark = pytest.mark.lab

REFUSED = 3
QUERIES = {_text("inspect.sh"), _text("newer.sh"), script("files.sh"), script("logs.sh")}
RECORDER = """\
#!/bin/sh
printf '%s\\0' "$SSH_ORIGINAL_COMMAND" >>/run/asked
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""


@pytest.fixture
def web(bookworm: Lab, tmp_path: Path) -> Iterator[Place]:
    """A stack that runs on h1, whose sshd writes down what it is asked for."""
    console = Console(bookworm, tmp_path)
    web = Places(console)("h1", "web")
    lab = bookworm
    lab.image("quiet", "v1", text="quiet v1", also=["latest"], health="none")
    web.files(compose(app=f"{lab.registry.address}/quiet:latest"))
    web.update().ends(SUCCEEDED)
    lab.image("quiet", "v2", text="quiet v2", also=["latest"], health="none")
    host = web.host
    host.put("/usr/local/bin/recorder", RECORDER, 0o755)
    host.exec("cp /etc/ssh/sshd_config /run/sshd_config && echo 'ForceCommand /usr/local/bin/recorder' >>/etc/ssh/sshd_config")
    host.exec("pkill -HUP -f '^sshd: /usr/sbin/sshd|^/usr/sbin/sshd -D'; rm -f /run/asked")
    yield web
    host.exec(
        "cp /run/sshd_config /etc/ssh/sshd_config; pkill -HUP -f '^sshd: /usr/sbin/sshd|^/usr/sbin/sshd -D'; rm -f /run/asked"
    )
    bookworm.reset()


def asked(host: Host) -> list[list[str]]:
    """Every command that came over SSH, as the words that it is made of."""
    return [shlex.split(line) for line in host.exec("cat /run/asked", check=False).stdout.split("\0") if line]


def strangers(web: Place) -> list[str]:
    """What was asked for that is not on the exact list of queries."""
    unit = load_fleet(web.console.hosts).unit("h1")
    assert unit
    found = []
    for words in asked(web.host):
        *before, text = words[: words.index("-c") + 2]
        assert before[0] == "env"
        resident = text == SAY + probe_query(unit).text
        query = text == _GUARDED and words[words.index("clavel") + 1] in QUERIES
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


def words(verb: str, key: Path) -> list[str]:
    """How a verb is called so that it would do something."""
    return {
        "units": ["--json"],
        "stacks": ["--json"],
        "show": ["h1"],
        "doctor": [],
        "logs": ["web", "--unit", "h1", "--tail", "3"],
        "history": [],
        "unlock": ["h1"],
        "trust": ["--unit", "h1"],
        "check": [],
        "install-key": ["h1", "--read-only", "--install", "--yes", "--key", str(key)],
        "forget": ["web", "--unit", "h1", "--yes", "--to", "0"],
        "demo": [],
        "init": ["/nowhere", "--host", "h1", "--yes"],
        "eval": ["/nowhere"],
        "sources": [],
        "deployments": [],
        "compare": ["a", "b"],
        "completion": ["bash"],
    }.get(verb, ["web", "--unit", "h1", "--yes"])


def test_every_verb_of_a_read_only_console_changes_nothing(web: Place) -> None:
    """All verbs of the command line; those that would change something are refused."""
    before, begun = state(web), time.time()
    key = web.console.lab.ssh_dir / "id.pub"
    allowed = {"units", "stacks", "show", "doctor", "logs", "history", "check", "sources", "deployments", "completion"}
    for verb in verbs():
        if verb in {"demo", "compare"}:
            continue  # compare reads two rows of the journal, and this one has none
        answer = web.console.run("--read-only", verb, *words(verb, key))
        answer.ends(0 if verb in allowed else REFUSED)
        if verb not in allowed:
            assert "read-only: --read-only says so" in answer.err
    web.console.run("--read-only", "update", "web", "--unit", "h1", "--dry-run").ends(0)
    web.console.run("--read-only", "update", "web", "--unit", "h1", "--check").ends(0)
    web.console.run("--read-only", "rollback", "web", "--unit", "h1", "--dry-run")
    assert len(asked(web.host)) > len(allowed)
    assert strangers(web) == []
    assert events(web.host, begun) == ""
    assert state(web) == before


def test_every_key_of_a_read_only_console_changes_nothing(web: Place) -> None:
    """Typed into the real console, each followed by enter and y."""
    before, begun = state(web), time.time()
    names = {"slash": "/", "question_mark": "?", "colon": ":", "enter": "Enter"}
    argv = [*web.console._argv(), "--read-only"]
    with Terminal(argv, env={"HOME": str(web.console.folder)}) as keys:
        keys.until("READ-ONLY", "web", "✓")
        for command in COMMANDS:
            if command.id == "quit":
                continue
            keys.press("1", names.get(command.key, command.key))
            time.sleep(0.5)
            keys.press("Enter", "y", "Escape", "Escape")
            time.sleep(0.3)
        keys.press("1", "u")
        keys.until("this console is read-only")
        keys.until("READ-ONLY")
        keys.press("q")
        keys.until("ended with 0")
    assert asked(web.host)
    assert strangers(web) == []
    assert events(web.host, begun) == ""
    assert state(web) == before


def test_the_detector_sees_a_console_that_may_change(web: Place) -> None:
    """The same measures, and one update: each of them fires."""
    before, begun = state(web), time.time()
    web.update().ends(SUCCEEDED)
    assert strangers(web)
    assert "container" in events(web.host, begun)
    assert state(web) != before


def test_the_systems_file_is_the_last_word(web: Place) -> None:
    """/etc/clavel-tui/config.toml of this very machine, in a mount namespace of its own: no flag, variable or file undoes it."""
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
    argv = web.console._argv("update", "web", "--unit", "h1", "--yes")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", text, "sh", "env", *(f"{k}={v}" for k, v in environ.items()), *argv],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == REFUSED, done.stderr
    assert "read-only: /etc/clavel-tui/config.toml says so" in done.stderr
    assert strangers(web) == []
    Path("/etc/clavel-tui").rmdir()  # the mount point, which was made on this machine


def test_a_journal_in_a_folder_that_cannot_be_written(web: Place, tmp_path: Path) -> None:
    """On a read-only file system, with rows that stand in the log only: it is read, and not touched."""
    place = tmp_path / "shared"
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


@pytest.fixture
def look(lab: Lab, tmp_path: Path) -> Iterator[tuple[Place, Path]]:
    """A stack on h2, and a key that was installed by the command line for looking only, for the login ops with sudo."""
    console = Console(lab, tmp_path)
    places = Places(console)
    web = places("h2", "web")
    web.files(compose(app=push(lab, "app", "v1")))
    web.update().ends(SUCCEEDED)
    console.unit("h2", {"web": {}}, user="ops", elevate="sudo")
    key = tmp_path / "look"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops box", "-f", key)
    printed = console.run("install-key", "h2", "--read-only", "--key", f"{key}.pub").ends(0).out
    assert printed.startswith('restrict,command="sudo -n -H sh /var/lib/clavel-look/look.sh" ssh-ed25519 ')
    assert console.run("install-key", "h2", "--read-only", "--key", f"{key}.pub", "--install").ends(7).out == ""
    console.run("install-key", "h2", "--read-only", "--key", f"{key}.pub", "--install", "--yes").ends(0)
    again = console.run("install-key", "h2", "--read-only", "--key", f"{key}.pub", "--install", "--yes").ends(0).out
    assert "already" in again
    assert web.host.exec("cat /home/ops/.ssh/authorized_keys").stdout == printed
    yield web, key
    web.host.exec("rm -rf /home/ops/.ssh /var/lib/clavel-look /tmp/out")


def ssh(lab: Lab, key: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """As somebody who holds the key and nothing else."""
    config = lab.ssh_dir / "config"
    argv = ["ssh", "-F", str(config), "-o", f"IdentityFile={key}", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
    text = config.read_text().replace(f"  IdentityFile {lab.ssh_dir}/id\n", "").replace("  User root\n", "")
    own = key.with_name("config")
    own.write_text(text)
    argv[2] = str(own)
    return subprocess.run(
        ["timeout", "8", *argv, "-l", "ops", *words], input=stdin, capture_output=True, text=True, check=False, errors="replace"
    )


def test_a_key_that_may_only_look_shows_the_same_facts(look: tuple[Place, Path]) -> None:
    """The same probe works through it; a change does not, whatever the console believes."""
    web, key = look
    argv = web.console._argv()
    mine = str(web.console.lab.ssh_dir / "id")
    with_key = [str(key) if word == mine else word for word in argv]

    def units(words: list[str]) -> dict[str, object]:
        done = subprocess.run([*words, "units", "--unit", "h2", "--json"], capture_output=True, text=True, check=True)
        (unit,) = json.loads(done.stdout)
        return {name: value for name, value in unit.items() if name != "seen_at"}

    assert units(with_key) == units(argv)
    still = web.all()
    done = subprocess.run([*with_key, "restart", "web", "--unit", "h2", "--yes"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
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
OPTIONS = (
    ("-tt", "h2"), ("-s", "h2", "sftp"), ("-A", "h2", "ssh-add -l"), ("-X", "h2", "xterm"), ("-N", "-L", "0:127.0.0.1:22", "h2"),
    ("-N", "-R", "0:127.0.0.1:22", "-o", "ExitOnForwardFailure=yes", "h2"), ("-W", "127.0.0.1:22", "h2"),
    ("-o", "SetEnv=BASH_ENV=/tmp/x", "h2", "id"), ("-o", "SetEnv=LD_PRELOAD=/tmp/x.so", "h2"), ("-w", "0:0", "h2"),
)  # fmt: skip


def test_nothing_breaks_out_of_a_key_that_may_only_look(look: tuple[Place, Path]) -> None:
    """Fifty attempts: what is asked for, what comes on stdin, and what else SSH can do."""
    web, key = look
    lab, still = web.console.lab, web.all()
    good = ssh(lab, key, "h2", stdin="probe 1\n").stdout
    assert "<< 1\n" in good
    assert ">> 1\n" in good
    attempts = [(("h2", word), "probe 2\n") for word in WORDS]
    attempts += [(("h2",), stdin) for stdin in STDINS]
    attempts += [(option, "probe 2\n") for option in OPTIONS]
    assert len(attempts) >= 40
    for argv, stdin in attempts:
        done = ssh(lab, key, *argv, stdin=stdin)
        assert "uid=" not in done.stdout + done.stderr, (argv, stdin)
        assert "root:" not in done.stdout, (argv, stdin)
        assert "SSH-2.0" not in done.stdout, (argv, stdin)
        if done.stdout.strip():
            assert "clavel-tui begins" in done.stdout, (argv, stdin)
    assert web.host.exec("ls /tmp/out /root/out", check=False).stdout == ""
    assert web.all() == still
