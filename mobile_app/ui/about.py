"""About the app: version, model, privacy in words, licences."""

from pathlib import Path
from typing import Any

from kivy.lang import Builder
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import Screen

import runtime
from mobile_app.ui.host import host
from mobile_app.ui.widgets import Card, CardTitle, Note, SmallPrint, Words
from runtime import ModelError

Builder.load_file(str(Path(__file__).with_name("about.kv")))

# What the app is made of, and its licences by their SPDX names.
LICENCES = (
    ("whichdance", "Apache-2.0"),
    ("Kivy", "MIT"),
    ("NumPy", "BSD-3-Clause"),
    ("ONNX Runtime", "MIT"),
    ("Python", "PSF-2.0"),
    ("SDL", "Zlib"),
    ("SQLite", "blessing"),
    ("Roboto", "Apache-2.0"),
    ("pyjnius", "MIT"),
)


class AboutScreen(Screen):
    """One page, read from top to bottom."""

    def __init__(self, **kwargs: Any) -> None:
        self.app = host()
        super().__init__(**kwargs)
        self.refresh()

    def on_pre_enter(self, *_: object) -> None:
        """The model may be another by now."""
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Write the page in the present language."""
        tr, cards = self.app.tr, self.ids.cards
        cards.clear_widgets()
        self._card(
            "whichdance",
            Words(text=tr("Hold it up to the music, and see which dance it is for.")),
            Note(text=tr("Version {version}", version=runtime.__version__)),
        )
        self._card(tr("Model"), *self._model())
        self._card(
            tr("Privacy"),
            Words(text=tr("Everything stays on this device. The app has no access to the internet.")),
            Words(
                text=tr(
                    "It stores when you listened, which dances it heard, how long, how fast, and what you "
                    "said they were. Sound is stored only if you switch that on."
                )
            ),
            Words(text=tr("Whatever it stores you can see in the history, export, and delete.")),
        )
        rows = [Words(text=f"{name}  ·  {licence}") for name, licence in LICENCES]
        self._card(tr("Licences"), *rows)

    def _model(self) -> list[BoxLayout]:
        tr = self.app.tr
        try:
            info = self.app.listening.load_model().info
        except ModelError as error:
            return [Note(text=str(error))]
        dances = ", ".join(self.app.look.dance_name(key) for key in info.labels)
        return [
            Words(text=f"{info.name} {info.version}  ·  {info.licence}"),
            Words(text=tr("It knows: {dances}.", dances=dances)),
            SmallPrint(text=info.training_data),
        ]

    def _card(self, title: str, *rows: BoxLayout) -> None:
        card = Card(spacing=self.app.theme.body / 2)
        card.add_widget(CardTitle(text=title))
        for row in rows:
            card.add_widget(row)
        self.ids.cards.add_widget(card)
