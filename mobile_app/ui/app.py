"""The app: puts screens, listening, history, settings and device together."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, DictProperty, ListProperty, NumericProperty, ObjectProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout
from kivy.uix.screenmanager import FadeTransition, NoTransition, Screen
from kivy.uix.widget import Widget

from mobile_app.core import settings
from mobile_app.core.history import History
from mobile_app.core.interfaces import Platform
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.records import song_of
from mobile_app.core.search import fold
from mobile_app.core.session import Session, State
from mobile_app.core.settings import Preferences
from mobile_app.core.storage import remove
from mobile_app.core.teacher import Teacher
from mobile_app.core.translations import mark
from mobile_app.ui.about import AboutScreen
from mobile_app.ui.danced import DancedSheet
from mobile_app.ui.dances import DanceScreen, DancesScreen
from mobile_app.ui.evening import EveningScreen
from mobile_app.ui.files import FileSheet
from mobile_app.ui.glyphs import drawable
from mobile_app.ui.history import HistoryScreen
from mobile_app.ui.keyboard import Keyboard, pressable
from mobile_app.ui.line import LineScreen
from mobile_app.ui.listen import ListenScreen
from mobile_app.ui.listening import Listening
from mobile_app.ui.look import Look
from mobile_app.ui.settings import SettingsScreen
from mobile_app.ui.shown import Shown
from mobile_app.ui.widgets import DanceSheet, NavItem, Sheet
from runtime import WhichdanceError
from runtime.dances import DANCES, OTHER
from runtime.taught import SUFFIX

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
    "evening": EveningScreen,
    "line": LineScreen,
    "dances": DancesScreen,
    "dance": DanceScreen,
    "settings": SettingsScreen,
    "about": AboutScreen,
}
PARENTS = {"evening": "history", "line": "history", "dance": "dances", "about": "settings"}  # 'back'
BACKUP_SUFFIX = ".sqlite"
LEARN_SECONDS = 2.0  # after a correction: more may come
LOW = 600  # dp: windows less high have a lower bar


def clear_place(height: float, low: float, high: float, buttons: list[Widget]) -> float | None:
    """The lowest y, px of the window, between two others where something so high covers no button."""
    spans = [(b.to_window(b.x, b.y)[1], b.to_window(b.right, b.top)[1]) for b in buttons]
    for y in sorted([low, *(top + dp(4) for _, top in spans)]):
        if y >= low and y + height <= high and all(y + height <= b or y >= top for b, top in spans):
            return float(y)
    return None


class NavBar(BoxLayout):
    """The four places."""

    rail = BooleanProperty(False)


class Shell(FloatLayout):
    """The window: the screens, and the bar below them or the rail beside them."""

    rail = BooleanProperty(False)
    bar_height = NumericProperty(0)
    insets = ListProperty([0, 0, 0, 0])

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bar = NavBar()
        self.bind(size=self.arrange)
        self.arrange()

    def arrange(self, *_: object) -> None:
        """A rail where the window lies or is wide, else a bar."""
        self.rail = self.width > self.height and self.width >= dp(480)
        self.bar_height = dp(56) if self.height < dp(LOW) else dp(72)
        self.bar.rail = self.rail
        home = self.ids.before if self.rail else self.ids.after
        if self.bar.parent is not home:
            if self.bar.parent:
                self.bar.parent.remove_widget(self.bar)
            home.add_widget(self.bar)

    def dismiss_lasting(self) -> None:
        """The user has read what stays at the top until then."""
        self.ids.lasting.text = ""

    def close_sheets(self) -> None:
        """Close the panels over the screen."""
        for widget in [widget for widget in Window.children if isinstance(widget, Sheet)]:
            widget.dismiss()


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
    shown = ObjectProperty()

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
        with suppress(OSError):  # no room: the history tells
            folder.mkdir(parents=True, exist_ok=True)
        self.system = platform.system
        self.still = self._asks_for_stillness()
        self.animated = animated and not self.still
        self._recording = source
        self._settings_path = folder / "settings.json"
        self.settings: Preferences = settings.load(self._settings_path)
        self.history = History(folder)
        self.teacher = Teacher(folder)
        self.look = Look(self.system, self.settings)
        self.theme, self.shown = self.look.theme, Shown()
        self._take_words()
        self._learn_soon = Clock.create_trigger(lambda _: self.learn(), LEARN_SECONDS)
        self._refresh = Clock.create_trigger(self._show_session, 0)
        self.listening = Listening(
            platform,
            self.history,
            self.look,
            lambda: self.settings,
            self.teacher,
            post=lambda function: Clock.schedule_once(lambda _: function(), 0),
            on_change=self._refresh,
            recording=source,
        )
        self._parents = dict(PARENTS)
        self._over: Session | None = None  # the last session that has ended
        self._show_choices()

    def _asks_for_stillness(self) -> bool:
        try:
            return self.system.reduced_motion()
        except Exception:  # whatever Java throws
            log.exception("the system does not say whether things may move")
            return False

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
        """Listen to keys and dropped files; say what became of a damaged history."""
        self.keyboard = Keyboard(self)
        Window.bind(on_drop_file=self._on_drop, size=self._inset)
        Window.softinput_mode = "below_target"  # the keyboard must not cover what is being typed
        self._inset()
        Clock.schedule_once(self._inset, 1)  # the system's bars may come later than the window
        self._tell_storage()
        self.keep_copy()
        if self._recording or self.system.wants_to_listen():
            self.listening.listen()

    def on_stop(self) -> None:
        """Save what is going on."""
        self.keyboard.close()
        Window.unbind(on_drop_file=self._on_drop, size=self._inset)
        self.listening.close()
        self._refresh.cancel()
        self._learn_soon.cancel()
        self.history.close()

    def on_pause(self) -> bool:
        """The app goes to the background."""
        for name in ("line", "evening"):
            if self.screens.has_screen(name):
                self.screen(name).stop_playing()
        self.listening.to_background()
        return True

    def on_resume(self) -> None:
        """The app is back."""
        self.still = self._asks_for_stillness()
        self._apply_look()
        self._show_choices()
        self._inset()
        self.listening.to_front()

    def _inset(self, *_: object) -> None:
        self.root.insets = self.system.insets()

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
        """One step up; False where that leads out of the app.

        Nobody leaves by mistake: while it listens, the first screen stays.
        """
        if self.screens.current != "listen":
            self.go(self._parents.get(self.screens.current, "listen"))
            return True
        if self.listening.busy:
            self.toast(self.tr("Still listening. Tap the button to stop."))
            return True
        return False

    def _mark_place(self, _: object, screen: str) -> None:
        for item in self.root.bar.children:
            item.chosen = item.place == PARENTS.get(screen, screen)

    def show_dance(self, key: str) -> None:
        """The page of one dance."""
        self.screen("dance").key = key
        self.go("dance")

    def show_line(self, line: int) -> None:
        """The page of one dance that was heard."""
        here = self.screens.current
        if self.screen("line").show(line):
            self._parents["line"] = here if here in ("evening", "listen") else "history"
            self.go("line")

    def show_evening(self, session: int) -> None:
        """The page of one session."""
        if self.screen("evening").show(session):
            self.go("evening")

    def toast(self, text: str) -> None:
        """Say something at the bottom of the window, where it covers no button."""
        toast = self.root.ids.toast
        toast.say(drawable(text))
        toast.texture_update()
        low = dp(12) + (0 if self.root.rail else self.root.bar_height)
        covered = [b for b in pressable(self.root) if not isinstance(b, NavItem)]
        toast.y = clear_place(toast.texture_size[1] + dp(28), low, self.root.height, covered) or low + dp(12)

    def open_sheet(self, sheet: Sheet) -> None:
        """Open a panel over the screen."""
        sheet.open()

    # Listening

    def open_file(self, path: str) -> None:
        """Listen to a recording, as fast as the device can."""
        if not self.listening.busy:
            self.go("listen")
            self.listening.open_file(path)

    def pick_file(self) -> None:
        """Let the user pick a recording."""

        def picked(path: Path | str | None) -> None:
            if path:
                Clock.schedule_once(lambda _: self.open_file(str(path)), 0)

        if not self.system.pick_audio(picked):
            music = Path.home() / "Music"
            folder = music if music.is_dir() else Path.home()
            FileSheet(folder, self.open_file, title=self.tr("Open a file")).open()

    def _show_session(self, _: float) -> None:
        session = self.listening.session
        blocked = session is not None and session.snapshot.problem is Problem.PERMISSION_BLOCKED
        self.shown.fill_from(session, self.look, settings_help=blocked)
        self.screen("listen").refresh()
        if self.screens.current == "evening":
            self.screen("evening").follow(session)
        if session is not None and session is not self._over and session.snapshot.state is State.FINISHED:
            self._over = session
            self.keep_copy()
            self.learn()
        self._tell_storage()

    # History

    def _tell_storage(self) -> None:
        """A damaged history was put aside, or can't be written: say so, once."""
        history, tr = self.history, self.tr
        if history.aside:
            newer = ".newer-" in history.aside
            self.root.ids.lasting.text = (
                tr(
                    "The history comes from a newer version of the app. It is kept as {name}: "
                    "once the app is updated, open it in the settings.",
                    name=history.aside,
                )
                if newer
                else tr(
                    "The history was damaged. It is kept as {name}; {count} of its sessions could be read.",
                    name=history.aside,
                    count=history.salvaged,
                )
            )
            history.told()

    def keep_copy(self) -> None:
        """Copy the history beside itself, now and then, without waiting for it."""
        threading.Thread(target=self.history.keep_copy, name="whichdance-copy", daemon=True).start()

    def save_unsaved(self) -> None:
        """Save the results that had no room before, if there is room now."""
        try:
            self.history.save_unsaved()
        except StorageError as error:
            log.warning("still no room: %s", error)

    def change_history(self, change: Callable[[], None], *, session: int | None = None) -> bool:
        """Change the history, or one session of it; say so if that fails, and show it anew."""
        try:
            change()
        except StorageError as error:
            log.warning("the history was not changed: %s", error)
            self.toast(self.tr(error.problem.of_a_change.sentence))
            return False
        if sessions := self.teacher.sessions:
            self.teacher.keep_only(self.history.songs_of(sessions))
        if self.screens.has_screen("history"):
            self.screen("history").changed(session)
        for name in ("evening", "line", "listen"):
            if self.screens.has_screen(name):
                self.screen(name).refresh()
        if self.screens.current == "settings":
            self.screen("settings").refresh()
        return True

    def correct(self, line: int, truth: str | None) -> None:
        """The user says what a song of the history is; that teaches, too."""
        found = self.history.line(line)
        entry = self.history.entry(found.session) if found else None
        if found is None or entry is None:
            return
        if not self.change_history(lambda: self.history.correct(line, truth), session=found.session):
            return
        if self.settings.learn and self.teacher.correct(song_of(entry.uid, found), truth):
            self._learn_soon()

    def learn(self) -> None:
        """Learn from what was corrected, in the background, as soon as nothing is listened to."""
        if self.settings.learn and not self.listening.busy:
            self.teacher.learn(self.listening.base_model, lambda: Clock.schedule_once(self._learnt, 0))

    def _learnt(self, _: float) -> None:
        if self.root is None:
            return
        if count := self.teacher.learnt:
            self.toast(
                self.tr.plural("Learnt from {count} correction.", "Learnt from {count} corrections.", count)
            )
        self._show_choices()
        if self.screens.has_screen("settings"):
            self.screen("settings").refresh()
        self._learn_soon()  # what was corrected meanwhile

    def give_away(self) -> None:
        """Save what was learnt as a file for others."""
        path = self.history.passing("learnt.whichdance")

        def saved(place: str | None) -> None:
            remove(path)
            message = self.tr("Saved: {place}", place=place) if place else self.tr("The file was not saved.")
            Clock.schedule_once(lambda _: self.toast(message), 0)

        try:
            self.teacher.give_away(path)
        except (OSError, WhichdanceError) as error:
            log.error("what was learnt can't be saved: %s", error)
            saved(None)
            return
        self.system.save_file(
            f"whichdance-{datetime.now():%Y-%m-%d}{SUFFIX}", "application/json", path, saved
        )

    def take_taught(self) -> None:
        """Let the user pick what somebody else has taught, and take it over."""

        def take(path: Path) -> None:
            try:
                self.teacher.take(path, self.listening.base_model())
            except (OSError, WhichdanceError) as error:
                log.warning("a taught file was not taken over: %s", error)
                self.toast(self.tr("This file was not taught for this app, or it is damaged."))
                return
            self.toast(self.tr("The file counts from now on."))
            self._show_choices()
            self.screen("settings").refresh()

        self._pick_document("picked.whichdance", self.tr("Open a taught file"), SUFFIX, take)

    def forget_taught(self) -> None:
        """Corrections, and what was learnt from them and given by others, are gone."""
        self.teacher.forget()
        self._show_choices()
        self.toast(self.tr("What you taught is forgotten."))
        self.screen("settings").refresh()

    def ask_dance(
        self, scores: dict[str, float], chosen: str | None, on_pick: Callable[[str], None], title: str = ""
    ) -> None:
        """Let the user pick the dance that it really is: the likeliest first, then those no model knows."""
        likely = sorted(scores, key=lambda key: -scores[key])
        others = sorted(DANCES.keys() - set(likely), key=lambda key: fold(self.look.dance_name(key)))
        if OTHER not in scores:
            others.append(OTHER)
        title = title or self.tr("Which dance was it?")
        DanceSheet([*likely, *others], chosen, on_pick, title=title).open()

    def _show_choices(self) -> None:
        self.shown.still = self.still or self.settings.still
        self.shown.danced = self.look.danced(self.settings, self.listening.known_dances())

    def ask_danced(self) -> None:
        """Let the user say what is danced here."""
        DancedSheet(self.listening.known_dances(), title=self.tr("What is danced here?")).open()

    def share_text(self, text: str) -> None:
        """Hand a text to another app."""
        told = self.system.share_text("whichdance", text)
        if told:
            self.toast(self.tr(told))

    def save_file(self, name: str, mime: str, content: str | Path) -> None:
        """Save a text, or a file, where the user wants it, and say where."""

        def saved(place: str | None) -> None:
            message = self.tr("Saved: {place}", place=place) if place else self.tr("The file was not saved.")
            Clock.schedule_once(lambda _: self.toast(message), 0)

        self.system.save_file(name, mime, content.encode() if isinstance(content, str) else content, saved)

    def back_up(self) -> None:
        """Save the whole history as a file."""
        path = self.history.passing("backup.sqlite")
        name = f"whichdance-{datetime.now():%Y-%m-%d}{BACKUP_SUFFIX}"

        def saved(place: str | None) -> None:
            remove(path)
            message = self.tr("Saved: {place}", place=place) if place else self.tr("The file was not saved.")
            Clock.schedule_once(lambda _: self.toast(message), 0)

        if self.change_history(lambda: self.history.back_up(path)):
            self.system.save_file(name, "application/vnd.sqlite3", path, saved)

    def restore(self) -> None:
        """Let the user pick a backup, and take it over."""
        self._pick_document("picked.sqlite", self.tr("Restore a backup"), BACKUP_SUFFIX, self._take_over)

    def _pick_document(self, beside: str, title: str, suffix: str, take: Callable[[Path], None]) -> None:
        """Let the user pick a file that is no sound, by the system's dialogue or the app's own list."""
        copy = self.history.passing(beside)

        def taken(path: Path) -> None:
            take(path)
            remove(copy)

        def picked(path: Path | None) -> None:
            if path:
                Clock.schedule_once(lambda _: taken(path), 0)

        if not self.system.pick_document(copy, picked):
            downloads = Path.home() / "Downloads"
            folder = downloads if downloads.is_dir() else Path.home()
            FileSheet(folder, lambda path: taken(Path(path)), suffixes=(suffix,), title=title).open()

    def reopen(self, name: str) -> None:
        """Take over what can be read of a file that was put aside."""
        self._take_over(self.history.path.with_name(name))

    def _take_over(self, path: Path) -> None:
        counts: list[int] = []
        if self.change_history(lambda: counts.append(self.history.restore(path))):
            told = self.tr.plural(
                "{count} session of it is in the history now.",
                "{count} sessions of it are in the history now.",
                counts[0],
            )
            self.toast(told)

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
        if before.learn and not self.settings.learn:
            self.teacher.forget_heard()
        if before.language != self.settings.language:
            self.look.translate(self.settings)
            self._take_words()
            self._show_words()
        if told := self.listening.settings_changed(before):
            self.toast(told)
        self._show_choices()
        if self.screens.has_screen("settings"):
            self.screen("settings").mark_values()

    def _apply_look(self) -> None:
        if self.look.apply(self.settings):  # the dances' colours differ a little
            self._refresh()
            for screen in self.screens.screens:
                screen.refresh()
        Window.clearcolor = self.theme.background

    def _take_words(self) -> None:
        self.tr, self.dance_names = self.look.tr, self.look.dance_names

    def _show_words(self) -> None:
        for item in self.root.bar.children:
            item.text = self.tr(next(text for place, _, text in PLACES if place == item.place))
        self._show_session(0)
        for screen in self.screens.screens:
            screen.refresh()
