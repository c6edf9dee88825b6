"""One session as an evening: its set list, and all that can be done with it."""

import re
from pathlib import Path
from typing import Any

from kivy.clock import Clock
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ListProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from mobile_app.core import export
from mobile_app.core.daytime import time_of_day
from mobile_app.core.history import MICROPHONE, Line
from mobile_app.core.session import Session
from mobile_app.ui import drawings  # noqa: F401  (evening.kv uses its widgets)
from mobile_app.ui.glyphs import drawable
from mobile_app.ui.history import BEFORE_A_BREAK, LineRow, row_heights, together, when
from mobile_app.ui.host import host
from mobile_app.ui.session_screen import SessionScreen
from mobile_app.ui.sound import Player
from mobile_app.ui.virtual_list import VirtualList
from mobile_app.ui.widgets import ConfirmSheet, Sheet
from runtime.answer import clock
from runtime.cue import MAX_TRACKS

Builder.load_file(str(Path(__file__).with_name("evening.kv")))


class EveningHead(BoxLayout):
    """What is above the set list: facts, course over time, kept sound."""

    facts = StringProperty()
    has_audio = BooleanProperty(False)
    playing = BooleanProperty(False)


class EveningScreen(SessionScreen):
    """One session."""

    title = StringProperty()
    dances = ListProperty()  # their names, for whoever looks

    def __init__(self, **kwargs: Any) -> None:
        self.app = host()
        super().__init__(**kwargs)
        self.entry = None
        self.lines: list[Line] = []
        self.head = EveningHead()
        self.player = Player(
            lambda playing: setattr(self.head, "playing", playing),
            self.app.history.passing("playing.wav"),
        )
        self.head.ids.play.bind(on_release=lambda _: self.toggle_sound())
        self.head.ids.save_sound.bind(on_release=lambda _: self.save_sound())
        self.head.ids.delete_sound.bind(on_release=lambda _: self.delete_sound())
        resize = Clock.create_trigger(lambda _: self.list.resize(self.heights()), -1)
        self.head.bind(minimum_height=resize)
        self.app.theme.bind(body=resize)
        self.list.bind(width=resize)

    @property
    def list(self) -> VirtualList:
        """Head and set list."""
        return self.ids.list

    def heights(self) -> dict[str, float]:
        """px of each kind of row."""
        rows = row_heights(self.list.row_width, self.app.theme)
        return rows | {"head": self.head.minimum_height + dp(8)}

    def show(self, session: int) -> bool:
        """Show a session; False if there is none with this id."""
        self.player.stop()
        self.entry = self.app.history.entry(session)
        if self.entry is None:
            return False
        self.list.scroll_y = 1
        timeline = self.head.ids.timeline
        timeline.timeline = self.app.history.timeline(session)
        timeline.version += 1
        self.refresh()
        return True

    def refresh(self, *_: object) -> None:
        """Show the session as it is in the history now."""
        if self.entry is None or (entry := self.app.history.entry(self.entry.id)) is None:
            return
        tr, history = self.app.tr, self.app.history
        self.entry, self.lines = entry, history.lines(entry.id)
        from_file = entry.source != MICROPHONE
        self.title = drawable(entry.name) or (drawable(entry.source) if from_file else tr("Evening"))
        count = tr.plural("{count} dance", "{count} dances", len(self.lines))
        named = [drawable(entry.source)] if from_file and entry.name else []
        facts = [when(entry.started, tr), clock(entry.duration), count]
        self.head.facts = BEFORE_A_BREAK.join([*named, *map(together, facts)])
        self.head.has_audio = history.audio_path(entry.id) is not None
        self.dances = [self.app.look.dance_name(line.result) for line in self.lines]
        kinds = ["head"] + ["line"] * len(self.lines)
        self.list.show(kinds, self.heights(), self._make, self._fill)

    def follow(self, session: Session | None) -> None:
        """A session goes on: where it is the one on the screen, show its new dances."""
        if session and self.entry and session.snapshot.saved == self.entry.id:
            stored = [line.start for line in self.lines]
            if len(session.snapshot.lines) != len(stored):
                self.refresh()

    def _make(self, kind: str) -> Widget:
        if kind == "head":
            return self.head
        row = LineRow()
        row.bind(on_release=lambda row: self.app.show_line(row.line))
        return row

    def _fill(self, row: Any, number: int) -> None:
        if number:
            line = self.lines[number - 1]
            row.fill(line, self.app, at=time_of_day(line.at))

    # What the user does

    def rename(self) -> None:
        """Ask for a name."""
        self.ask_name(self.app.tr("For example: ball at the club"))

    def share(self) -> None:
        """Hand the set list to another app, as text."""
        if not self.entry:
            return
        tr, look, entry = self.app.tr, self.app.look, self.entry
        title = "  ·  ".join(text for text in (entry.name, when(entry.started, tr)) if text)
        text = export.as_text(
            (entry, self.lines),
            title,
            lambda line: (
                look.dance_name(line.result)
                or " ".join(text for text in (tr("Not recognised"), look.guess(line)) if text)
            ),
            lambda tempo: tr("{tempo} bars a minute", tempo=round(tempo)),
        )
        self.app.share_text(f"{text}(whichdance)")

    def ask_export(self) -> None:
        """As what?"""
        tr = self.app.tr
        sheet = Sheet(title=tr("Save the evening as a file"))
        kinds = {"csv": tr("Table (CSV)"), "json": tr("Data (JSON)"), "cue": tr("Marks in the sound (CUE)")}
        sheet.add_choices(kinds, self.save_as)
        sheet.open()

    def save_as(self, kind: str) -> None:
        """Save the evening as 'csv', 'json' or 'cue'."""
        if not self.entry:
            return
        evening, places = (self.entry, self.lines), self.app.history.sound_places(self.entry.id)
        marks = len(self.lines if places is None else places)
        if kind == "cue" and not 1 <= marks <= MAX_TRACKS:
            self.app.toast(self.app.tr("A CUE file holds 1 to 99 dances. Save a table instead."))
            return
        text, mime = {
            "csv": lambda: (export.as_csv([evening]), "text/csv"),
            "json": lambda: (export.as_json([evening]), "application/json"),
            "cue": lambda: (export.as_cue(evening, self.app.look.dance_name, places), "application/x-cue"),
        }[kind]()
        stem = re.sub(r"[^\w -]", "", self.entry.name).strip() or "evening"
        self.app.save_file(f"whichdance-{stem}-{self.entry.started.astimezone():%Y-%m-%d}.{kind}", mime, text)

    def delete(self) -> None:
        """Ask, then delete."""
        if not self.entry:
            return
        session, tr = self.entry.id, self.app.tr

        def confirmed() -> None:
            self.player.stop()
            if self.app.change_history(lambda: self.app.history.delete(session)):
                self.app.go_back()

        ConfirmSheet(
            tr("All its dances are gone for good, and the sound with them."),
            tr("Delete"),
            confirmed,
            title=tr("Delete this evening?"),
        ).open()
