"""A table that draws only the lines that are seen, and keeps its cursor on a row's key while rows come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from clavel_tui.domain.text import clean
from clavel_tui.tui.render.cells import Cell, Row
from clavel_tui.tui.widgets.rows import HeldRows, Rows

WIDEST = 44
"""A column that is not the last one is cut here: one name of sixty letters must not push the reason off the screen."""
NARROWEST = 8
GAP = "  "


class Listing(ScrollView, can_focus=True):
    """Rows under a fixed header; the last column takes what is left."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"listing--{role}" for role in ("plain", "dim", "ok", "warn", "bad", "away", "head", "cursor", "title")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(0)", "First", show=False),
        Binding("end,G", "edge(-1)", "Last", show=False),
        Binding("enter", "choose", "Choose", show=False),
        Binding("space", "mark", "Mark", show=False),
    ]

    @dataclass
    class Moved(Message):
        """The cursor is on another row."""

        listing: Listing
        key: str | None

        @property
        def control(self) -> Listing:
            """For ``@on`` selectors."""
            return self.listing

    @dataclass
    class Marked(Message):
        """A mark was set or taken away."""

        listing: Listing

    @dataclass
    class Chosen(Message):
        """Enter was pressed on a row."""

        listing: Listing
        key: str

        @property
        def control(self) -> Listing:
            """For ``@on`` selectors."""
            return self.listing

    def __init__(
        self,
        columns: Sequence[str],
        *,
        empty: str = "",
        markable: bool = False,
        id: str | None = None,  # noqa: A002  Textual's name
    ) -> None:
        super().__init__(id=id)
        self._markable = markable
        self.marks: set[str] = set()
        self._columns = tuple(columns)
        self._empty = empty
        self._rows: Rows = HeldRows(())
        self._window: list[Row] = []
        self._widths: list[int] = [len(c) for c in columns]
        self._cursor = 0
        self._moved = False
        self.touched = False
        """Whether a person has put the cursor somewhere."""

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows.key(self._cursor) if self._rows else None

    @property
    def rows(self) -> Rows:
        """What is shown now."""
        return self._rows

    def show(self, rows: Sequence[Row], *, select: str | None = None) -> None:
        """Replaces the rows; only what is on the screen and differs is drawn again. ``select`` puts the cursor on a key."""
        before = self.key
        # Until somebody moved it the cursor stays on top, where the row is that wants a person most.
        wanted = select or (before if self._moved else None)
        place = self._cursor
        shown = (place, len(self._rows), list(self._widths), set(self.marks))
        self._rows = rows if isinstance(rows, Rows) else HeldRows(rows)
        if self.marks:
            self.marks &= {self._rows.key(n) for n in range(len(self._rows))}
        self._cursor = self._place(wanted)
        self._moved = self._moved or select is not None
        before_rows, self._window = self._window, self._seen_rows()
        self._measure()
        if shown == (self._cursor, len(self._rows), self._widths, self.marks):
            self._draw_what_differs(before_rows)
        else:
            self.refresh()
        if self._cursor != place:
            self.scroll_to_cursor()
        if self.key != before:
            self.post_message(self.Moved(self, self.key))

    def _place(self, wanted: str | None) -> int:
        """Where the cursor belongs: mostly where it was, since rows seldom move."""
        last = max(len(self._rows) - 1, 0)
        if wanted is not None and self._cursor <= last and self._rows and self._rows.key(self._cursor) == wanted:
            return self._cursor
        index = self._rows.find(wanted) if wanted is not None else None
        return index if index is not None else min(self._cursor if self._moved else 0, last)

    def _draw_what_differs(self, before: Sequence[Row]) -> None:
        """Over a slow link every line counts: ten changes a second of which none is seen send nothing."""
        for y, (old, new) in enumerate(zip_longest(before, self._window)):
            if old != new:
                self.refresh(Region(0, y + 1, self.size.width, 1))

    def watch_scroll_y(self, old: float, new: float) -> None:
        """Rows that come into sight may be wider than those before."""
        super().watch_scroll_y(old, new)
        self._window = self._seen_rows()
        self._measure()

    def _seen_rows(self) -> list[Row]:
        top = self.scroll_offset.y
        return list(self._rows[top : top + max(self.size.height - 1, 0)])

    def set_columns(self, columns: Sequence[str]) -> None:
        """Other columns, for the rows that are shown next."""
        if tuple(columns) != self._columns:
            self._columns = tuple(columns)
            self._widths = [len(column) for column in columns]

    def set_empty(self, text: str) -> None:
        """What stands there while there is no row."""
        if text != self._empty:
            self._empty = text
            self.refresh()

    def _measure(self) -> None:
        last = len(self._columns) - 1
        titles = [cell_len(title) for title in self._columns]
        widths = [max(*both) for both in zip_longest(titles, self._rows.widths, fillvalue=0)]
        self._widths = [w if n == last else min(w, WIDEST) for n, w in enumerate(widths)]
        self._leave_room_for_the_last()
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)

    def _leave_room_for_the_last(self) -> None:
        """The last column says why: a third of the width is its own, and the widest of the others gives way; the first, last."""
        first, *others, last = self._widths if len(self._widths) > 1 else (0, *self._widths)
        room = self._room - 1 - min(last, self._room // 3) - len(GAP) * (len(others) + 1)
        while first + sum(others) > room and max((first, *others)) > NARROWEST:
            if max(others, default=0) > NARROWEST:
                others[others.index(max(others))] -= 1
            else:
                first -= 1
        self._widths = [first, *others, last] if len(self._widths) > 1 else [last]

    def on_resize(self) -> None:
        """The last column takes what is left."""
        self._window = self._seen_rows()
        self._measure()
        self.scroll_to_cursor()

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        return self._text_line(y, self._room).adjust_cell_length(self.size.width, self.rich_style)

    @property
    def _room(self) -> int:
        """The width that is seen: a scroll bar lies upon the lines' ends."""
        bar = self.scrollbar_size_vertical if len(self._rows) + 1 > self.size.height else 0
        return self.size.width - bar

    def _text_line(self, y: int, width: int) -> Strip:
        if y == 0:
            return self._line([Cell(title, "title") for title in self._columns], width, None)
        index = y - 1 + self.scroll_offset.y
        if index < len(self._rows):
            row = self._rows[index]
            return self._line(
                row.cells, width, self._cursor_style() if index == self._cursor else None, marked=row.key in self.marks
            )
        if index == 0 and not self._rows and self._empty:
            return Strip([Segment(set_cell_size(f" {self._empty}", width), self.get_component_rich_style("listing--dim"))])
        return Strip.blank(width, self.rich_style)

    def _cursor_style(self) -> Style:
        """Only a background: what a cell's colour says must stay readable under the cursor."""
        style = self.get_component_rich_style("listing--cursor")
        return Style(bgcolor=style.bgcolor, bold=self.has_focus or None, reverse=style.reverse)

    def _line(self, cells: Sequence[Cell], width: int, cursor: Style | None, *, marked: bool = False) -> Strip:
        edge = "●" if marked else "▌" if cursor and self.has_focus else " "
        segments = [Segment(edge, cursor or self.rich_style)]
        left = width - 1
        last = len(cells) - 1
        for n, cell in enumerate(cells):
            size = max(left, 0) if n == last else min(self._widths[n] + len(GAP), max(left, 0))
            style = self.get_component_rich_style(f"listing--{cell.role}")
            text = clean(cell.text)
            if cell_len(text) > size - (0 if n == last else 1):
                text = set_cell_size(text, max(size - 2, 0)) + "…"
            segments.append(Segment(set_cell_size(text, size), style + cursor if cursor else style))
            left -= size
        return Strip(segments, width)

    def on_focus(self) -> None:
        """The bar at the cursor shows where keys go."""
        self.refresh()

    def on_blur(self) -> None:
        """See on_focus."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor."""
        if event.y > 0:
            self._to(event.y - 1 + self.scroll_offset.y)

    def action_move(self, by: int) -> None:
        """A row up or down."""
        self._to(self._cursor + by)

    def action_page(self, by: int) -> None:
        """A screen up or down."""
        self._to(self._cursor + by * max(self.size.height - 2, 1))

    def action_edge(self, index: int) -> None:
        """The first or the last row."""
        self._to(0 if index == 0 else len(self._rows) - 1)

    def action_choose(self) -> None:
        """Enter. What is read then stays under the cursor."""
        if self.key is not None:
            self.stay()
            self.post_message(self.Chosen(self, self.key))

    def action_mark(self) -> None:
        """Marks the row or takes its mark away, and goes on to the next."""
        if self._markable and self.key is not None:
            self.marks ^= {self.key}
            self.refresh()
            self.post_message(self.Marked(self))
            self._to(self._cursor + 1)

    def stay(self) -> None:
        """What a person acts on stays under the cursor, though other rows may come to stand above it."""
        self._moved = True

    def clear_marks(self) -> None:
        """None is marked."""
        self.marks = set()
        self.refresh()
        self.post_message(self.Marked(self))

    def _to(self, index: int) -> None:
        index = max(0, min(index, len(self._rows) - 1))
        if not self._rows or index == self._cursor:
            return
        self._cursor = index
        self._moved = self.touched = True
        self.scroll_to_cursor()
        self.refresh()
        self.post_message(self.Moved(self, self.key))

    def scroll_to_cursor(self) -> None:
        """The cursor's row is seen, below the header."""
        height = max(self.size.height - 1, 1)
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, force=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, force=True)
        self.refresh(Region(0, 0, self.size.width, self.size.height))
