"""What Nix says when it fails, of 2.8 and of current releases: which kind of failure it is, and the few words that help."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from clavel_tui.domain.source import Fault
from clavel_tui.domain.text import clean

_ERROR = re.compile(r"^\s*error:\s+(?P<text>\S.*)$")
_PLACE = re.compile(r"^\s*at (?P<place>\S+:\d+:\d+):?\s*$")
_STORE = re.compile(r"\S*/nix/store/[a-z0-9]{32}-source/")
_WARNING = re.compile(r"^(?:trace: )?(?:evaluation )?warning: +(?P<text>.*)$")
TEXT_LINES = 6
OWNER = "the repository is another user's; as who evaluates it: `git config --global --add safe.directory FOLDER`"
WARNINGS = 20

_KINDS: tuple[tuple[Fault, str], ...] = (
    (Fault.BUILD, "allow-import-from-derivation"),
    (Fault.MEMORY, "out of memory"),
    (Fault.MEMORY, "cannot allocate memory"),
    (Fault.MEMORY, "std::bad_alloc"),
    (Fault.FETCH, "unable to download"),
    (Fault.FETCH, "could not resolve"),
    (Fault.FETCH, "couldn't resolve"),
    (Fault.FETCH, "failed to fetch"),
    (Fault.FETCH, "unable to connect"),
    *(
        (Fault.WORKSTATION, word)
        for word in (
            "failed with exit code",
            "no space left",
            "cannot connect to socket",
            "permission denied",
            "is not valid",
            "read-only file system",
            "too many open files",
            "database is locked",
            "interrupted by the user",
            "cannot open connection",
            "broken pipe",
        )
    ),
)
_NOT_OURS = ("program 'git' failed with exit code 129", "dubious ownership", "is not owned by current user")
"""Of git behind Nix 2.8, which only sees that there would be no repository; of git itself; of the libgit2 in current releases."""
_BUILT = re.compile(r"cannot build '(?P<drv>[^']+?)(?:\^[^']*)?' during evaluation")


@dataclass(frozen=True)
class Said:
    """The end of an evaluator: ``fault`` None where it ended well."""

    fault: Fault | None = None
    text: str = ""
    warnings: Sequence[str] = field(default_factory=tuple)


def warnings(lines: Sequence[str]) -> tuple[str, ...]:
    """Nix's own and those of the evaluated code, each once."""
    found = (match["text"] for line in lines if (match := _WARNING.match(line)))
    return tuple(dict.fromkeys(bare(text) for text in found))[:WARNINGS]


def failure(code: int, lines: Sequence[str]) -> tuple[Fault, str]:
    """The kind of a failure and a sentence, of an evaluator's last lines and its exit status."""
    text = " ".join(_message(lines))
    lower = text.lower()
    if match := _BUILT.search(text):
        return Fault.BUILD, f"needs {match['drv']} built while it is evaluated (import from derivation): nothing is built here"
    if any(word in lower for word in _NOT_OURS):
        return Fault.WORKSTATION, f"{text}: {OWNER}"
    for fault, word in _KINDS:
        if word in lower:
            return fault, text
    if text:
        return Fault.EVALUATION, text
    return Fault.CRASH, f"the evaluator died with exit status {code} and said nothing"


def bare(text: str) -> str:
    """Without the store's prefix before a file of the source, without colours, in one line."""
    return clean(_STORE.sub("", text))


def _message(lines: Sequence[str]) -> Iterator[str]:
    """The innermost error: the last line that says one, what follows it, and where it is."""
    starts = [(n, match["text"]) for n, line in enumerate(lines) if (match := _ERROR.match(line))]
    if not starts:
        return
    start, text = starts[-1]
    yield bare(text)
    rest = lines[start + 1 :]
    for line in rest[:TEXT_LINES]:
        if not line.strip() or _PLACE.match(line) or line.startswith("(use"):
            break
        yield bare(line.strip())
    place = next((match["place"] for line in rest if (match := _PLACE.match(line))), "")
    if place and "«" not in place:
        yield f"({bare(place)})"
