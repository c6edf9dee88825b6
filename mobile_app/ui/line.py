"""One dance that was heard: the answer, its rivals, and the place to say what it really was."""

from pathlib import Path
from typing import Any

from kivy.lang import Builder
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, ObjectProperty, StringProperty

from mobile_app.core.history import MICROPHONE
from mobile_app.ui import drawings  # noqa: F401  (line.kv uses its widgets)
from mobile_app.ui.glyphs import drawable
from mobile_app.ui.history import BEFORE_A_BREAK, together, when
from mobile_app.ui.host import host
from mobile_app.ui.session_screen import SessionScreen
from mobile_app.ui.sound import Player
from mobile_app.ui.widgets import ConfirmSheet
from runtime.answer import clock
from runtime.dances import DANCES, OTHER

Builder.load_file(str(Path(__file__).with_name("line.kv")))


class LineScreen(SessionScreen):
    """One line of the history; where it is the only one of its session, with what belongs to that."""

    line = ObjectProperty(None, allownone=True)
    title = StringProperty()
    answer = StringProperty()
    said = StringProperty()
    facts = StringProperty()
    percent = StringProperty()
    confidence = NumericProperty(0)
    color = ColorProperty("#888888")
    alone = BooleanProperty(True)
    known = BooleanProperty(False)  # is there a page about the dance?
    has_audio = BooleanProperty(False)
    playing = BooleanProperty(False)
    can_confirm = BooleanProperty(False)

    def __init__(self, **kwargs: Any) -> None:
        self.app = host()
        super().__init__(**kwargs)
        self.entry = None
        self.sound: tuple[Path, float, float] | None = None  # the file, and where the song is in it, s
        self.player = Player(
            lambda playing: setattr(self, "playing", playing),
            self.app.history.passing("playing.wav"),
        )

    def show(self, line: int) -> bool:
        """Show a line; False if there is none with this id."""
        self.player.stop()
        self.line = self.app.history.line(line)
        if self.line is None:
            return False
        self.ids.scroll.scroll_y = 1
        self.ids.timeline.timeline = self.app.history.timeline(self.line.session)
        self.ids.timeline.version += 1
        self.refresh()
        return True

    def refresh(self, *_: object) -> None:
        """Show the line as it is in the history now."""
        if self.line is None or (line := self.app.history.line(self.line.id)) is None:
            return
        entry = self.app.history.entry(line.session)
        if entry is None:
            return
        tr, look = self.app.tr, self.app.look
        self.line, self.entry = line, entry
        self.alone = len(self.app.history.lines(entry.id)) < 2
        from_file = entry.source != MICROPHONE
        self.title = drawable(entry.name) or (drawable(entry.source) if from_file else tr("Session"))
        self.answer = look.dance_name(line.result) if line.result else tr("Not recognised")
        self.color = look.dance_colour(line.result)
        if line.truth and line.truth == line.best:
            self.said = tr("You confirmed it.")
        elif line.truth and line.best:
            self.said = tr("You corrected it; the app thought of {dance}.", dance=look.dance_name(line.best))
        elif line.best and not line.dance:
            self.said = tr("Closest: {dance}", dance=look.dances((line.best, *line.also[:1])))
        elif line.also:
            self.said = tr("Fits nearly as well: {dances}", dances=look.dances(line.also))
        else:
            self.said = ""
        sure = line.dance is not None and line.result == line.dance
        self.percent = tr.percent(line.confidence) if sure else ""
        self.confidence = line.confidence if sure else 0
        self.can_confirm = line.dance is not None and line.truth is None
        self.known = line.result in DANCES
        facts = [when(line.at, tr), clock(line.end - line.start)]
        facts.append(tr("from a file") if from_file else tr("microphone"))
        if line.tempo_mpm:
            facts.append(tr("{tempo} bars a minute", tempo=round(line.tempo_mpm)))
        # A file's name is often too long for the title.
        named = [drawable(entry.source)] if self.alone and from_file else []
        self.facts = BEFORE_A_BREAK.join([*named, *map(together, facts)])
        self.ids.ranking.show(line.scores)
        self.sound = self.app.history.sound_of(line.id)
        self.has_audio = self.sound is not None

    # What the user does

    def confirm(self) -> None:
        """The app was right."""
        if self.line:
            self._correct(self.line.dance)

    def correct(self) -> None:
        """It was another dance."""
        if self.line:
            keys = self.line.scores or dict.fromkeys((*self.entry.labels, OTHER), 0.0) if self.entry else {}
            self.app.ask_dance(keys, self.line.result, self._correct)

    def _correct(self, truth: str | None) -> None:
        if self.line:
            self.app.correct(self.line.id, truth)

    def toggle_sound(self) -> None:
        """Play the sound of this song, or stop it."""
        path, *span = self.sound or (None, 0.0, 0.0)
        if not self.player.toggle(path, (span[0], span[1])):
            self.app.toast(self.app.tr("The sound can't be played on this device."))

    def about(self) -> None:
        """The page of the dance."""
        if self.line and self.line.result in DANCES:
            self.app.show_dance(self.line.result)

    def evening(self) -> None:
        """The whole set list."""
        if self.line:
            self.app.show_evening(self.line.session)

    def rename(self) -> None:
        """Ask for a name of the session."""
        self.ask_name(self.app.tr("For example: last dance at the ball"))

    def delete(self) -> None:
        """Ask, then delete."""
        if not self.line:
            return
        line, session, tr = self.line.id, self.line.session, self.app.tr

        def confirmed() -> None:
            self.player.stop()
            if self.app.change_history(lambda: self.app.history.delete_line(line)):
                if self.app.history.entry(session):
                    self.app.go_back()
                else:
                    self.app.go("history")

        ConfirmSheet(
            tr("The result is gone for good, and the sound with it.")
            if self.alone
            else tr("The result is gone for good."),
            tr("Delete"),
            confirmed,
            title=tr("Delete this dance?"),
        ).open()

    def share(self) -> None:
        """Hand the result to another app, as a sentence."""
        if self.line is None or self.entry is None:
            return
        tr, line = self.app.tr, self.line
        facts = [self.answer]
        if line.dance and not line.truth:
            facts.append(tr.percent(line.confidence))
        facts += [self.entry.name, when(line.at, tr), clock(line.end - line.start)]
        self.app.share_text(" · ".join(fact for fact in facts if fact) + " (whichdance)")
