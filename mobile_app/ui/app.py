"""The app: puts screens, session, history, settings and platform together."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, DictProperty, ListProperty, ObjectProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout
from kivy.uix.screenmanager import FadeTransition, NoTransition, Screen

from mobile_app.core import export, settings
from mobile_app.core.history import MICROPHONE, Entry, History
from mobile_app.core.interfaces import AudioSource, Permission, Platform
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.session import Options, Session, State
from mobile_app.core.settings import Preferences
from mobile_app.core.translations import Translator, clock, mark, supported
from mobile_app.ui.dances import DanceScreen, DancesScreen
from mobile_app.ui.files import FileSheet
from mobile_app.ui.history import HistoryScreen, SessionScreen, when
from mobile_app.ui.listen import ListenScreen
from mobile_app.ui.settings import SettingsScreen
from mobile_app.ui.theme import DANCE_COLOURS, Theme
from mobile_app.ui.widgets import DanceSheet, NavItem
from runtime import Model, ModelError, WhichdanceError
from runtime.dances import DANCE_KEYS, DANCES
from runtime.model import shipped

Builder.load_file(str(Path(__file__).with_name("shell.kv")))

log = logging.getLogger(__name__)

PLACES = (
    ("listen", "mic", mark("Listen")),
    ("history", "history", mark("History")),
    ("dances", "dances", mark("Dances")),
    ("settings", "settings", mark("Settings")),
)
SCREENS: dict[str, type[Screen]] = {
    "listen": ListenScreen,
    "history": HistoryScreen,
    "session": SessionScreen,
    "dances": DancesScreen,
    "dance": DanceScreen,
    "settings": SettingsScreen,
}
PARENTS = {"session": "history", "dance": "dances"}  # where 'back' leads
NO_DANCE = "#8a7f85"
BUZZ_MS = 60


class NavBar(BoxLayout):
    """The four places."""

    rail = BooleanProperty(False)


class Shell(FloatLayout):
    """The window: the screens, and the bar below them or the rail beside them."""

    rail = BooleanProperty(False)
    insets = ListProperty([0, 0, 0, 0])

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bar = NavBar()
        self.bind(size=self.arrange)
        self.arrange()

    def arrange(self, *_: object) -> None:
        """A rail where the window lies or is wide, else a bar."""
        self.rail = self.width > self.height and self.width >= dp(480)
        self.bar.rail = self.rail
        home = self.ids.before if self.rail else self.ids.after
        if self.bar.parent is not home:
            if self.bar.parent:
                self.bar.parent.remove_widget(self.bar)
            home.add_widget(self.bar)


class WhichDanceApp(App):
    """The app.

    Parameters
    ----------
    platform : Platform
        The adapters of this device.
    folder : Path
        Where history, kept sound and settings live.
    source : str, optional
        A recording that plays as if it were the microphone.
    animated : bool
        Screens fade into each other.
    """

    title = "whichdance"
    theme = ObjectProperty()
    tr = ObjectProperty()
    dance_names = DictProperty()

    def __init__(
        self,
        platform: Platform,
        folder: Path,
        *,
        source: str | None = None,
        animated: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        folder.mkdir(parents=True, exist_ok=True)
        self.platform = platform
        self.system = platform.system
        self.history = History(folder)
        self.session: Session | None = None
        self._settings_path = folder / "settings.json"
        self.settings: Preferences = settings.load(self._settings_path)
        self._source = source
        self.animated = animated
        self._models: dict[str, Model] = {}
        self._named: str | None = None  # the dance that the phone last buzzed for
        self._refresh = Clock.create_trigger(self._show_session, 0)
        self.theme = Theme(dark=self._dark(), scale=settings.TEXT_SCALE[self.settings.text_size])
        self._translate()

    # Kivy's life cycle

    def build(self) -> Shell:
        """Make the window's content."""
        shell = Shell()
        self.screens = shell.ids.screens
        self.screens.transition = FadeTransition(duration=0.15) if self.animated else NoTransition()
        self.screen("listen")
        for place, icon, text in PLACES:
            item = NavItem(place=place, icon=icon, text=self.tr(text), chosen=place == "listen")
            item.bind(on_release=lambda item: self.go(item.place))
            shell.bar.add_widget(item)
        self.screens.bind(current=self._mark_place)
        Window.clearcolor = self.theme.background
        return shell

    def on_start(self) -> None:
        """Listen to keys and dropped files; play the recording that stands for the microphone."""
        Window.bind(on_keyboard=self._on_key, on_drop_file=self._on_drop, size=self._inset)
        Window.softinput_mode = "below_target"  # the keyboard must not cover what is being typed
        self._inset()
        if self._source:
            self.listen()

    def on_stop(self) -> None:
        """Save what is going on."""
        Window.unbind(on_keyboard=self._on_key, on_drop_file=self._on_drop, size=self._inset)
        if self.session:
            self.session.stop()
        self.session = None
        self._refresh.cancel()
        self.history.close()

    def on_pause(self) -> bool:
        """The app goes to the background: the microphone belongs to others, the evidence is kept."""
        if self.screens.has_screen("session"):
            self.screen("session").stop_playing()
        if self.session and self.session.draft.source == MICROPHONE:
            self.session.pause(Problem.PAUSED)
            self.session.save()
        return True

    def on_resume(self) -> None:
        """The app is back: go on where it was interrupted."""
        self._apply_look()
        self._inset()
        if self.session and self.session.snapshot.problem is Problem.PAUSED:
            self.resume_listening()

    def _inset(self, *_: object) -> None:
        self.root.insets = self.system.insets()

    def _on_key(self, _: object, key: int, *rest: object) -> bool:
        if key == 27:  # Escape, and Android's way back
            return self.go_back()
        if key == 32 and self.screens.current == "listen":
            self.screen("listen").press()
            return True
        return False

    def _on_drop(self, _: object, name: bytes, *rest: object) -> None:
        self.open_file(name.decode(errors="surrogateescape"))

    # Getting about

    def screen(self, name: str) -> Any:
        """One of the screens; made when it is first wanted, so that the app is there at once."""
        if not self.screens.has_screen(name):
            self.screens.add_widget(SCREENS[name](name=name))
        return self.screens.get_screen(name)

    def go(self, name: str) -> None:
        """Show a screen."""
        self.screen(name)
        self.screens.current = name

    def go_back(self) -> bool:
        """One step up; False where that leads out of the app."""
        parent = PARENTS.get(self.screens.current, "listen")
        if self.screens.current == "listen":
            return False
        self.go(parent)
        return True

    def _mark_place(self, _: object, screen: str) -> None:
        for item in self.root.bar.children:
            item.chosen = item.place == PARENTS.get(screen, screen)

    def show_dance(self, key: str) -> None:
        """The page of one dance."""
        self.screen("dance").key = key
        self.go("dance")

    def show_session(self, session: int) -> None:
        """The page of one session."""
        if self.screen("session").show(session):
            self.go("session")

    def toast(self, text: str) -> None:
        """Say something at the bottom of the window."""
        self.root.ids.toast.say(text)

    # Listening

    def listen(self) -> None:
        """Start a new session with the microphone, asking for permission where that is needed."""
        if self._busy():
            return
        if self._source or self.system.microphone_permission() is Permission.GRANTED:
            self._start(MICROPHONE, self._microphone)
        else:
            self.system.request_microphone(lambda answer: self._post(lambda: self._answered(answer)))

    def _answered(self, answer: Permission) -> None:
        if self._busy():
            return
        if answer is Permission.GRANTED:
            self._start(MICROPHONE, self._microphone)
        else:
            blocked = answer is Permission.BLOCKED
            self.session = self._new_session(MICROPHONE, self._microphone)
            self.session.refuse(Problem.PERMISSION_BLOCKED if blocked else Problem.PERMISSION_REFUSED)

    def _microphone(self) -> AudioSource:
        if self._source:
            from mobile_app.devices.file_source import FileSource

            return FileSource(self._source, speed=1.0)
        return self.platform.microphone()

    def open_file(self, path: str) -> None:
        """Listen to a recording, as fast as the device can."""
        if not self._busy():
            self.go("listen")
            self._start(Path(path).name, lambda: self.platform.file(path))

    def pick_file(self) -> None:
        """Let the user pick a recording."""

        def picked(path: Path | str | None) -> None:
            if path:
                self._post(lambda: self.open_file(str(path)))

        if not self.system.pick_audio(picked):
            music = Path.home() / "Music"
            FileSheet(
                music if music.is_dir() else Path.home(), self.open_file, title=self.tr("Open a file")
            ).open()

    def _busy(self) -> bool:
        return self.session is not None and self.session.snapshot.state in (State.STARTING, State.LISTENING)

    def _new_session(self, name: str, open_source: Callable[[], AudioSource]) -> Session:
        if self.session:
            self.session.stop()
        self._named = None
        return Session(
            open_source,
            self._load_model,
            self.history,
            Options(
                settings.STRIDE_FRAMES[self.settings.update_rate],
                self.settings.sensitivity,
                self.settings.keep_audio,
            ),
            post=self._post,
            on_change=self._refresh,
            source_name=name,
        )

    def _start(self, name: str, open_source: Callable[[], AudioSource]) -> None:
        self.session = self._new_session(name, open_source)
        self.session.start()

    def _load_model(self) -> Model:
        name = self.settings.model
        if name not in self._models:
            try:
                self._models[name] = self.platform.load_model(name)
            except ModelError:
                if not name:
                    raise
                log.warning("model %r can't be loaded; the standard one serves instead", name)
                return self.platform.load_model("")
        return self._models[name]

    def stop_listening(self) -> None:
        """Stop, and keep the result."""
        if self.session:
            self.session.stop()

    def cancel_file(self) -> None:
        """Stop reading a file, and forget it."""
        if self.session:
            self.session.cancel()

    def resume_listening(self) -> None:
        """Go on after a pause."""
        if self.session:
            self.session.resume()

    def _post(self, function: Callable[[], None]) -> None:
        Clock.schedule_once(lambda _: function(), 0)

    def _show_session(self, _: float) -> None:
        session = self.session
        if session is None:
            return
        running = session.snapshot.state in (State.STARTING, State.LISTENING)
        self.system.keep_awake(running and self.settings.keep_awake)
        named = session.snapshot.verdict.dance
        if named and named != self._named and running and self.settings.vibrate:
            self.system.vibrate(BUZZ_MS)
        self._named = named
        self.screen("listen").refresh()

    def permission_blocked(self, problem: Problem | None) -> bool:
        """True where only the system's settings help."""
        return problem is Problem.PERMISSION_BLOCKED

    def open_permission_settings(self) -> None:
        """Open the system's page for this app."""
        self.system.open_permission_settings()

    # History

    def save_unsaved(self) -> None:
        """Save the results that had no room before, if there is room now."""
        try:
            self.history.save_unsaved()
        except StorageError as error:
            log.warning("still no room: %s", error)

    def change_history(self, change: Callable[[], None]) -> None:
        """Change the history, say so if that fails, and show it anew."""
        try:
            change()
        except StorageError as error:
            self.toast(self.tr(error.problem.sentence))
        for name in ("history", "session", "listen"):
            if self.screens.has_screen(name):
                self.screen(name).refresh()

    def correct(self, session: int, truth: str | None) -> None:
        """Note which dance it really was."""
        self.change_history(lambda: self.history.correct(session, truth))

    def ask_dance(self, session: int) -> None:
        """Let the user pick the dance that it really was."""
        entry = self.history.entry(session)
        if entry:
            order = sorted(DANCE_KEYS, key=lambda key: entry.scores.get(key, 0.0), reverse=True)
            DanceSheet(
                order,
                entry.result,
                lambda key: self.correct(session, key),
                title=self.tr("Which dance was it?"),
            ).open()

    def share(self, entry: Entry) -> None:
        """Hand a result to another app, as a sentence."""
        tr = self.tr
        result = self.dance_name(entry.result) if entry.result else tr("Not sure")
        facts = [result]
        if not entry.truth and entry.dance:
            facts.append(tr.percent(entry.confidence))
        facts += [entry.name, when(entry.started, tr), clock(entry.duration)]
        told = self.system.share_text(
            "whichdance", " · ".join(fact for fact in facts if fact) + " (whichdance)"
        )
        if told:
            self.toast(tr(told))

    def export(self, kind: str) -> None:
        """Save the whole history as 'csv' or 'json'."""
        entries = self.history.entries()
        text = export.as_csv(entries) if kind == "csv" else export.as_json(entries)
        name = f"whichdance-{datetime.now():%Y-%m-%d}.{kind}"

        def saved(place: str | None) -> None:
            message = self.tr("Saved: {place}", place=place) if place else self.tr("The file was not saved.")
            self._post(lambda: self.toast(message))

        mime = "text/csv" if kind == "csv" else "application/json"
        self.system.save_file(name, mime, text.encode(), saved)

    # Settings, words and colours

    def change_settings(self, **values: object) -> None:
        """Take over new choices, and keep them."""
        before, self.settings = self.settings, self.settings.changed(**values)
        try:
            settings.save(self.settings, self._settings_path)
        except (OSError, WhichdanceError) as error:
            log.error("settings not saved: %s", error)
            self.toast(self.tr("The storage is full: the setting holds only until the app is closed."))
        self._apply_look()
        if before.language != self.settings.language:
            self._translate()
            self._show_words()
        if self.screens.has_screen("settings"):
            self.screen("settings").mark_values()

    def _dark(self) -> bool:
        if self.settings.theme == "system":
            return self.system.prefers_dark()
        return self.settings.theme == "dark"

    def _apply_look(self) -> None:
        dark = self.theme.dark
        self.theme.apply(dark=self._dark(), scale=settings.TEXT_SCALE[self.settings.text_size])
        Window.clearcolor = self.theme.background
        if dark != self.theme.dark:  # the dances' colours differ a little
            for screen in self.screens.screens:
                screen.refresh()

    def _translate(self) -> None:
        chosen = self.settings.language
        self.tr = Translator(supported(self.system.language()) if chosen == "system" else chosen)
        self.dance_names = {dance.key: self.tr(dance.name) for dance in DANCES}

    def _show_words(self) -> None:
        for item in self.root.bar.children:
            item.text = self.tr(next(text for place, _, text in PLACES if place == item.place))
        for screen in self.screens.screens:
            screen.refresh()

    def dance_name(self, key: str | None) -> str:
        """A dance's name in the present language."""
        return str(self.dance_names[key]) if key else ""

    def dance_colour(self, key: str | None) -> str:
        """A dance's colour; grey for none."""
        return DANCE_COLOURS[self.theme.dark][key] if key else NO_DANCE

    def model_names(self) -> dict[str, str]:
        """Models to choose from: name → words; '' is the standard one."""
        try:
            names = list(shipped())
        except ModelError as error:
            log.warning("no list of models: %s", error)
            names = []
        return {"": self.tr("Standard model")} | {name: name for name in names[1:]}

    def model_detail(self) -> str:
        """What the choice of a model means."""
        return self.tr("The standard model is the best for most music.")
