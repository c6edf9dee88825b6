"""What was listened to: the list, and one session with all that can be done to it."""

from datetime import datetime
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.core.audio import SoundLoader
from kivy.lang import Builder
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview.views import RecycleDataViewBehavior
from kivy.uix.screenmanager import Screen

from mobile_app.core.history import MICROPHONE, Entry
from mobile_app.core.translations import Translator, clock, mark
from mobile_app.ui import drawings  # noqa: F401  (history.kv uses its widgets)
from mobile_app.ui.widgets import ConfirmSheet, Sheet, TextSheet, Touchable
from runtime.dances import DANCE_KEYS

Builder.load_file(str(Path(__file__).with_name("history.kv")))

DATE = mark("{year}-{month:02}-{day:02} {hour:02}:{minute:02}")


def when(started: datetime, tr: Translator) -> str:
    """Date and time of day, the user's zone, the way the language writes it."""
    local = started.astimezone()
    days = (datetime.now().astimezone().date() - local.date()).days
    if days in (0, 1):
        return (
            tr("Today, {time}", time=f"{local:%H:%M}")
            if days == 0
            else tr("Yesterday, {time}", time=f"{local:%H:%M}")
        )
    fields = {name: getattr(local, name) for name in ("year", "month", "day", "hour", "minute")}
    return tr(DATE, **fields)


class SessionRow(RecycleDataViewBehavior, Touchable, BoxLayout):
    """A session in the list."""

    session = NumericProperty(0)
    text = StringProperty()
    detail = StringProperty()
    named = StringProperty()
    percent = StringProperty()
    value = NumericProperty(0)
    color = ColorProperty("#888888")
    checked = BooleanProperty(False)


class HistoryScreen(Screen):
    """All sessions, the newest first."""

    rows = ListProperty()
    any_named = BooleanProperty(False)
    waiting = StringProperty()

    def __init__(self, **kwargs: Any) -> None:
        self.app = App.get_running_app()
        super().__init__(**kwargs)
        self.refresh()

    def on_pre_enter(self, *_: object) -> None:
        """Look again whenever the screen is entered."""
        self.app.save_unsaved()
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Read the history anew."""
        self.rows = [self._row(entry) for entry in self.app.history.entries()]
        self.any_named = any(row["named"] for row in self.rows)
        unsaved = self.app.history.unsaved
        self.waiting = (
            self.app.tr.plural(
                "{count} result waits for free storage.", "{count} results wait for free storage.", unsaved
            )
            if unsaved
            else ""
        )

    def _row(self, entry: Entry) -> dict[str, object]:
        tr = self.app.tr
        result = self.app.dance_name(entry.result) if entry.result else tr("Not sure")
        named = entry.name or (entry.source if entry.source != MICROPHONE else "")
        return {
            "session": entry.id,
            "text": result,
            "detail": f"{when(entry.started, tr)}  ·  {clock(entry.duration)}",
            "named": named,
            "percent": tr.percent(entry.confidence) if not entry.truth else "",
            "value": entry.confidence,
            "color": self.app.dance_colour(entry.result),
            "checked": entry.truth is not None,
        }

    def ask_export(self) -> None:
        """CSV or JSON?"""
        tr = self.app.tr
        sheet = Sheet(title=tr("Save the history as a file"))
        for kind in ("csv", "json"):

            def save(kind: str = kind) -> None:
                sheet.dismiss()
                self.app.export(kind)

            label = tr("Table (CSV)") if kind == "csv" else tr("Data (JSON)")
            sheet.add_buttons((label, "tonal", save))
        sheet.open()


class SessionScreen(Screen):
    """One session: result, ranking, course over time, and what the user can do."""

    entry = ObjectProperty(None, allownone=True)
    title = StringProperty()
    answer = StringProperty()
    said = StringProperty()
    facts = StringProperty()
    percent = StringProperty()
    confidence = NumericProperty(0)
    color = ColorProperty("#888888")
    ranking = ListProperty()
    has_audio = BooleanProperty(False)
    playing = BooleanProperty(False)
    can_confirm = BooleanProperty(False)

    def __init__(self, **kwargs: Any) -> None:
        self.app = App.get_running_app()
        super().__init__(**kwargs)
        self._sound: Any = None

    def show(self, session: int) -> bool:
        """Show a session; False if there is none with this id."""
        self.stop_playing()
        self.entry = self.app.history.entry(session)
        if self.entry is None:
            return False
        self.ids.timeline.timeline = self.app.history.timeline(session)
        self.ids.timeline.version += 1
        self.refresh()
        return True

    def refresh(self, *_: object) -> None:
        """Show the session as it is in the history now."""
        if self.entry is None or (entry := self.app.history.entry(self.entry.id)) is None:
            return
        tr, name = self.app.tr, self.app.dance_name
        self.entry = entry
        from_file = entry.source != MICROPHONE
        self.title = entry.name or (entry.source if from_file else tr("Session"))
        self.answer = name(entry.result) if entry.result else tr("Not sure")
        self.color = self.app.dance_colour(entry.result)
        if entry.truth and entry.truth == entry.best:
            self.said = tr("You confirmed it.")
        elif entry.truth and entry.best:
            self.said = tr("You corrected it; the app thought of {dance}.", dance=name(entry.best))
        elif entry.best and not entry.dance:
            self.said = tr("Closest: {dance}", dance=name(entry.best))
        else:
            self.said = ""
        self.percent = tr.percent(entry.confidence) if entry.result == entry.best else ""
        self.confidence = entry.confidence if entry.result == entry.best else 0
        self.can_confirm = entry.dance is not None and entry.truth is None
        named = [text for text in (entry.name, entry.source if from_file else "") if text]
        facts = [*named, when(entry.started, tr), clock(entry.duration)]
        facts.append(tr("from a file") if from_file else tr("microphone"))
        if entry.tempo_mpm:
            facts.append(tr("{tempo} bars a minute", tempo=round(entry.tempo_mpm)))
        self.facts = "  ·  ".join(facts)
        ranked = sorted(DANCE_KEYS, key=lambda key: entry.scores.get(key, 0.0), reverse=True)[:4]
        self.ids.ranking.clear_widgets()
        from mobile_app.ui.listen import Candidate

        for key in ranked:
            score = entry.scores.get(key, 0.0)
            row = Candidate(
                text=name(key), value=score, percent=tr.percent(score), color=self.app.dance_colour(key)
            )
            self.ids.ranking.add_widget(row)
        self.has_audio = self.app.history.audio_path(entry.id) is not None

    # What the user does

    def confirm(self) -> None:
        """The app was right."""
        if self.entry:
            self.app.correct(self.entry.id, self.entry.best)

    def correct(self) -> None:
        """It was another dance."""
        if self.entry:
            self.app.ask_dance(self.entry.id)

    def rename(self) -> None:
        """Ask for a name."""
        if not self.entry:
            return
        session = self.entry.id

        def done(name: str) -> None:
            self.app.change_history(lambda: self.app.history.rename(session, name))

        tr = self.app.tr
        TextSheet(self.entry.name, tr("For example: last dance at the ball"), done, title=tr("Name")).open()

    def delete(self) -> None:
        """Ask, then delete."""
        if not self.entry:
            return
        session, tr = self.entry.id, self.app.tr

        def confirmed() -> None:
            self.stop_playing()
            self.app.change_history(lambda: self.app.history.delete(session))
            self.app.go_back()

        ConfirmSheet(
            tr("The result is gone for good, and the sound with it."),
            tr("Delete"),
            confirmed,
            title=tr("Delete this session?"),
        ).open()

    def share(self) -> None:
        """Hand the result to another app."""
        if self.entry:
            self.app.share(self.entry)

    def toggle_sound(self) -> None:
        """Play the kept sound, or stop it."""
        if self.playing:
            self.stop_playing()
        elif self.entry and (path := self.app.history.audio_path(self.entry.id)):
            self._sound = SoundLoader.load(str(path))
            if self._sound is None:
                self.app.toast(self.app.tr("The sound can't be played on this device."))
                return
            self._sound.bind(on_stop=lambda *_: setattr(self, "playing", False))
            self._sound.play()
            self.playing = True

    def stop_playing(self) -> None:
        """Stop the sound, if it plays."""
        sound, self._sound = self._sound, None
        if sound:
            sound.stop()
            sound.unload()
        self.playing = False

    def delete_sound(self) -> None:
        """Ask, then delete the kept sound only."""
        if not self.entry:
            return
        session, tr = self.entry.id, self.app.tr

        def confirmed() -> None:
            self.stop_playing()
            self.app.change_history(lambda: self.app.history.delete_audio(session))

        ConfirmSheet(
            tr("The result stays, only the sound is deleted."),
            tr("Delete the sound"),
            confirmed,
            title=tr("Delete the sound?"),
        ).open()

    def on_leave(self, *_: object) -> None:
        """The sound stops with the screen."""
        self.stop_playing()
