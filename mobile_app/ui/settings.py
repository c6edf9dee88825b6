"""What the user can choose."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kivy.lang import Builder
from kivy.properties import ListProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import Screen

from mobile_app.core.settings import CHOICES, MEGABYTE
from mobile_app.core.translations import LANGUAGES
from mobile_app.ui.history import aside_label
from mobile_app.ui.host import host
from mobile_app.ui.widgets import (
    Card,
    CardTitle,
    Chips,
    ChoiceChip,
    ConfirmSheet,
    Note,
    SwitchRow,
    TextButton,
    Words,
)
from runtime import ModelError
from runtime.model import shipped

Builder.load_file(str(Path(__file__).with_name("settings.kv")))

log = logging.getLogger(__name__)


class Choice(BoxLayout):
    """A setting with several values: its name, what it means, and a chip for each value."""

    title = StringProperty()
    detail = StringProperty()
    name = StringProperty()
    options = ListProperty()  # of (value, words)
    value = StringProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chips = {}
        for value, words in self.options:
            chip = ChoiceChip(text=words, value=value, chosen=value == self.value)
            chip.bind(on_release=lambda chip: host().change_settings(**{self.name: chip.value}))
            self.ids.chips.add_widget(chip)
            self.chips[value] = chip

    def on_value(self, _: object, value: str) -> None:
        """Mark the chip that is chosen now."""
        for name, chip in getattr(self, "chips", {}).items():
            chip.chosen = name == value


class SettingsScreen(Screen):
    """All settings on one page; each takes effect at once, or a sentence says when."""

    def __init__(self, **kwargs: Any) -> None:
        self.app = host()
        super().__init__(**kwargs)
        self.choices: dict[str, Choice] = {}
        self.switches: dict[str, SwitchRow] = {}
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Build the page in the present language."""
        self.ids.cards.clear_widgets()
        self.choices, self.switches = {}, {}
        tr = self.app.tr
        self._card(
            tr("Look"),
            self._choice(
                "theme",
                tr("Colours"),
                {"system": tr("As the device"), "light": tr("Light"), "dark": tr("Dark")},
            ),
            self._choice(
                "text_size",
                tr("Text size"),
                {"small": tr("Small"), "normal": tr("Normal"), "large": tr("Large"), "huge": tr("Huge")},
            ),
            self._choice("language", tr("Language"), {"system": tr("As the device"), **LANGUAGES}),
        )
        self._card(
            tr("Listening"),
            Words(text=tr("What is danced here?")),
            self._danced_button(),
            self._choice(
                "sensitivity",
                tr("When to name a dance"),
                {"careful": tr("Only when sure"), "balanced": tr("Balanced"), "daring": tr("Guess early")},
                tr("Otherwise the app says “not sure”."),
            ),
            self._choice(
                "update_rate",
                tr("New result every"),
                {"calm": tr("5 seconds"), "normal": tr("2 seconds"), "lively": tr("1 second")},
                tr("More often needs more battery."),
            ),
            self._choice(
                "model",
                tr("Model"),
                self.model_names(),
                tr("The standard model is the best for most music."),
            ),
            self._switch(
                "thrifty", tr("Spare the battery"), tr("A new result every 10 seconds, and nothing moves")
            ),
            self._switch(
                "background",
                tr("Go on in the background"),
                tr("With the screen off, or another app in front"),
            ),
            self._switch("keep_awake", tr("Keep the screen on"), tr("While listening")),
            self._switch("vibrate", tr("Vibrate"), tr("When a dance begins, each family in its own rhythm")),
            self._switch("speak", tr("Say the name"), tr("When a dance begins")),
        )
        self._count_card()
        self._card(
            tr("Privacy"),
            Note(text=tr("Everything stays on this device. The app has no access to the internet.")),
            self._switch(
                "keep_audio", tr("Keep the sound"), tr("You can play it in the history, and delete it there.")
            ),
            self._choice(
                "audio_limit",
                tr("Room for kept sound"),
                {"100": "100 MB", "500": "500 MB", "2000": "2 GB"},
                self.audio_taken(),
            ),
        )
        self._teaching_card()
        self._history_card()

    def _count_card(self) -> None:
        """What is counted, and how late it is heard."""
        tr = self.app.tr
        self.delay = Note(text=self.count_delay())
        set_back = self._button(tr("Set back"), "back", lambda: self.app.change_settings(count_delay=0))
        [self.set_back] = set_back.children
        self.set_back.shown = self.app.settings.count_delay != 0
        self._card(
            tr("The count"),
            self._switch(
                "count",
                tr("Show the count"),
                tr("In phase with the music. A tap on it says: this is the one."),
            ),
            self._switch("buzz_one", tr("Buzz on the one"), tr("Short, at the beginning of every bar")),
            self._switch("still", tr("Keep the screen calm"), tr("Nothing lights up, nothing moves")),
            self.delay,
            self._button(tr("Tap along"), "note", self.tap_along),
            set_back,
        )

    def _teaching_card(self) -> None:
        """What corrections have taught, to give to others, to take from them, and to forget."""
        tr, teacher = self.app.tr, self.app.teacher
        detail = tr("A few snapshots of the spectrum are kept of each song, never the sound.")
        rows: list[Any] = [
            self._switch("learn", tr("Learn from corrections"), detail),
            Note(text=self.what_was_learnt()),
        ]
        if teacher.learnt:
            rows.append(self._button(tr("Save what was learnt"), "export", self.app.give_away))
        rows.append(self._button(tr("Open a taught file"), "folder", self.app.take_taught))
        if teacher.something:
            rows.append(self._button(tr("Forget what I taught"), "delete", self.ask_forget_taught, "danger"))
        self._card(tr("Your music"), *rows)

    def what_was_learnt(self) -> str:
        """How much was corrected, and what came of it."""
        tr, teacher = self.app.tr, self.app.teacher
        kept, learnt = len(teacher.corrections), teacher.learnt
        if learnt:
            text = tr.plural("Learnt from {count} correction.", "Learnt from {count} corrections.", learnt)
        elif kept:
            text = tr.plural(
                "{count} correction is kept. It is used once it surely helps.",
                "{count} corrections are kept. They are used once they surely help.",
                kept,
            )
        else:
            text = tr("Nothing was corrected yet.")
        if teacher.given:
            text += " " + tr("A file that somebody gave you counts, too.")
        return str(text)

    def ask_forget_taught(self) -> None:
        """Ask, then forget what was taught."""
        tr = self.app.tr
        ConfirmSheet(
            tr("All corrections, and what was learnt from them, are gone for good. The history stays."),
            tr("Forget it"),
            self.app.forget_taught,
            title=tr("Forget what you taught?"),
        ).open()

    def _history_card(self) -> None:
        """Backup and restore; the files that were put aside, each with what can be done with it."""
        tr = self.app.tr
        rows: list[Any] = [
            Note(text=tr("A backup holds all sessions and what you corrected, without the sound.")),
            self._button(tr("Save a backup"), "export", self.app.back_up),
            self._button(tr("Restore a backup"), "history", self.app.restore),
        ]
        for name in self.app.history.put_aside():
            rows.append(Note(text=tr("Put aside: {name}", name=aside_label(name, tr))))
            rows.append(self._button(tr("Open it again"), "folder", partial(self.app.reopen, name)))
            rows.append(self._button(tr("Delete it"), "delete", partial(self.ask_delete, name), "danger"))
        self._card(tr("History"), *rows)

    def _danced_button(self) -> Chips:
        row = self._button(self.app.shown.danced, "filter", self.app.ask_danced)
        [self.danced] = row.children
        return row

    def _button(self, text: str, icon: str, action: Callable[[], None], kind: str = "tonal") -> Chips:
        row, button = Chips(), TextButton(text=text, icon=icon, kind=kind)
        button.bind(on_release=lambda _: action())
        row.add_widget(button)
        return row

    def ask_delete(self, name: str) -> None:
        """Ask, then delete a file that was put aside."""
        tr = self.app.tr

        def confirmed() -> None:
            self.app.change_history(lambda: self.app.history.delete_put_aside(name))

        ConfirmSheet(
            tr("What could not be read of it is gone for good: {name}", name=aside_label(name, tr)),
            tr("Delete it"),
            confirmed,
            title=tr("Delete this file?"),
        ).open()

    def on_pre_enter(self, *_: object) -> None:
        """Look again how much sound is kept, and what was put aside."""
        self.refresh()

    def audio_taken(self) -> str:
        """How much room kept sound takes."""
        taken = self.app.history.audio_bytes() / MEGABYTE
        return str(self.app.tr("{megabytes} MB are in use.", megabytes=self.app.tr.decimal(taken)))

    def count_delay(self) -> str:
        """How early the count is shown, and how that is set."""
        tr, delay = self.app.tr, self.app.settings.count_delay
        told = [tr("If it misses the beat, tap along while music plays.")]
        if delay < 0:
            told.insert(0, tr("The count is shown {ms} ms late.", ms=-delay))
        elif delay:
            text = tr("The count is shown {ms} ms early: microphone and screen need their time.", ms=delay)
            told.insert(0, text)
        return " ".join(told)

    def tap_along(self) -> None:
        """Compare taps with the count."""
        if self.app.listening.busy:
            self.app.screen("listen").tap_tempo()
        else:
            self.app.toast(self.app.tr("Listen to some music first, then tap along."))

    def model_names(self) -> dict[str, str]:
        """Models to choose from: name → words; '' is the standard one."""
        try:
            names = list(shipped())
        except ModelError as error:
            log.warning("no list of models: %s", error)
            names = []
        own = {str(path): name for name, path in self.app.teacher.files().items()}
        return {"": self.app.tr("Standard model")} | {name: name for name in names[1:]} | own

    def _card(self, title: str, *rows: Any) -> None:
        card = Card(spacing=self.app.theme.body)
        card.add_widget(CardTitle(text=title))
        for row in rows:
            card.add_widget(row)
        self.ids.cards.add_widget(card)

    def _choice(self, name: str, title: str, options: dict[str, str], detail: str = "") -> Choice:
        assert name not in CHOICES or tuple(options) == CHOICES[name]
        value = getattr(self.app.settings, name)
        choice = Choice(name=name, title=title, detail=detail, options=list(options.items()), value=value)
        self.choices[name] = choice
        return choice

    def _switch(self, name: str, text: str, detail: str) -> SwitchRow:
        active = getattr(self.app.settings, name)
        row = SwitchRow(text=text, detail=detail, active=active, position=float(active))
        row.bind(on_release=lambda row: self.app.change_settings(**{name: not row.active}))
        self.switches[name] = row
        return row

    def mark_values(self) -> None:
        """Show the values that are chosen now."""
        for name, choice in self.choices.items():
            choice.value = getattr(self.app.settings, name)
        for name, row in self.switches.items():
            row.active = getattr(self.app.settings, name)
        self.danced.text = self.app.shown.danced
        self.delay.text = self.count_delay()
        self.set_back.shown = self.app.settings.count_delay != 0

    def ask_forget(self) -> None:
        """Ask, then delete the whole history."""
        tr = self.app.tr

        def confirmed() -> None:
            self.app.change_history(self.app.history.delete_all)

        message = tr("All results and all kept sound are gone for good.")
        if aside := self.app.history.put_aside():
            names = "; ".join(aside_label(name, tr) for name in aside)
            message += " " + tr("So is what was put aside: {names}.", names=names)
        if self.app.teacher.something:
            message += " " + tr("What you taught stays: the settings forget it.")
        ConfirmSheet(
            message,
            tr("Delete everything"),
            confirmed,
            title=tr("Delete the whole history?"),
        ).open()
