"""Building blocks that several screens share: icons, buttons, rows, bars, choices, sheets."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kivy.animation import Animation
from kivy.clock import Clock
from kivy.core.text import Label as CoreLabel
from kivy.graphics import Color, Rectangle
from kivy.lang import Builder
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.modalview import ModalView
from kivy.uix.scrollview import ScrollView
from kivy.uix.stacklayout import StackLayout
from kivy.uix.textinput import TextInput
from kivy.uix.widget import Widget

from mobile_app.ui.host import host
from mobile_app.ui.icons import icon_texture
from runtime.dances import OTHER

Builder.load_file(str(Path(__file__).with_name("widgets.kv")))


class Icon(Widget):
    """One of the app's icons, as large as fits."""

    icon = StringProperty()
    color = ColorProperty("#000000")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.canvas:
            self._color = Color(rgba=self.color)
            self._rectangle = Rectangle()
        draw = Clock.create_trigger(self._draw, -1)
        self.bind(pos=draw, size=draw, icon=draw, color=draw)
        draw()

    def _draw(self, *_: object) -> None:
        side = int(min(self.size))
        self._color.rgba = self.color
        if self.icon and side > 0:
            self._rectangle.texture = icon_texture(self.icon, side)
            self._rectangle.size = (side, side)
            self._rectangle.pos = (round(self.center_x - side / 2), round(self.center_y - side / 2))
        else:
            self._rectangle.size = (0, 0)


class Touchable(ButtonBehavior, Widget):
    """Whatever can be tapped; a test holds every one on every screen to 48 dp."""


class WordButton(Touchable, BoxLayout):
    """As wide as its words, and never wider than `room`: there they wrap, and it grows higher."""

    text = StringProperty()
    room = NumericProperty(float("inf"))  # px that the parent has
    most = NumericProperty(float("inf"))  # px that the words may take

    def on_kv_post(self, _: Widget) -> None:
        """All parts are there."""
        fit = Clock.create_trigger(self.fit, -1)
        for name in ("text", "most"):
            self.fbind(name, fit)
        for name in ("font_size", "bold"):
            self.ids.content.fbind(name, fit)
        fit()

    def fit(self, *_: object) -> None:
        """Wrap the words where they need it."""
        label = self.ids.content
        needed = CoreLabel(font_size=label.font_size, bold=label.bold).get_extents(self.text)[0]
        label.text_size = (self.most, None) if needed > self.most else (None, None)


class TextButton(WordButton):
    """A button with words, perhaps an icon before them; one that is not `shown` takes no room."""

    icon = StringProperty()
    kind = OptionProperty("tonal", options=["filled", "tonal", "plain", "danger"])
    ink = ColorProperty("#000000")
    shown = BooleanProperty(True)


class IconButton(Touchable, BoxLayout):
    """A button with an icon alone; `hint` names it for screen readers and tests."""

    icon = StringProperty()
    hint = StringProperty()


class Words(Label):
    """A text that wraps at its width and is as high as it needs."""


class CardTitle(Words):
    """What a card is about."""


class Note(Words):
    """A text that explains, less prominent."""


class SmallPrint(Note):
    """A note whose words may be as long as names of files."""


class FitLabel(Label):
    """One line, as large as `largest` allows, and smaller where it would not fit.

    Below `smallest` it ends in dots instead. With `wraps` it may have several lines, and only words are
    kept whole.
    """

    largest = NumericProperty(40)
    smallest = NumericProperty(0)
    wraps = BooleanProperty(False)
    tall = NumericProperty(50)  # px: of one line, or of as many as there are

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("texture_size", "largest", "wraps"):
            self.fbind(name, self._measure)
        self._measure()
        fit = Clock.create_trigger(self.fit, -1)
        for name in ("text", "width", "largest", "bold", "wraps"):
            self.fbind(name, fit)
        fit()

    def _measure(self, *_: object) -> None:
        self.tall = self.texture_size[1] if self.wraps else self.largest * 1.25

    def fit(self, *_: object) -> None:
        """Choose the size of the type."""
        parts = self.text.split() if self.wraps else [self.text]
        size, room = (
            self.largest,
            max(1.0, self.width),
        )  # while others are laid out there may be less than none
        least = max(1.0, self.smallest)
        for _attempt in range(4):  # widths are not quite proportional to sizes
            measure = CoreLabel(font_size=size, bold=self.bold)
            widest = max((measure.get_extents(part)[0] for part in parts), default=0)
            if widest <= room or size <= least:
                break
            size = max(least, size * 0.98 * room / widest)
        self.font_size = size
        self.shorten = size <= self.smallest and widest > room


class Card(BoxLayout):
    """A surface that groups things."""


class Swatch(Widget):
    """A dance's colour; always beside the dance's name."""

    color = ColorProperty("#888888")


class Bar(Widget):
    """A horizontal bar, filled from the left."""

    value = NumericProperty(0)
    color = ColorProperty("#888888")


class Candidate(BoxLayout):
    """One line of the ranking: swatch, name, bar, percentage."""

    text = StringProperty()
    percent = StringProperty()
    value = NumericProperty(0)
    color = ColorProperty("#888888")
    narrow = BooleanProperty(False)
    bare = BooleanProperty(False)
    stacked = BooleanProperty(False)

    def on_stacked(self, _: object, stacked: bool) -> None:
        """Put the bar below the words, or back between them."""
        bar = self.ids.bar
        bar.parent.remove_widget(bar)
        if stacked:
            self.add_widget(bar)
        else:
            self.ids.row.add_widget(bar, index=1)


IMPOSSIBLE = 1e-6  # probability of 'none of these' where nothing else is played


class Ranking(BoxLayout):
    """The likeliest dances with their probabilities; 'none of these' is always among them."""

    count = NumericProperty(4)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._scores: dict[str, float] = {}
        self.rows: list[Candidate] = []
        self.bind(count=lambda *_: self.show(self._scores))
        self.show({})

    def show(self, scores: dict[str, float]) -> None:
        """Show probabilities by dance; {} shows where they will be."""
        self._scores = scores
        look = host().look
        possible = scores.get(OTHER, 0) > IMPOSSIBLE
        order = sorted(scores, key=lambda key: -scores[key])
        keys = [key for key in order if possible or key != OTHER][: int(self.count)]
        if possible and OTHER not in keys:
            keys[-1] = OTHER
        while len(self.rows) != self.count:
            if len(self.rows) > self.count:
                self.remove_widget(self.rows.pop())
            else:
                self.rows.append(Candidate())
                self.add_widget(self.rows[-1])
        for number, row in enumerate(self.rows):
            key = keys[number] if number < len(keys) else None
            row.text = look.dance_name(key)
            row.value = scores[key] if key else 0.0
            row.percent = look.tr.percent(row.value) if key else ""
            row.color = look.dance_colour(key)
            row.opacity = 1 if key else 0.35


class DanceRow(Touchable, BoxLayout):
    """A row for a dance: swatch, name, and a second line."""

    text = StringProperty()
    detail = StringProperty()
    trailing = StringProperty()
    color = ColorProperty("#888888")
    key = StringProperty()
    chosen = BooleanProperty(False)


class ChoiceChip(WordButton):
    """One of several values to choose from."""

    value = StringProperty()
    chosen = BooleanProperty(False)


class SwitchRow(Touchable, BoxLayout):
    """A setting that is on or off: words, what it means, and a switch that says its state in words too."""

    text = StringProperty()
    detail = StringProperty()
    active = BooleanProperty(False)
    position = NumericProperty(0)

    def on_active(self, _: object, active: bool) -> None:
        """Slide the knob."""
        Animation.cancel_all(self, "position")
        Animation(position=float(active), duration=0.12).start(self)


class NavItem(Touchable, BoxLayout):
    """One of the app's four places, in the bar below or the rail at the side."""

    icon = StringProperty()
    text = StringProperty()
    place = StringProperty()
    chosen = BooleanProperty(False)


class TopBar(BoxLayout):
    """A screen's title, with what can be done to the right of it, and a way back where there is one.

    Where the buttons leave too little room for the title, it stands below them.
    """

    title = StringProperty()
    back = BooleanProperty(False)
    below = BooleanProperty(False)  # the title

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._arrange = Clock.create_trigger(self.arrange, -1)
        for name in ("title", "width", "back"):
            self.fbind(name, self._arrange)

    def on_kv_post(self, _: Widget) -> None:
        """All parts are there."""
        self.ids.heading.fbind("smallest", self._arrange)
        self._arrange()

    def add_widget(self, widget: Widget, *args: Any, **kwargs: Any) -> None:
        """As in Kivy; a button goes beside the title."""
        if not isinstance(widget, Touchable):
            super().add_widget(widget, *args, **kwargs)
            return
        widget.fbind("width", self._arrange)
        self.ids.row.add_widget(widget, *args, **kwargs)

    def arrange(self, *_: object) -> None:
        """Choose where the title stands."""
        row, heading = self.ids.row, self.ids.heading
        taken = sum(child.width for child in row.children) - heading.width
        room = self.width - taken - row.padding[0] - row.padding[2]
        measure = CoreLabel(font_size=heading.smallest, bold=True)
        self.below = len(row.children) > 3 and measure.get_extents(self.title)[0] > room


class Banner(BoxLayout):
    """A sentence for the user: what is wrong or worth knowing; empty, it takes no room."""

    text = StringProperty()
    serious = BooleanProperty(False)
    ink = ColorProperty("#000000")
    narrow = BooleanProperty(False)  # no room beside the words
    action = StringProperty()
    do = ObjectProperty(None, allownone=True)  # what the action does


class Toast(Label):
    """A sentence at the bottom that goes away by itself."""

    room = NumericProperty(300)  # px of width

    def say(self, text: str) -> None:
        """Show a sentence for a few seconds."""
        Animation.cancel_all(self)
        self.text = " ".join(self._broken(word) for word in text.split(" "))
        self.opacity = 1
        (Animation(duration=3.5) + Animation(opacity=0, duration=0.4)).start(self)

    def _broken(self, word: str) -> str:
        """A word that is wider than the window, such as a path, in several lines."""
        measure, lines = CoreLabel(font_size=self.font_size), [""]
        for character in word:
            if measure.get_extents(lines[-1] + character)[0] > self.text_size[0]:
                lines.append("")
            lines[-1] += character
        return "\n".join(lines)


class Chips(StackLayout):
    """Buttons beside each other, in several rows where the room is short."""

    def add_widget(self, widget: Widget, *args: Any, **kwargs: Any) -> None:
        """As in Kivy; no button is wider than the row."""
        super().add_widget(widget, *args, **kwargs)
        self.fbind("width", widget.setter("room"))
        widget.room = self.width


class ButtonRow(Chips):
    """Buttons from the right, the most likely one first."""

    orientation = "rl-tb"


class ButtonPair(BoxLayout):
    """Buttons in the middle, beside each other where the room allows, else one above the other."""

    room = NumericProperty(0)  # px

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._arrange = Clock.create_trigger(self.arrange, -1)
        self.fbind("room", self._arrange)

    def add_widget(self, widget: Widget, *args: Any, **kwargs: Any) -> None:
        """As in Kivy; the button's width matters from now on, and the room to the button."""
        widget.fbind("width", self._arrange)
        self.fbind("room", widget.setter("room"))
        widget.room = self.room or float("inf")
        super().add_widget(widget, *args, **kwargs)
        self._arrange()

    def arrange(self, *_: object) -> None:
        """Choose the direction."""
        needed = sum(button.width + self.spacing for button in self.children)
        self.orientation = "horizontal" if needed <= self.room else "vertical"


class LineInput(TextInput):
    """One line of text.

    Attributes
    ----------
    hints : sequence of str
        Of these, the longest first, `hint_text` is the first that fits; the last where none does.
    """

    hints = ListProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        hint = Clock.create_trigger(self.hint, -1)
        for name in ("hints", "width", "font_size"):
            self.fbind(name, hint)
        hint()

    def hint(self, *_: object) -> None:
        """Choose the hint."""
        measure = CoreLabel(font_size=self.font_size)
        room = self.width - self.padding[0] - self.padding[2]
        for text in self.hints:
            self.hint_text = text
            if measure.get_extents(text)[0] <= room:
                break


class Sheet(ModalView):
    """A panel over the screen, from the bottom; closed by a tap beside it."""

    title = StringProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = host()
        if not self.app.animated:
            self._anim_duration = 0  # Kivy's own fade of a modal view

    def add(self, *widgets: Widget) -> None:
        """Put widgets below what is there."""
        for widget in widgets:
            self.ids.panel.add_widget(widget)

    def add_buttons(self, *buttons: tuple[str, str, Callable[[], None]]) -> None:
        """Put a row of buttons below: (text, kind, what to do)."""
        row = ButtonRow()
        for text, kind, action in buttons:
            button = TextButton(text=text, kind=kind)
            button.bind(on_release=lambda _, action=action: action())
            row.add_widget(button)
        self.add(row)

    def add_choices(self, choices: Mapping[str, str], choose: Callable[[str], None]) -> None:
        """Put a button below for each choice, key → text; one closes the sheet and chooses its key."""

        def chosen(key: str) -> None:
            self.dismiss()
            choose(key)

        for key, text in choices.items():
            self.add_buttons((text, "tonal", partial(chosen, key)))


class ConfirmSheet(Sheet):
    """Asks before something is done for good."""

    def __init__(self, message: str, action: str, on_confirm: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._on_confirm = on_confirm
        self.add(Note(text=message))
        self.add_buttons((action, "danger", self.confirm), (self.app.tr("Keep it"), "tonal", self.dismiss))

    def confirm(self) -> None:
        """The user means it."""
        self.dismiss()
        self._on_confirm()


class TextSheet(Sheet):
    """Asks for a line of text."""

    def __init__(self, text: str, hint: str, on_done: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._on_done = on_done
        self.input = LineInput(text=text, hints=(hint, ""))
        self.input.bind(on_text_validate=lambda _: self.done())
        self.add(self.input)
        self.add_buttons(
            (self.app.tr("Save"), "filled", self.done), (self.app.tr("Cancel"), "plain", self.dismiss)
        )

    def done(self) -> None:
        """The user has finished the line."""
        self.dismiss()
        self._on_done(self.input.text)


class DanceSheet(Sheet):
    """Lets the user pick one of the dances that the model knows, or none of them; the likeliest first."""

    def __init__(
        self, order: Sequence[str], chosen: str | None, on_pick: Callable[[str], None], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._on_pick = on_pick
        rows = BoxLayout(orientation="vertical", size_hint_y=None)
        rows.bind(minimum_height=rows.setter("height"))
        for key in order:
            row = DanceRow(
                key=key,
                text=self.app.look.dance_name(key),
                color=self.app.look.dance_colour(key),
                chosen=key == chosen,
                trailing="check" if key == chosen else "",
            )
            row.bind(on_release=lambda row: self.pick(row.key))
            rows.add_widget(row)
        scroll = ScrollView(size_hint_y=None, do_scroll_x=False)
        rows.bind(
            height=lambda _, height: setattr(scroll, "height", min(height, self.app.root.height * 0.66))
        )
        scroll.add_widget(rows)
        self.add(scroll)

    def pick(self, key: str) -> None:
        """The user has picked a dance."""
        self.dismiss()
        self._on_pick(key)
