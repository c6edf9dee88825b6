"""What is danced here? A group of dances, or a choice; and whether anything else is played."""

from kivy.metrics import dp
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.scrollview import ScrollView

from mobile_app.core import danced
from mobile_app.ui.widgets import Chips, ChoiceChip, DanceRow, Sheet, SwitchRow


class DancedSheet(Sheet):
    """Groups as chips, each dance as a row; what is chosen holds from the next session on.

    Parameters
    ----------
    known : tuple of str
        The model's dances.
    """

    def __init__(self, known: tuple[str, ...], **kwargs: object) -> None:
        super().__init__(**kwargs)
        tr, look, settings = self.app.tr, self.app.look, self.app.settings
        self._known = known
        self.keys = set(danced.chosen(settings.danced, known))
        self.groups = danced.groups(known)
        self.chips = Chips()
        for name in self.groups:
            chip = ChoiceChip(text=tr(danced.NAMES[name]), value=name)
            chip.bind(on_release=lambda chip: self._choose(set(self.groups[chip.value])))
            self.chips.add_widget(chip)
        rows = BoxLayout(orientation="vertical", size_hint_y=None)
        rows.bind(minimum_height=rows.setter("height"))
        self.rows = [
            DanceRow(key=key, text=look.dance_name(key), color=look.dance_colour(key)) for key in known
        ]
        for row in self.rows:
            row.bind(on_release=lambda row: self._choose(self.keys ^ {row.key}))
            rows.add_widget(row)
        on = settings.nothing_else
        text, detail = tr("And nothing else"), tr("“None of these” is then never the answer.")
        self.nothing_else = SwitchRow(text=text, detail=detail, active=on, position=float(on))
        self.nothing_else.bind(on_release=self._switch)
        parts = BoxLayout(orientation="vertical", size_hint_y=None, spacing=dp(12))
        parts.bind(minimum_height=parts.setter("height"))
        for part in (self.chips, self.nothing_else, rows):
            parts.add_widget(part)
        scroll = ScrollView(do_scroll_x=False)
        scroll.add_widget(parts)
        self.add(scroll)
        self.add_buttons((tr("Done"), "filled", self.dismiss))
        self.size_hint_y = 0.92
        panel = self.ids.panel
        for part in (parts, panel):  # and no higher than what it holds
            part.bind(minimum_height=lambda *_: self._fit(panel.minimum_height + parts.minimum_height))
        self._fit(panel.minimum_height + parts.minimum_height)
        self._mark()

    def _fit(self, most: float) -> None:
        self.size_hint_max_y = most

    def _switch(self, row: SwitchRow) -> None:
        row.active = not row.active
        self._keep()

    def _choose(self, keys: set[str]) -> None:
        self.keys = keys or set(self._known)
        self._mark()
        self._keep()

    def _mark(self) -> None:
        for chip in self.chips.children:
            chip.chosen = self.groups[chip.value] == self.keys
        for row in self.rows:
            row.chosen = row.key in self.keys
            row.trailing = "check" if row.chosen else ""

    def _keep(self) -> None:
        choice = danced.as_choice(self.keys, self._known)
        self.app.change_settings(danced=choice, nothing_else=self.nothing_else.active)
