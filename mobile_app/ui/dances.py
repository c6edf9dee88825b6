"""About each dance: metre, tempo, and the count to listen for, so that a beginner learns."""

from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import ColorProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import Screen

from mobile_app.core.lessons import LESSONS, beats_per_minute
from mobile_app.ui import drawings  # noqa: F401  (dances.kv uses its widgets)
from mobile_app.ui.widgets import DanceRow, Words
from runtime.dances import DANCES, dance

Builder.load_file(str(Path(__file__).with_name("dances.kv")))


class Fact(BoxLayout):
    """A figure with its name below."""

    text = StringProperty()
    label = StringProperty()


class Section(Words):
    """The title of a group of rows."""


class DancesScreen(Screen):
    """The ten dances, Latin and Standard."""

    def __init__(self, **kwargs: Any) -> None:
        self.app = App.get_running_app()
        super().__init__(**kwargs)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """List the dances in the present language."""
        rows = self.ids.rows
        rows.clear_widgets()
        tr = self.app.tr
        for category, title in (("Standard", tr("Standard")), ("Latin", tr("Latin"))):
            rows.add_widget(Section(text=title))
            for each in DANCES:
                if each.family == category:
                    rows.add_widget(self._row(each.key))

    def _row(self, key: str) -> DanceRow:
        each, tr = dance(key), self.app.tr
        row = DanceRow(
            key=key,
            text=self.app.dance_name(key),
            detail=tr(
                "{metre} time, {low}–{high} bars a minute",
                metre=each.metre,
                low=round(each.mpm_min),
                high=round(each.mpm_max),
            ),
            color=self.app.dance_colour(key),
            trailing="next",
        )
        row.bind(on_release=lambda row: self.app.show_dance(row.key))
        return row


class DanceScreen(Screen):
    """One dance."""

    key = StringProperty("slow_waltz")
    name_of_dance = StringProperty()
    category = StringProperty()
    metre = StringProperty()
    tempo = StringProperty()
    beats = StringProperty()
    listen = StringProperty()
    feel = StringProperty()
    count = ListProperty()
    beats_per_minute = NumericProperty(90)
    beats_per_bar = NumericProperty(3)
    color = ColorProperty("#888888")

    def __init__(self, **kwargs: Any) -> None:
        self.app = App.get_running_app()
        super().__init__(**kwargs)
        self.bind(key=self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Show the dance in the present language."""
        tr, each, lesson = self.app.tr, dance(self.key), LESSONS[self.key]
        self.name_of_dance = self.app.dance_name(self.key)
        self.category = tr("Latin") if each.family == "Latin" else tr("Standard")
        self.metre = each.metre
        self.tempo = f"{each.mpm_min:.0f}–{each.mpm_max:.0f}"
        self.beats = f"{each.mpm_min * each.beats_per_bar:.0f}–{each.mpm_max * each.beats_per_bar:.0f}"
        self.listen, self.feel = tr(lesson.listen), tr(lesson.feel)
        self.count = [(tr(word) if word.isalpha() and len(word) > 1 else word, n) for word, n in lesson.count]
        self.beats_per_minute = beats_per_minute(each)
        self.beats_per_bar = each.beats_per_bar
        self.color = self.app.dance_colour(self.key)

    def on_leave(self, *_: object) -> None:
        """Stop the beat when the screen is left."""
        self.ids.counting.running = False
