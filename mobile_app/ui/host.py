"""The typed way for screens and widgets to reach the app that they are part of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from kivy.app import App
from kivy.uix.widget import Widget

from mobile_app.core.history import History
from mobile_app.core.interfaces import System
from mobile_app.core.settings import Preferences
from mobile_app.core.teacher import Teacher
from mobile_app.core.translations import Translator
from mobile_app.ui.listening import Listening
from mobile_app.ui.look import Look
from mobile_app.ui.shown import Shown
from mobile_app.ui.theme import Theme


class Host(Protocol):
    """What the app offers to its screens."""

    root: Any  # the window's content, of this app's own kind
    animated: bool
    still: bool  # the user has asked the system for less that moves
    theme: Theme
    tr: Translator
    look: Look
    settings: Preferences
    system: System
    history: History
    teacher: Teacher
    listening: Listening
    shown: Shown

    def bind(self, **callbacks: Callable[..., object]) -> None:
        """As in Kivy."""

    def screen(self, name: str) -> Any:
        """One of the screens."""

    def go(self, name: str) -> None:
        """Show a screen."""

    def go_back(self) -> bool:
        """One step up; False where that leads out of the app."""

    def show_dance(self, key: str) -> None:
        """The page of one dance."""

    def show_line(self, line: int) -> None:
        """The page of one dance that was heard."""

    def show_evening(self, session: int) -> None:
        """The page of one session."""

    def toast(self, text: str) -> None:
        """Say something at the bottom of the window."""

    def open_sheet(self, sheet: Widget) -> None:
        """Open a panel over the screen."""

    def pick_file(self) -> None:
        """Let the user pick a recording."""

    def save_unsaved(self) -> None:
        """Save the results that had no room before."""

    def change_history(self, change: Callable[[], None], *, session: int | None = None) -> bool:
        """Change the history, or one session of it; say so if that fails."""

    def ask_dance(
        self, scores: dict[str, float], chosen: str | None, on_pick: Callable[[str], None], title: str = ""
    ) -> None:
        """Let the user pick a dance, any that there is; the likeliest first."""

    def correct(self, line: int, truth: str | None) -> None:
        """The user says what a song of the history is; that teaches, too."""

    def give_away(self) -> None:
        """Save what was learnt as a file for others."""

    def take_taught(self) -> None:
        """Let the user pick what somebody else has taught, and take it over."""

    def forget_taught(self) -> None:
        """Corrections, and what was learnt from them, are gone."""

    def change_settings(self, **values: object) -> None:
        """Take over new choices, and keep them."""

    def save_file(self, name: str, mime: str, content: str | Path) -> None:
        """Save a text, or a file, where the user wants it, and say where."""

    def ask_danced(self) -> None:
        """Let the user say what is danced here."""

    def back_up(self) -> None:
        """Save the whole history as a file."""

    def restore(self) -> None:
        """Let the user pick a backup, and take it over."""

    def reopen(self, name: str) -> None:
        """Take over what can be read of a file that was put aside."""

    def share_text(self, text: str) -> None:
        """Hand a text to another app."""


def host() -> Host:
    """The app that runs."""
    return cast(Host, App.get_running_app())
