"""The demo's ``nix``: it reads the numbers in the demo's own flake, and answers as the real one answers our questions.

It is no evaluator, and its version says so. What a number stands for is the same store path that the demo's units have.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from .nix_store import store
from .systems import Store, closure, store_name

VERSION = "2.31.2-simulated"
_SET = re.compile(r"^    (\w+Configurations) = \{\n(.*?)^    \};", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^      (?P<name>[\w-]+) = (?:generation (?P<number>\d+)|throw \"(?P<text>[^\"]*)\");", re.MULTILINE)
COPY_S = 0.15
THINK_S = 0.12
"""For each host, so that there is something to be seen."""
Answer = tuple[str, int | str]


class RefusedError(Exception):
    """What the real one would say behind `error:`."""


def nar_hash(text: str) -> str:
    """Of the flake's one file."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def revision(text: str) -> str:
    """Of a commit that holds just this."""
    return hashlib.sha1(f"commit {text}".encode()).hexdigest()  # noqa: S324  as long as git's


def hosts(text: str) -> dict[str, dict[str, Answer]]:
    """By set and name: a number, or what is thrown."""
    return {
        name: {m["name"]: ("number", int(m["number"])) if m["number"] else ("throw", m["text"]) for m in _LINE.finditer(body)}
        for name, body in _SET.findall(text)
    }


def metadata(url: str) -> None:
    """`nix flake metadata --json`, to stdout."""
    folder = Path(re.sub(r"^(path:|git\+file://)", "", url).partition("?")[0])
    try:
        text = (folder / "flake.nix").read_text(encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"getting status of '{folder}': {error.strerror}") from error
    committed = folder / ".committed"
    clean = committed.exists() and committed.read_text(encoding="utf-8") == text
    locked = {"type": "git", "url": f"file://{folder}", "narHash": nar_hash(text)} | ({"rev": revision(text)} if clean else {})
    said = {"url": f"git+file://{folder}" + (f"?rev={revision(text)}" if clean else ""), "locked": locked}
    sys.stdout.write(json.dumps(said))


def evaluate(expression: str) -> None:
    """`nix eval --expr`: the request is the expression's last word; what is found is traced to stderr."""
    request = json.loads(re.sub(r"\\(.)", r"\1", expression[expression.rindex(') "') + 3 : -1]))
    folder = Path(request["url"].removeprefix("git+file://").partition("?")[0])
    text = (folder / "flake.nix").read_text(encoding="utf-8")
    found = hosts(text)
    _trace("lists", _listing(text, found))
    for set_, names in request["sets"].items():
        for name in sorted(set(names) & found.get(set_, {}).keys()):
            sys.stderr.write(f"trace: clavel-tui begins {set_}.{name}\n")
            sys.stderr.flush()
            time.sleep(THINK_S)
            kind, value = found[set_][name]
            if kind == "throw":
                raise RefusedError(f"{value}\n       at {folder}/flake.nix:1:1:")
            _trace("found", _system(set_, name, int(value)))


def _listing(text: str, found: dict[str, dict[str, Answer]]) -> dict[str, object]:
    names = sorted(f"{set_}.{name}" for set_, entries in found.items() for name in entries)
    return {"narHash": nar_hash(text), "attributes": names, "substituters": [], "keys": []}


def _system(set_: str, name: str, number: int) -> dict[str, str]:
    darwin = set_ == "darwinConfigurations"
    path = f"/nix/store/{store_name(name, darwin, number)}"
    system = "aarch64-darwin" if darwin else ("aarch64-linux" if name.startswith("rpi") else "x86_64-linux")
    return {"attribute": f"{set_}.{name}", "unit": name, "drvPath": f"{path}.drv", "narId": path, "system": system}


def copy(to: str, path: str) -> None:
    """`nix copy --to ssh://UNIT`: what is missing there, told one by one."""
    here = store()
    there = Store(here.root.with_name(urlsplit(to).hostname.partition(".")[0]))  # type: ignore[union-attr]
    missing = sorted(closure(path).keys() - there.valid())
    if path not in here.valid():
        raise RefusedError(f"path '{path}' is not valid")
    sys.stderr.write(f"copying {len(missing)} paths...\n")
    for part in missing:
        sys.stderr.write(f"copying path '{part}' to '{to.partition('?')[0]}'...\n")
        sys.stderr.flush()
        time.sleep(COPY_S)
    there.add([path])


def _trace(word: str, said: dict[str, object] | dict[str, str]) -> None:
    sys.stderr.write(f"trace: clavel-tui {word} {json.dumps(said)}\n")
    sys.stderr.flush()


def main(args: list[str]) -> int:
    """One command of the workstation."""
    try:
        if args == ["--version"]:
            sys.stdout.write(f"nix (Nix) {VERSION}\n")
        elif "metadata" in args:
            metadata(args[-1])
        elif "copy" in args:
            copy(args[args.index("--to") + 1], args[-1])
        elif "--expr" in args:
            evaluate(args[-1])
        else:
            return _refused(f"the demo's nix has no answer to: {' '.join(args)}")
        sys.stdout.flush()
    except RefusedError as error:
        return _refused(str(error))
    return 0


def _refused(why: str) -> int:
    sys.stderr.write(f"error: {why}\n")
    sys.stderr.flush()
    return 1
