"""JSON as it goes over NATS: compressed where it is long, so that a fleet fits into one message."""

from __future__ import annotations

import zlib

SHORT = 16 * 1024
"""Up to this it is sent as it is."""
BYTES = 1_000_000
"""Of one message: a NATS server takes a MiB at once, unless it was told otherwise."""
UNPACKED = 64 * 1024 * 1024


def pack(data: bytes) -> bytes:
    """As it is sent."""
    return zlib.compress(data) if len(data) > SHORT else data


def unpack(data: bytes, most: int = UNPACKED) -> bytes:
    """What was sent, up to so many bytes. Raises ValueError: it is not what it should be."""
    try:
        return data if data.startswith(b"{") else zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise ValueError(str(error)) from error
