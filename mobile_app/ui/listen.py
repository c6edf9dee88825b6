"""The first screen: one big button, then the dance, its rivals, and how it came to be."""

from pathlib import Path
from typing import Any

from kivy.animation import Animation
from kivy.app import App
from kivy.clock import Clock
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import Screen

from mobile_app.core.history import MICROPHONE
from mobile_app.core.level import Advice
from mobile_app.core.session import Session, Snapshot, State
from mobile_app.core.translations import clock
from mobile_app.core.verdict import Certainty
from mobile_app.ui import drawings
from runtime.dances import DANCE_KEYS, dance

Builder.load_file(str(Path(__file__).with_name("listen.kv")))

CANDIDATES = 4  # rows of the ranking


class Candidate(BoxLayout):
    """One line of the ranking: swatch, name, bar, percentage."""

    text = StringProperty()
    percent = StringProperty()
    value = NumericProperty(0)
    color = ColorProperty("#888888")
    stacked = BooleanProperty(False)

    def on_stacked(self, _: object, stacked: bool) -> None:
        """Put the bar below the words, or back between them."""
        bar = self.ids.bar
        bar.parent.remove_widget(bar)
        if stacked:
            self.add_widget(bar)
        else:
            self.ids.row.add_widget(bar, index=1)


class Part(BoxLayout):
    """A part of the screen, which it reads from."""

    screen = ObjectProperty(None, allownone=True, rebind=True)
    shown = BooleanProperty(True)


class ListenBar(Part):
    """The app's name, and the way to open a file."""


class Welcome(Part):
    """The big button, before anything was heard."""


class AnswerBox(Part):
    """The dance's name, large, with how sure the app is."""

    low = BooleanProperty(False)  # little height: a telephone that lies


class Meter(Part):
    """The input level, in bars and in words; the progress of a file."""


class Question(Part):
    """Was that right?"""


class SessionView(Part):
    """A session that goes on, or its result."""


class ListenScreen(Screen):
    """Listens when the button is tapped; the same view serves a recording.

    `mode` says what is shown: the button alone, a session that goes on, one that waits, or a result.
    """

    mode = OptionProperty("idle", options=["idle", "running", "paused", "done"])
    wide = BooleanProperty(False)
    file_name = StringProperty()  # '' for the microphone
    progress = NumericProperty(0)
    banner = StringProperty()
    serious = BooleanProperty(False)
    settings_help = BooleanProperty(False)
    certainty = StringProperty()
    answer = StringProperty()
    hint = StringProperty()
    percent = StringProperty()
    confidence = NumericProperty(0)
    color = ColorProperty("#888888")
    advice = StringProperty()
    advice_kind = OptionProperty("muted", options=["muted", "good", "warn"])
    level = NumericProperty(0)
    elapsed = StringProperty()
    tempo = StringProperty()
    fill = NumericProperty(0)
    question = StringProperty()  # '' where there is nothing to confirm
    answered = BooleanProperty(False)

    def __init__(self, **kwargs: Any) -> None:
        self.app = App.get_running_app()
        super().__init__(**kwargs)
        self._n_segments = 0
        self._shown_at = 0.0
        self.welcome = Welcome(screen=self)
        self.view = SessionView(screen=self)
        self.candidates = [Candidate() for _ in range(CANDIDATES)]
        for row in self.candidates:
            self.view.ids.candidates.add_widget(row)
        arrange = Clock.create_trigger(self.arrange, -1)
        self.bind(size=arrange, mode=arrange)
        self.app.theme.bind(body=arrange)
        Clock.schedule_interval(self.tick, 1 / 30)
        self.refresh()
        self.arrange()

    @property
    def timeline(self) -> drawings.TimelineView:
        """The drawing of the scores over time."""
        return self.view.ids.timeline

    def arrange(self, *_: object) -> None:
        """One column upright, two columns lying or on a tablet; the button alone before the first session."""
        holder, wanted = self.ids.holder, self.welcome if self.mode == "idle" else self.view
        if wanted not in holder.children:
            holder.clear_widgets()
            holder.add_widget(wanted)
            wanted.opacity = 0
            Animation(opacity=1, duration=0.2).start(wanted)
        # Two columns need room for the words in each.
        room = max(dp(480), 30 * self.app.theme.body)
        self.wide = self.width > self.height * 1.1 and self.width >= room
        view, controls = self.view.ids, self.view.ids.controls
        home = view.left if self.wide else view.outer
        if controls.parent is not home:
            controls.parent.remove_widget(controls)
            home.add_widget(controls)
        # What went wrong comes right after the answer, never before it: the answer stays in sight.
        below_answer = view.upper.children.index(view.question) + 1
        banner_home, place = (view.right, 1) if self.wide else (view.upper, below_answer)
        if view.banner.parent is not banner_home:
            view.banner.parent.remove_widget(view.banner)
            banner_home.add_widget(view.banner, index=place)
        evidence_home = view.right_scroll if self.wide else view.upper
        if view.evidence.parent is not evidence_home:
            view.evidence.parent.remove_widget(view.evidence)
            evidence_home.add_widget(view.evidence)

    def refresh(self, *_: object) -> None:
        """Show the session as it is now."""
        session: Session | None = self.app.session
        snapshot = session.snapshot if session else Snapshot()
        self._shown_at = Clock.get_boottime()
        heard = session is not None and len(session.timeline) > 0
        modes = {State.IDLE: "idle", State.STARTING: "running", State.LISTENING: "running"}
        modes |= {State.PAUSED: "paused", State.FINISHED: "done" if heard else "idle"}
        self.mode = modes[snapshot.state]
        from_file = session is not None and session.draft.source != MICROPHONE
        self.file_name = session.draft.source if session and from_file else ""
        self.progress = snapshot.progress or 0
        told = snapshot.problem or snapshot.notice
        self.banner = self.app.tr(told.sentence) if told else ""
        self.serious = snapshot.problem is not None
        self.settings_help = self.app.permission_blocked(snapshot.problem)
        self._show_answer(snapshot)
        self._show_ranking(snapshot)
        self._show_level(snapshot)
        self._show_timeline(session, snapshot)
        self._show_question(session)

    def _show_answer(self, snapshot: Snapshot) -> None:
        tr, verdict = self.app.tr, snapshot.verdict
        listening = snapshot.state is not State.FINISHED
        self.confidence = verdict.confidence if verdict.dance else 0
        self.percent = tr.percent(verdict.confidence) if verdict.dance else ""
        self.color = self.app.dance_colour(verdict.dance)
        if verdict.dance:
            found = dance(verdict.dance)
            self.certainty, self.answer = tr(verdict.certainty.value), self.app.dance_name(verdict.dance)
            self.hint = tr(
                "{metre} time, {low}–{high} bars a minute",
                metre=found.metre,
                low=round(found.mpm_min),
                high=round(found.mpm_max),
            )
        elif verdict.certainty is Certainty.NOT_SURE:
            self.certainty = tr("Still listening…") if listening else ""
            self.answer, self.hint = tr("Not sure"), tr("None of the ten dances stands out.")
        else:
            self.certainty, self.answer = "", tr("Listening…") if listening else ""
            self.hint = tr("Hold the phone up to the music. The first answer takes about six seconds.")

    def _show_ranking(self, snapshot: Snapshot) -> None:
        scores = snapshot.prediction.scores if snapshot.prediction else {}
        ranked = sorted(DANCE_KEYS, key=lambda key: scores.get(key, 0.0), reverse=True)
        for row, key in zip(self.candidates, ranked, strict=False):
            row.text = self.app.dance_name(key) if scores else ""
            row.value = scores.get(key, 0.0)
            row.percent = self.app.tr.percent(row.value) if scores else ""
            row.color = self.app.dance_colour(key if scores else None)
            row.opacity = 1 if scores else 0.35  # before the first result: where it will be

    def _show_level(self, snapshot: Snapshot) -> None:
        advice = snapshot.level.advice
        self.advice = self.app.tr(advice.value)
        self.advice_kind = {Advice.GOOD: "good", Advice.WAIT: "muted"}.get(advice, "warn")
        self.level = snapshot.level.fraction
        self.elapsed = clock(snapshot.elapsed)
        tempo = snapshot.tempo_mpm
        self.tempo = self.app.tr("{tempo} bars a minute", tempo=round(tempo)) if tempo else ""
        waiting = snapshot.state is State.LISTENING and not snapshot.prediction and snapshot.first_after
        self.fill = min(1.0, snapshot.elapsed / snapshot.first_after) if waiting else 0

    def _show_timeline(self, session: Session | None, snapshot: Snapshot) -> None:
        view = self.timeline
        if session is None or view.timeline is not session.timeline:
            view.timeline, view.whole = session.timeline if session else None, False
        if session and len(session.timeline) != self._n_segments:
            self._n_segments = len(session.timeline)
            view.version += 1
        if snapshot.prediction:
            view.delay = snapshot.prediction.segment_seconds
        if self.mode != "running" or self.file_name:
            view.now, view.whole = -1, False

    def _show_question(self, session: Session | None) -> None:
        entry = None
        if session and self.mode == "done" and session.draft.id is not None:
            entry = self.app.history.entry(session.draft.id)
        self.answered = entry is not None and entry.truth is not None
        if entry is None:
            self.question = ""
        elif entry.truth:
            self.question = self.app.tr("Noted: it was {dance}.", dance=self.app.dance_name(entry.truth))
        else:
            self.question = self.app.tr("Was that right?") if entry.dance else self.app.tr("What was it?")

    def tick(self, _: float) -> None:
        """Let the timeline scroll between two updates."""
        session = self.app.session
        if self.mode == "running" and not self.file_name and session:
            behind = min(0.5, Clock.get_boottime() - self._shown_at)
            self.timeline.now = session.snapshot.elapsed + behind

    # What the user does

    def press(self) -> None:
        """The big button: listen, stop, go on, or listen again."""
        action = {
            "idle": self.app.listen,
            "done": self.app.listen,
            "paused": self.app.resume_listening,
            "running": self.app.cancel_file if self.file_name else self.app.stop_listening,
        }[self.mode]
        action()

    def confirm(self) -> None:
        """The app was right."""
        session = self.app.session
        if session and session.draft.id is not None:
            self.app.correct(session.draft.id, session.draft.best)

    def correct(self) -> None:
        """It was another dance."""
        session = self.app.session
        if session and session.draft.id is not None:
            self.app.ask_dance(session.draft.id)
