"""What was listened to: evenings with their dances, searched and filtered, read page by page."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kivy.clock import Clock
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ColorProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import Screen
from kivy.uix.widget import Widget

from mobile_app.core import export
from mobile_app.core.daytime import time_of_day
from mobile_app.core.history import MICROPHONE, Entry, Line, Query
from mobile_app.core.search import fold
from mobile_app.core.translations import Translator, mark
from mobile_app.ui.glyphs import drawable
from mobile_app.ui.host import Host, host
from mobile_app.ui.theme import Theme
from mobile_app.ui.virtual_list import VirtualList
from mobile_app.ui.widgets import Chips, ChoiceChip, Sheet, Touchable
from runtime.answer import clock

Builder.load_file(str(Path(__file__).with_name("history.kv")))

DATE = mark("{year}-{month:02}-{day:02} {time}")
PAGE = 48  # rows that are read at a time
SEARCH_DELAY = 0.25  # s after the last letter
BETWEEN = "  ·  "  # facts
BEFORE_A_BREAK = "\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}·  "  # between facts of several lines


def when(started: datetime, tr: Translator) -> str:
    """Date and time of day, the user's zone, the way the language writes it."""
    local, time = started.astimezone(), time_of_day(started)
    days = (datetime.now().astimezone().date() - local.date()).days
    if days in (0, 1):
        return tr("Today, {time}", time=time) if days == 0 else tr("Yesterday, {time}", time=time)
    return tr(DATE, year=local.year, month=local.month, day=local.day, time=time)


def together(text: str) -> str:
    """A fact that no line break parts."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def aside_label(name: str, tr: Translator) -> str:
    """What a file that was put aside is called: why, and when."""
    word, _, stamp = name.removesuffix(".sqlite").partition(".")[2].partition("-")
    try:
        at = datetime.strptime(stamp[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return name
    time = together(when(at, tr))
    if word == "newer":
        return tr("History of a newer app, {time}", time=time)
    return tr("Damaged history, {time}", time=time)


def narrow(width: float, theme: Theme) -> bool:
    """Must the second line of a row `width` px wide be parted into two?"""
    return width < 22 * theme.body


def row_heights(width: float, theme: Theme) -> dict[str, float]:
    """px of each kind of row of a list whose rows are `width` px wide."""
    words = theme.body * 1.25 + theme.label * 1.25 * (2 if narrow(width, theme) else 1)
    return {"line": max(dp(60), words + dp(22)), "evening": max(dp(60), words + dp(24))}


class Row(Touchable, BoxLayout):
    """A row of a list: a title, and facts in one line below, or in two where the row is narrow."""

    text = StringProperty()
    facts = ListProperty()
    first = NumericProperty(2)  # how many of the facts stand in the first of two lines
    detail = StringProperty()
    more = StringProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        part = Clock.create_trigger(self.part, -1)
        for name in ("facts", "first", "width"):
            self.fbind(name, part)
        host().theme.fbind("body", part)

    def part(self, *_: object) -> None:
        """Write the facts, in one line or in two."""
        facts = [fact for fact in self.facts if fact]
        first = int(self.first) if narrow(self.width, host().theme) else len(facts)
        self.detail, self.more = BETWEEN.join(facts[:first]), BETWEEN.join(facts[first:])


class LineRow(Row):
    """A dance in a list."""

    line = NumericProperty(0)
    said = StringProperty()
    color = ColorProperty("#888888")
    checked = BooleanProperty(False)
    inset = BooleanProperty(False)  # below the row of its evening

    def fill(self, line: Line, app: Host, *, at: str, named: str = "") -> None:
        """Show a line; `at` says when it was, `named` what its session is called."""
        tr, look = app.tr, app.look
        self.line = line.id
        facts = [at, clock(line.end - line.start)]
        if line.result:
            self.text = look.dance_name(line.result)
            facts.append(tr("{tempo} bars/min", tempo=round(line.tempo_mpm)) if line.tempo_mpm else "")
        else:  # what it may have been says more than that it was not recognised
            self.text = look.guess(line) or tr("Not recognised")
            facts.append(tr("Not recognised") if line.best else "")
        self.facts = [*facts, drawable(named)]
        self.color = look.dance_colour(line.result)
        self.checked = line.truth is not None
        self.said = tr("checked") if line.truth else tr.percent(line.confidence) if line.dance else ""


class EveningRow(Row):
    """A session of several dances in the list."""

    session = NumericProperty(0)


class HistoryScreen(Screen):
    """All that was heard, the newest first."""

    waiting = StringProperty()
    empty = BooleanProperty(True)
    searching = BooleanProperty(False)
    dances = frozenset[str]()

    def __init__(self, **kwargs: Any) -> None:
        self.app = host()
        super().__init__(**kwargs)
        self.list: VirtualList = self.ids.list
        self._rows: list[tuple[int, int]] = []  # (session, line); line 0 is the row of the session itself
        self._alone: set[int] = set()  # sessions of one line
        self._counts: dict[int, int] = {}
        self._lines: dict[int, Line] = {}
        self._entries: dict[int, Entry] = {}
        self._search = Clock.create_trigger(self.refresh, SEARCH_DELAY)
        self.ids.search.bind(text=lambda *_: self._search())
        resize = Clock.create_trigger(lambda _: self.list.resize(self.heights()), -1)
        self.app.theme.bind(body=resize)
        self.list.bind(width=resize)
        self.refresh()

    def on_pre_enter(self, *_: object) -> None:
        """Look again whenever the screen is entered."""
        self.app.save_unsaved()
        self.refresh()

    @property
    def query(self) -> Query:
        """What is looked for."""
        text = self.ids.search.text.strip()
        names = self.app.look.dance_names.items()
        found = {key for key, name in names if text and fold(text) in fold(name)}
        return Query(text, frozenset(found), self.dances)

    def heights(self) -> dict[str, float]:
        """px of each kind of row."""
        return row_heights(self.list.row_width, self.app.theme)

    def refresh(self, *_: object) -> None:
        """Read anew what there is; of the rows themselves only those in sight."""
        found = self.app.history.index(self.query)
        self._lines.clear()
        self._entries.clear()
        counts: dict[int, int] = {}
        for session, _line in found:
            counts[session] = counts.get(session, 0) + 1
        self._counts, self._rows, self._alone = counts, [], set()
        before = None
        for session, line in found:
            if session != before:
                before = session
                if counts[session] == 1:
                    self._alone.add(session)
                else:
                    self._rows.append((session, 0))
            self._rows.append((session, line))
        kinds = ["line" if line else "evening" for _, line in self._rows]
        self.list.show(kinds, self.heights(), self._make, self._fill)
        self.searching = bool(self.ids.search.text.strip() or self.dances)
        self.empty = not found
        self.ids.empty_title.text = (
            self.app.tr("Nothing found") if self.searching else self.app.tr("Nothing here yet")
        )
        unsaved = self.app.history.unsaved
        self.waiting = (
            self.app.tr.plural(
                "{count} result waits for free storage.", "{count} results wait for free storage.", unsaved
            )
            if unsaved
            else ""
        )

    def changed(self, session: int | None) -> None:
        """Something in the history is another: in one session, or anywhere."""
        if session is None:
            self.refresh()
            return
        for line in [line for line, known in self._lines.items() if known.session == session]:
            del self._lines[line]
        self._entries.pop(session, None)
        if self.manager is not None and self.manager.current == self.name:
            self.list.refill()

    def _make(self, kind: str) -> Widget:
        row = LineRow() if kind == "line" else EveningRow()
        row.bind(
            on_release=(lambda row: self.app.show_line(row.line))
            if kind == "line"
            else (lambda row: self.app.show_evening(row.session))
        )
        return row

    def _fill(self, row: Any, number: int) -> None:
        session, line = self._rows[number]
        if session not in self._entries or (line and line not in self._lines):
            self._read_page(number)
        entry = self._entries.get(session)
        if entry is None:
            return
        tr = self.app.tr
        if not line:
            row.session = session
            row.text = drawable(entry.name) or when(entry.started, tr)
            count = self._counts[session]
            facts = [when(entry.started, tr)] if entry.name else []
            facts += [tr.plural("{count} dance", "{count} dances", count), clock(entry.duration)]
            row.facts, row.first = facts, 1 if entry.name else 2
        elif heard := self._lines.get(line):
            alone = session in self._alone
            row.inset, row.first = not alone, 1 if alone else 2  # a date leaves no room for another
            named = (entry.name or (entry.source if entry.source != MICROPHONE else "")) if alone else ""
            at = when(heard.at, tr) if alone else time_of_day(heard.at)
            row.fill(heard, self.app, at=at, named=named)

    def _read_page(self, number: int) -> None:
        first = number - number % PAGE
        page = self._rows[first : first + PAGE]
        self._lines |= self.app.history.lines_by_id({line for _, line in page if line})
        self._entries |= self.app.history.entries_by_id({session for session, _ in page})

    # What the user does

    def ask_filter(self) -> None:
        """Which dances?"""
        tr, look = self.app.tr, self.app.look
        sheet = Sheet(title=tr("Show only"))
        chips = Chips()
        for key in self.app.history.dances():
            chip = ChoiceChip(text=look.dance_name(key), value=key, chosen=key in self.dances)
            chip.bind(on_release=self._toggle)
            chips.add_widget(chip)
        sheet.add(chips)
        sheet.add_buttons((tr("Done"), "filled", sheet.dismiss), (tr("Show all"), "plain", self.clear_search))
        sheet.open()

    def _toggle(self, chip: ChoiceChip) -> None:
        chip.chosen = not chip.chosen
        self.dances = self.dances ^ {chip.value}
        self.refresh()

    def clear_search(self) -> None:
        """Show everything again."""
        self.dances = frozenset()
        self.ids.search.text = ""
        self.refresh()
        self.app.root.close_sheets()

    def ask_export(self) -> None:
        """As what?"""
        tr = self.app.tr
        sheet = Sheet(title=tr("Save the history as a file"))
        kinds = {
            "csv": tr("Table (CSV)"),
            "json": tr("Data (JSON)"),
            "corrections": tr("What you corrected (JSON)"),
        }
        sheet.add_choices(kinds, self.save_as)
        sheet.open()

    def save_as(self, kind: str) -> None:
        """Save what is shown as 'csv' or 'json', or all 'corrections'."""
        history, stamp = self.app.history, f"{datetime.now():%Y-%m-%d}"
        if kind == "corrections":
            lines = history.corrected()
            entries = history.entries_by_id({line.session for line in lines})
            text = export.corrections_as_json(lines, entries)
            self.app.save_file(f"whichdance-corrections-{stamp}.json", "application/json", text)
            return
        evenings = list(self._evenings())
        text = export.as_csv(evenings) if kind == "csv" else export.as_json(evenings)
        mime = "text/csv" if kind == "csv" else "application/json"
        self.app.save_file(f"whichdance-{stamp}.{kind}", mime, text)

    def _evenings(self) -> Iterable[export.Evening]:
        history = self.app.history
        shown: dict[int, set[int]] = {}
        for session, line in self._rows:
            shown.setdefault(session, set()).add(line)
        ids = list(shown)
        for first in range(0, len(ids), 500):
            entries = history.entries_by_id(ids[first : first + 500])
            for session in ids[first : first + 500]:
                if session in entries:
                    yield (
                        entries[session],
                        [line for line in history.lines(session) if line.id in shown[session]],
                    )
