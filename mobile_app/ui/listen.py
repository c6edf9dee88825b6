"""The first screen: one big button, then the dance, its rivals, and how it came to be."""

import time
from pathlib import Path
from typing import Any

from kivy.animation import Animation
from kivy.clock import Clock
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import Screen

from mobile_app.core.count import Delay, delay_setting
from mobile_app.core.daytime import time_of_day
from mobile_app.core.history import Heard
from mobile_app.core.session import Session, Snapshot
from mobile_app.core.tap_tempo import TapTempo
from mobile_app.ui import counting, drawings  # noqa: F401  (listen.kv uses their widgets)
from mobile_app.ui.host import host
from mobile_app.ui.widgets import Card, Note, Sheet, TextButton, Touchable, Words
from runtime.answer import clock
from runtime.dances import OTHER, dance

Builder.load_file(str(Path(__file__).with_name("listen.kv")))

ROWS = 4  # of the set list, on the first screen
NOTICEABLE = 0.02  # s that the count is apart from taps
TIGHT = 660  # dp: on screens less high, everything is closer together


class Part(BoxLayout):
    """A part of the screen; `screen` does what its buttons ask for."""

    screen = ObjectProperty(None, allownone=True)
    shown = BooleanProperty(True)
    tight = BooleanProperty(False)


class ListenBar(Part):
    """The app's name, and the way to open a file."""


class Welcome(Part):
    """The big button, before anything was heard."""


class Named(BoxLayout):
    """A dance's name, large, its percentage, and a line on it."""

    text = StringProperty()
    closest = StringProperty()
    closest_size = NumericProperty(19)  # px
    wraps = BooleanProperty(False)
    largest = NumericProperty(40)
    percent = StringProperty()
    confidence = NumericProperty(0)
    color = ColorProperty("#888888")
    hint = StringProperty()
    row = NumericProperty(0)  # px: height of the bar's row
    gap = NumericProperty(0)  # px


class AnswerBox(Part):
    """The dance's name, or two, with how sure the app is."""

    largest = NumericProperty(40)

    room = NumericProperty(800)  # px of height of the screen
    low = BooleanProperty(False)  # little height: a telephone that lies


class Meter(Part):
    """The input level, in bars and in words; the progress of a file."""


class Question(Part):
    """Was that right?"""


class TempoBox(Touchable, BoxLayout):
    """How long it has listened, and the tempo; a tap on it leads to tapping along."""


class SetRow(BoxLayout):
    """A dance of the set list."""

    at = StringProperty()
    text = StringProperty()
    length = StringProperty()
    color = ColorProperty("#888888")
    now = BooleanProperty(False)


class SetList(Card):
    """The last dances of a session that has had several."""

    lines = ObjectProperty(())
    saved = NumericProperty(0)  # the session's row in the history

    def show(self, lines: tuple[Heard, ...], saved: int | None, *, goes_on: bool, count: int = ROWS) -> None:
        """Show the last `count` songs of a set list, the newest first; one song alone is none."""
        look = host().look
        shown = lines[: -count - 1 : -1] if len(lines) > 1 else ()
        self.saved = saved or 0
        self.lines = shown
        rows = self.ids.rows
        while len(rows.children) > len(shown):
            rows.remove_widget(rows.children[0])
        while len(rows.children) < len(shown):
            rows.add_widget(SetRow())
        for row, line in zip(reversed(rows.children), shown, strict=True):
            dance = line.truth or line.dance
            row.at = time_of_day(line.at)
            row.text = look.dance_name(dance) if dance else look.tr("Not recognised")
            row.length = clock(line.end - line.start)
            row.color = look.dance_colour(dance)
            row.now = goes_on and line is lines[-1]


class SessionView(Part):
    """A session that goes on, or its result."""

    wide = BooleanProperty(False)  # two columns
    over = BooleanProperty(False)  # an evening is over: its set list matters, not the last ranking
    push = NumericProperty(0)  # px that the set list is pushed down, below the fold


class TapSheet(Sheet):
    """Tap along: the tempo that a foot feels, beside the one that the app measures."""

    def __init__(self, measured: str, beats_per_bar: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        tr = self.app.tr
        self._beats = beats_per_bar
        self._tempo = TapTempo()
        self._delay = Delay()
        self.told = Words(text=tr("Tap the button at every beat."), halign="center")
        self.pad = TextButton(text=tr("Tap"), kind="filled", size_hint=(1, None), height=dp(120))
        self.pad.bind(on_press=lambda _: self.tap(time.monotonic()))
        self.add(self.told, self.pad)
        if measured:
            self.add(Note(text=tr("Measured: {tempo}", tempo=measured), halign="center"))
        self.match = TextButton(
            text=tr("Match the count to my taps"), pos_hint={"center_x": 0.5}, shown=False
        )
        self.match.bind(on_release=lambda _: self.match_count())
        self.ids.panel.fbind("width", self.match.setter("room"))
        self.add(self.match)
        self.add_buttons((tr("Done"), "plain", self.dismiss))

    def tap(self, seconds: float) -> None:
        """The button was tapped at a time."""
        session = self.app.listening.session
        beat = self.app.screen(
            "listen"
        ).view.ids.counting.seen  # what the eye has, the screen's time included
        self._delay.tap(seconds, beat or (session.snapshot.pulse if session else None))
        late = self._delay.seconds
        self.match.shown = late is not None and abs(late) >= NOTICEABLE
        bpm = self._tempo.tap(seconds)
        if bpm is None:
            return
        tr = self.app.tr
        told = tr("{tempo} beats a minute", tempo=round(bpm))
        if self._beats:
            told += "  ·  " + tr("{tempo} bars a minute", tempo=self.app.tr.decimal(bpm / self._beats))
        self.told.text = told

    def match_count(self) -> None:
        """The count is to come with the taps."""
        late = self._delay.seconds
        if late is not None:
            before = self.app.settings.count_delay
            self.app.change_settings(count_delay=delay_setting(before, late))
            self._delay, self.match.shown = Delay(), False
            self.app.toast(self.app.tr("The count comes with your taps now."))


class ListenScreen(Screen):
    """Listens when the button is tapped; the same view serves a recording."""

    def __init__(self, **kwargs: Any) -> None:
        self.app = host()
        super().__init__(**kwargs)
        self._n_segments = 0
        self._rows: tuple[tuple[Heard, ...], int | None, bool] = ((), None, False)
        self._shown_at = 0.0
        self.welcome = Welcome(screen=self)
        self.view = SessionView(screen=self)
        arrange = Clock.create_trigger(self.arrange, -1)
        fit = Clock.create_trigger(self.fit_set_list, -1)
        self.bind(size=arrange)
        for part in (self.view.ids.scroll, self.view.ids.right_scroll):
            part.bind(height=fit)
        for part in (self.view.ids.upper, self.view.ids.evidence):
            part.bind(minimum_height=fit)
        self.app.shown.bind(mode=arrange)
        self.app.theme.bind(body=arrange)
        Clock.schedule_interval(self.tick, 1 / 30)
        self.refresh()
        self.arrange()

    @property
    def timeline(self) -> drawings.TimelineView:
        """The drawing of the scores over time."""
        return self.view.ids.timeline

    @property
    def wide(self) -> bool:
        """Are there two columns?"""
        return bool(self.view.wide)

    def arrange(self, *_: object) -> None:
        """One column upright, two columns lying or on a tablet; the button alone before the first session."""
        holder, wanted = self.ids.holder, self.welcome if self.app.shown.mode == "idle" else self.view
        if wanted not in holder.children:
            holder.clear_widgets()
            holder.add_widget(wanted)
            wanted.opacity = 0
            Animation(opacity=1, duration=0.2).start(wanted)
        # Two columns need room for the words in each.
        room = max(dp(480), 30 * self.app.theme.body)
        wide = self.width > self.height * 1.1 and self.width >= room
        self.view.wide, self.view.tight = wide, not wide and self.height < dp(TIGHT)
        view, controls = self.view.ids, self.view.ids.controls
        home = view.left if wide else view.outer
        if controls.parent is not home:
            controls.parent.remove_widget(controls)
            home.add_widget(controls)
        # What went wrong comes right after the answer, never before it: the answer stays in sight.
        below_answer = view.upper.children.index(view.question) + 1
        banner_home, place = (view.right, 1) if wide else (view.upper, below_answer)
        if view.banner.parent is not banner_home:
            view.banner.parent.remove_widget(view.banner)
            banner_home.add_widget(view.banner, index=place)
        evidence_home = view.right_scroll if wide else view.upper
        if view.evidence.parent is not evidence_home:
            view.evidence.parent.remove_widget(view.evidence)
            evidence_home.add_widget(view.evidence)

    def refresh(self, *_: object) -> None:
        """Show the session as it is now, beyond what `app.shown` says."""
        session = self.app.listening.session
        snapshot = session.snapshot if session else Snapshot()
        self._shown_at = Clock.get_boottime()
        done = self.app.shown.mode == "done"
        self.view.over = done and len(snapshot.lines) > 1
        scores = snapshot.prediction.scores if snapshot.prediction else {}
        if done and len(snapshot.lines) == 1:
            scores = snapshot.lines[0].scores
        self.view.ids.candidates.show(scores)
        self._rows = (snapshot.lines, snapshot.saved, not done)
        self.fit_set_list()
        self._show_timeline(session, snapshot)
        self._show_question(snapshot, done=done)

    def fit_set_list(self, *_: object) -> None:
        """As many rows as there is room for: the edge of the screen never cuts through one.

        Where there is room for none, all of them begin below it, and are scrolled to.
        """
        view, setlist = self.view.ids, self.view.ids.setlist
        lines, saved, goes_on = self._rows
        if len(lines) < 2:
            setlist.show(lines, saved, goes_on=goes_on)
            self.view.push = 0
            return
        row = self.app.theme.body * 1.25 + dp(10)  # as in listen.kv
        frame = dp(16) + max(dp(48), self.app.theme.body * 1.4 + dp(16))  # its padding, and its button
        if self.wide:
            height, content = view.right_scroll.height, view.evidence.size_hint_min_y
        else:
            height, content = view.scroll.height, view.upper.minimum_height
        room = height - (content - self.view.push - setlist.height)
        count = int((room - frame) / row)
        self.view.push = max(0, room) if count < 1 else 0
        setlist.show(lines, saved, goes_on=goes_on, count=min(ROWS, count) if count >= 1 else ROWS)

    def _show_timeline(self, session: Session | None, snapshot: Snapshot) -> None:
        view = self.timeline
        if session is None or view.timeline is not session.timeline:
            view.timeline, view.whole = session.timeline if session else None, False
        if session and len(session.timeline) != self._n_segments:
            self._n_segments = len(session.timeline)
            view.version += 1
        if snapshot.prediction:
            view.delay = snapshot.prediction.segment_seconds
        if self.app.shown.mode != "running" or self.app.shown.file_name:
            view.now, view.whole = -1, False

    def _line(self, snapshot: Snapshot) -> int | None:
        """The row of the one dance of a session, once it is saved."""
        if snapshot.saved is None or len(snapshot.lines) != 1:
            return None
        lines = self.app.history.lines(snapshot.saved)
        return lines[0].id if len(lines) == 1 else None

    def _show_question(self, snapshot: Snapshot, *, done: bool) -> None:
        shown, tr, look = self.app.shown, self.app.tr, self.app.look
        shown.answered = shown.can_confirm = False
        shown.question = ""
        shown.tellable = shown.mode == "running" and not shown.file_name and snapshot.prediction is not None
        if not done or snapshot.prediction is None or self.view.over:
            return
        line = self._line(snapshot)
        stored = self.app.history.line(line) if line else None
        if stored and stored.truth:
            shown.answered = True
            shown.question = tr("Noted: it was {dance}.", dance=look.dance_name(stored.truth))
        elif stored and stored.dance:
            shown.can_confirm = True
            shown.question = tr("Was that right?")
        elif stored:
            shown.question = tr("What was it?")

    def tick(self, _: float) -> None:
        """Let the timeline scroll between two updates."""
        session, shown = self.app.listening.session, self.app.shown
        if shown.mode == "running" and not shown.file_name and session:
            behind = (
                0.0
                if self.app.settings.thrifty or shown.still
                else min(0.5, Clock.get_boottime() - self._shown_at)
            )
            self.timeline.now = session.snapshot.elapsed + behind

    # What the user does

    def press(self) -> None:
        """The big button: listen, stop, go on, or listen again."""
        listening = self.app.listening
        action = {
            "idle": listening.listen,
            "done": listening.listen,
            "paused": listening.resume,
            "running": listening.cancel if self.app.shown.file_name else listening.stop,
        }[self.app.shown.mode]
        action()

    def confirm(self) -> None:
        """The app was right."""
        session = self.app.listening.session
        if session and session.snapshot.lines:
            self._told(session.snapshot.lines[0].dance)

    def correct(self) -> None:
        """It was another dance."""
        session = self.app.listening.session
        if session and session.snapshot.prediction:
            line = self._line(session.snapshot)
            stored = self.app.history.line(line) if line else None
            scores = dict(stored.scores if stored else session.snapshot.prediction.scores)
            self.app.ask_dance(scores, stored.result if stored else None, self._told)

    def tell(self) -> None:
        """While it listens: the user knows what plays."""
        session = self.app.listening.session
        if session and session.snapshot.prediction:
            lines, scores = session.snapshot.lines, dict(session.snapshot.prediction.scores)
            truth = lines[-1].truth if lines else None

            def told(key: str) -> None:
                session.tell(key)
                self.app.toast(self.app.tr("Noted: {dance}.", dance=self.app.look.dance_name(key)))

            self.app.ask_dance(scores, truth, told, self.app.tr("It is …"))

    def _told(self, truth: str | None) -> None:
        session = self.app.listening.session
        if session is None or truth is None:
            return
        line = self._line(session.snapshot)
        if line is not None:
            self.app.correct(line, truth)

    def tap_tempo(self) -> None:
        """Tap along."""
        session = self.app.listening.session
        key = session.snapshot.answer.dance if session else None
        beats = dance(key).beats_per_bar if key and key != OTHER else None
        TapSheet(self.app.shown.tempo, beats, title=self.app.tr("Tap the tempo")).open()
