"""Every limit, time and size in one place, each with its reason. Seconds and bytes unless a name says otherwise."""

from __future__ import annotations

from typing import Final

CONNECT_S: Final = 10.0
"""A handshake over a slow link takes 2-3 s; a host that is off answers nothing and costs just this once."""
QUERY_S: Final = 30.0
"""An ordinary question. The fragments of a probe have shorter deadlines of their own."""
PUT_S: Final = 180.0
"""A stack's folder over a line of 300 ms and a few kilobytes a second."""
KEEPALIVE_S: Final = 5.0
KEEPALIVE_TRIES: Final = 3
"""A cut line is noticed after 15 s, and a gap of a few seconds is survived."""
HANDSHAKES: Final = 24
"""At once, over the whole fleet. sshd's MaxStartups is 10:30:100 for one host behind a bastion; see also BASTION."""
BASTION_HANDSHAKES: Final = 8
CHANNELS: Final = 8
"""Open at once on one connection; sshd's MaxSessions is 10, and two are left for a person."""
BACKOFF_FIRST_S: Final = 5.0
BACKOFF_MOST_S: Final = 300.0
REFRESH_S: Final = 10.0
"""Between two looks at a unit while a console is open."""
OUTPUT_BYTES: Final = 4 * 1024 * 1024
"""The most that one query may answer; a longer answer is an error, never a silently shortened fact."""
LINE_CHARS: Final = 2000
"""A line of remote text is cut here: a megabyte without a newline must not fill a screen or a journal."""
STACK_BYTES: Final = 64 * 1024 * 1024
"""A stack's folder in the repository. More than this is data, and belongs in a volume."""
LOG_LINES: Final = 5000
"""What a log view keeps: one left open overnight must not grow."""
DIFF_LINES: Final = 400
HISTORY_DAYS: Final = 400
EVENTS_KEPT: Final = 200_000
CLOCK_SKEW_S: Final = 30.0
"""Certificates and logs begin to lie here."""
DISK_FULL_PERCENT: Final = 95.0
DISK_HIGH_PERCENT: Final = 85.0
MEMORY_LOW_PERCENT: Final = 5.0
TEMPERATURE_C: Final = 80.0
"""A Raspberry Pi throttles from 80 degrees."""
STALE_S: Final = 60.0
"""Facts older than this are shown with their age."""
LOCK_S: Final = 120.0
"""`nix flake metadata` fetches a source that is not here yet."""
EVALUATOR_S: Final = 1800.0
"""One process with many hosts of real nixpkgs; an endless loop ends here."""
MINUTES: Final = 7 * 24 * 60
"""The longest schedule of a Source: who wants it less often asks for it."""
EVALUATOR_MIB: Final = 8192
"""A NixOS host takes 0.3 to 1 GiB of an evaluator, and dozens share most of it."""
EVALUATOR_BATCH: Final = 400
"""Attributes a process: their names travel as one argument, and Linux takes 128 KiB of it."""
ANSWER_S: Final = 120.0
"""A question to the person at the keyboard, from the last letter typed: what waits for it holds up others."""
WAIT_S: Final = 30 * 86400.0
"""A deployment that waits for a unit which is away: after a month nobody remembers what it was for."""
WAVE = r"^([1-9][0-9]{0,3}|[1-9][0-9]?%|100%)$"
"""The size of a rollout's waves: a number of units, or a part of all."""
