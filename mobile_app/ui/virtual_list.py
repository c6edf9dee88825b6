"""A list of any length: only the rows in sight are widgets, and only they are asked for."""

from collections.abc import Callable, Sequence

import numpy as np
from kivy.clock import Clock
from kivy.metrics import dp
from kivy.properties import NumericProperty
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from mobile_app.ui.theme import READABLE

MARGIN = 2  # rows beyond the edges of the window


class VirtualList(ScrollView):
    """Rows below each other, of several kinds, each kind with a height of its own.

    Scrolling costs what the rows cost that come into sight: widgets are used again.
    """

    top_padding = NumericProperty(dp(4))

    def __init__(self, **kwargs: object) -> None:
        super().__init__(do_scroll_x=False, **kwargs)
        self._content = Widget(size_hint_y=None)
        self.add_widget(self._content)
        self._kinds: Sequence[str] = ()
        self._tops = np.zeros(1)  # px from the top of the content, one more than rows
        self._make: Callable[[str], Widget] = lambda _: Widget()
        self._fill: Callable[[Widget, int], None] = lambda _, __: None
        self._shown: dict[int, Widget] = {}
        self._spare: dict[str, list[Widget]] = {}
        self._place = Clock.create_trigger(self.place, -1)
        self.fbind("scroll_y", self._place)
        self.fbind("size", self._place)

    @property
    def row_width(self) -> float:
        """How wide the rows are, px."""
        return float(self.width - 2 * self._side)

    @property
    def _side(self) -> float:
        return float(max(dp(12), (self.width - dp(READABLE)) / 2))

    @property
    def shown(self) -> dict[int, Widget]:
        """The rows that are widgets now, by number."""
        return self._shown

    def show(
        self,
        kinds: Sequence[str],
        heights: dict[str, float],
        make: Callable[[str], Widget],
        fill: Callable[[Widget, int], None],
    ) -> None:
        """Show other rows.

        Parameters
        ----------
        kinds : sequence of str
            One per row.
        heights : dict of str to float
            px of each kind.
        make : callable
            A new widget of a kind.
        fill : callable
            Given a widget and the number of the row that it is to show.
        """
        for row in list(self._shown):
            self._put_away(row)
        self._kinds, self._make, self._fill = kinds, make, fill
        self.resize(heights)

    def resize(self, heights: dict[str, float]) -> None:
        """Other heights, the same rows."""
        each = np.array([heights[kind] for kind in self._kinds], float)
        self._tops = np.concatenate([[0.0], np.cumsum(each)]) + self.top_padding
        self._content.height = float(self._tops[-1]) + dp(16)
        self._place()

    def refill(self) -> None:
        """The rows in sight show something else."""
        for row, widget in self._shown.items():
            self._fill(widget, row)

    def place(self, *_: object) -> None:
        """Put the rows that are in sight where they belong."""
        height = self._content.height
        above = max(0.0, (height - self.height) * (1 - min(1.0, max(0.0, self.scroll_y))))
        first = max(0, int(np.searchsorted(self._tops, above, side="right")) - 1 - MARGIN)
        last = int(np.searchsorted(self._tops, above + self.height)) + MARGIN
        wanted = range(first, min(last, len(self._kinds)))
        for row in [row for row in self._shown if row not in wanted]:
            self._put_away(row)
        for row in wanted:
            if row not in self._shown:
                self._shown[row] = self._take(row)
                self._fill(self._shown[row], row)
            widget = self._shown[row]
            widget.size_hint = (None, None)
            widget.width = self.row_width
            widget.height = float(self._tops[row + 1] - self._tops[row])
            widget.pos = (self.x + self._side, height - float(self._tops[row + 1]))

    def _take(self, row: int) -> Widget:
        spare = self._spare.setdefault(self._kinds[row], [])
        widget = spare.pop() if spare else self._make(self._kinds[row])
        self._content.add_widget(widget)
        return widget

    def _put_away(self, row: int) -> None:
        widget = self._shown.pop(row)
        self._content.remove_widget(widget)
        self._spare.setdefault(self._kinds[row], []).append(widget)
