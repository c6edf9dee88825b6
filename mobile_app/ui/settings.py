"""What the user can choose."""

from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import ListProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import Screen

from mobile_app.core.settings import CHOICES
from mobile_app.core.translations import LANGUAGES
from mobile_app.ui.widgets import Card, CardTitle, ChoiceChip, ConfirmSheet, Note, SwitchRow

Builder.load_file(str(Path(__file__).with_name("settings.kv")))


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
            chip.bind(
                on_release=lambda chip: App.get_running_app().change_settings(**{self.name: chip.value})
            )
            self.ids.chips.add_widget(chip)
            self.chips[value] = chip

    def on_value(self, _: object, value: str) -> None:
        """Mark the chip that is chosen now."""
        for name, chip in getattr(self, "chips", {}).items():
            chip.chosen = name == value


class SettingsScreen(Screen):
    """All settings on one page; each takes effect at once."""

    def __init__(self, **kwargs: Any) -> None:
        self.app = App.get_running_app()
        super().__init__(**kwargs)
        self.choices: dict[str, Choice] = {}
        self.switches: dict[str, SwitchRow] = {}
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Build the page in the present language."""
        self.ids.cards.clear_widgets()
        self.choices, self.switches = {}, {}
        tr, app = self.app.tr, self.app
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
            self._choice("model", tr("Model"), app.model_names(), app.model_detail()),
            self._switch("keep_awake", tr("Keep the screen on"), tr("While listening")),
            self._switch("vibrate", tr("Vibrate"), tr("When a dance is recognised")),
        )
        self._card(
            tr("Privacy"),
            Note(text=tr("Everything stays on this device. The app has no access to the internet.")),
            self._switch(
                "keep_audio", tr("Keep the sound"), tr("You can play it in the history, and delete it there.")
            ),
        )

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

    def ask_forget(self) -> None:
        """Ask, then delete the whole history."""
        tr = self.app.tr

        def confirmed() -> None:
            self.app.change_history(self.app.history.delete_all)

        ConfirmSheet(
            tr("All results and all kept sound are gone for good."),
            tr("Delete everything"),
            confirmed,
            title=tr("Delete the whole history?"),
        ).open()
