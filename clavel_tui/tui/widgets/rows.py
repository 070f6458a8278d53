"""The rows of a listing: held as they are, or made when they are seen, since of ten thousand no screen shows more than fifty."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import overload

from rich.cells import cell_len

from clavel_tui.tui.render.cells import Row


class Rows(Sequence[Row]):
    """What a listing shows: each row has a key."""

    @property
    @abstractmethod
    def widths(self) -> Sequence[int]:
        """Of each column, in cells: as wide as the texts of all rows that were made."""

    @abstractmethod
    def key(self, index: int) -> str:
        """Of one row, without making it."""

    def find(self, key: str) -> int | None:
        """Where the row of that key is."""
        return next((n for n in range(len(self)) if self.key(n) == key), None)


class HeldRows(Rows):
    """A few rows, as they were made."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = list(rows)

    @property
    def widths(self) -> Sequence[int]:
        """Measured when asked for."""
        columns = zip(*(row.cells for row in self._rows), strict=True)
        return [max(cell_len(cell.text) for cell in column) for column in columns]

    def key(self, index: int) -> str:
        """See Rows."""
        return self._rows[index].key

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows[index]


class LazyRows(Rows):
    """Rows that are made when they are asked for, and kept until the next change."""

    def __init__(self, count: int, widths: list[int], key: Callable[[int], str], make: Callable[[int], Row]) -> None:
        """``key`` and ``make`` are asked with 0 to ``count`` - 1. ``widths`` grow with what is made, and outlive these rows."""
        self._count = count
        self._widths = widths
        self._key = key
        self._make = make
        self._made: dict[int, Row] = {}

    @property
    def widths(self) -> Sequence[int]:
        """They only grow: columns must not swing to and fro while units change."""
        return self._widths

    def key(self, index: int) -> str:
        """See Rows."""
        return self._key(index)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        if index not in self._made:
            self._made[index] = self._grown(self._make(index))
        return self._made[index]

    def _grown(self, row: Row) -> Row:
        for n, cell in enumerate(row.cells):
            self._widths[n] = max(self._widths[n], cell_len(cell.text))
        return row
