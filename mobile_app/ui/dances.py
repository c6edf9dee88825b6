"""About each dance: metre, tempo, and the count to listen for, so that a beginner learns."""

from pathlib import Path
from typing import Any

from kivy.lang import Builder
from kivy.properties import BooleanProperty, ColorProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import Screen

from mobile_app.core.lessons import LESSONS, beats_per_minute
from mobile_app.ui import drawings  # noqa: F401  (dances.kv uses its widgets)
from mobile_app.ui.host import host
from mobile_app.ui.shown import facts
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
    """The dances that we know of, by family."""

    def __init__(self, **kwargs: Any) -> None:
        self.app = host()
        super().__init__(**kwargs)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """List the dances in the present language."""
        rows = self.ids.rows
        rows.clear_widgets()
        tr = self.app.tr
        titles = {
            "Standard": tr("Standard"),
            "Latin": tr("Latin"),
            "Caribbean": tr("Caribbean"),
            "Swing": tr("Swing"),
            "Social": tr("Social dances"),
            "Country": tr("Country"),
        }
        for family, title in titles.items():
            rows.add_widget(Section(text=title))
            for key, each in DANCES.items():
                if each.family == family:
                    rows.add_widget(self._row(key))

    def _row(self, key: str) -> DanceRow:
        row = DanceRow(
            key=key,
            text=self.app.look.dance_name(key),
            detail=facts(key, self.app.look),
            color=self.app.look.dance_colour(key),
            trailing="next",
        )
        row.bind(on_release=lambda row: self.app.show_dance(row.key))
        return row


class DanceScreen(Screen):
    """One dance."""

    key = StringProperty("slow_waltz")
    name_of_dance = StringProperty()
    family = StringProperty()
    has_lesson = BooleanProperty(True)
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
        self.app = host()
        super().__init__(**kwargs)
        self.bind(key=self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Show the dance in the present language."""
        tr, each, lesson = self.app.tr, dance(self.key), LESSONS.get(self.key)
        self.name_of_dance = self.app.look.dance_name(self.key)
        families = {
            "Latin": tr("Latin"),
            "Standard": tr("Standard"),
            "Caribbean": tr("Caribbean"),
            "Swing": tr("Swing"),
            "Social": tr("Social dances"),
            "Country": tr("Country"),
        }
        self.family = families.get(each.family, "")
        self.metre = each.metre or "–"
        if each.mpm_min and each.mpm_max and each.beats_per_bar:
            self.tempo = f"{each.mpm_min:.0f}–{each.mpm_max:.0f}"
            self.beats = f"{each.mpm_min * each.beats_per_bar:.0f}–{each.mpm_max * each.beats_per_bar:.0f}"
            self.beats_per_minute = beats_per_minute(each)
            self.beats_per_bar = each.beats_per_bar
        else:
            self.tempo = self.beats = "–"
        self.has_lesson = lesson is not None
        if lesson:
            self.listen, self.feel = tr(lesson.listen), tr(lesson.feel)
            self.count = [
                (tr(word) if word.isalpha() and len(word) > 1 else word, n) for word, n in lesson.count
            ]
        self.color = self.app.look.dance_colour(self.key)

    def on_leave(self, *_: object) -> None:
        """Stop the beat when the screen is left."""
        self.ids.counting.running = False
