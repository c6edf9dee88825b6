"""What is drawn by hand: the big round button, the level meter, the timeline, the beat of a count."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from kivy.clock import Clock
from kivy.core.text import Label as CoreLabel
from kivy.graphics import (
    Color,
    InstructionGroup,
    Mesh,
    PopMatrix,
    PushMatrix,
    Rectangle,
    RoundedRectangle,
    SmoothEllipse,
    SmoothLine,
    SmoothRoundedRectangle,
    StencilPop,
    StencilPush,
    StencilUnUse,
    StencilUse,
    Translate,
)
from kivy.graphics.texture import Texture
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.widget import Widget

from mobile_app.core.timeline import Float32, Timeline
from mobile_app.ui.icons import icon_texture
from mobile_app.ui.theme import dance_colour
from mobile_app.ui.widgets import Touchable
from runtime.colour import ink_on

MAX_COLUMNS = 240  # of the timeline, however long it is and however wide the screen
COLUMN_PIXELS = 3  # a column is at least as wide
GAP = 1.5  # dp between neighbouring areas, so that they differ by more than their colours
NAMES = 3  # areas that carry their dance's name
NAME_PLACES = 24  # places tried for each
FIELD_GAP = 6  # dp between the fields of a count
LEAST_SCALE = 0.8  # of the size of type: words of a count that would be smaller are initials
HOLD_SECONDS = 5.0  # how far the last scores reach into the time that has no scores yet


class RoundButton(Touchable):
    """The one big button. Rings around it breathe with the loudness; an arc fills up to the first result."""

    icon = StringProperty("mic")
    color = ColorProperty("#8e1f56")
    ink = ColorProperty("#ffffff")
    loudness = NumericProperty(0)  # 0 to 1
    fill = NumericProperty(0)  # 0 to 1, of the arc
    rings = NumericProperty(1)  # 0 hides them

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.canvas:
            self._outer_color, self._outer = Color(), SmoothEllipse()
            self._inner_color, self._inner = Color(), SmoothEllipse()
            self._disc_color, self._disc = Color(), SmoothEllipse()
            self._arc_color, self._arc = Color(), SmoothLine(width=dp(2.5))
            self._icon_color, self._icon = Color(), Rectangle()
        draw = Clock.create_trigger(self._draw, -1)
        for name in ("pos", "size", "icon", "color", "ink", "loudness", "fill", "rings", "state"):
            self.fbind(name, draw)
        draw()

    @property
    def disc(self) -> float:
        """Diameter of the disc within the widget, which also holds the rings."""
        return float(min(self.size)) * (1 - 0.3 * self.rings)

    def collide_point(self, x: float, y: float) -> bool:
        """Only the disc takes touches."""
        return bool((x - self.center_x) ** 2 + (y - self.center_y) ** 2 <= (self.disc / 2) ** 2)

    def _draw(self, *_: object) -> None:
        disc, room = self.disc, float(min(self.size)) - self.disc
        pressed = 0.97 if self.state == "down" else 1.0
        for shape, color, diameter, alpha in (
            (self._outer, self._outer_color, disc + room * (0.45 + 0.55 * self.loudness), 0.12),
            (self._inner, self._inner_color, disc + room * (0.2 + 0.35 * self.loudness), 0.18),
            (self._disc, self._disc_color, disc * pressed, 1.0),
        ):
            color.rgba = (*self.color[:3], alpha if shape is self._disc or self.rings else 0)
            shape.size = (diameter, diameter)
            shape.pos = (self.center_x - diameter / 2, self.center_y - diameter / 2)
        self._arc_color.rgba = (*self.ink[:3], 0.9 if 0 < self.fill < 1 else 0)
        self._arc.circle = (self.center_x, self.center_y, disc / 2 - dp(6), 0, max(1.0, 360 * self.fill))
        side = int(disc * 0.42)
        self._icon_color.rgba = self.ink
        if side > 0:
            self._icon.texture = icon_texture(self.icon, side)
        self._icon.size = (side, side)
        self._icon.pos = (round(self.center_x - side / 2), round(self.center_y - side / 2))


class LevelView(Widget):
    """The input level as a row of bars that light up from the left."""

    level = NumericProperty(0)  # 0 to 1
    color = ColorProperty("#1b6b43")
    track = ColorProperty("#f3ebe6")
    SEGMENTS = 24

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._bars: list[tuple[Color, SmoothRoundedRectangle]] = []
        with self.canvas:
            for _ in range(self.SEGMENTS):
                self._bars.append((Color(), SmoothRoundedRectangle(radius=[dp(2)])))
        draw = Clock.create_trigger(self._draw, -1)
        for name in ("pos", "size", "level", "color", "track"):
            self.fbind(name, draw)
        draw()

    def _draw(self, *_: object) -> None:
        step = self.width / self.SEGMENTS
        lit = round(self.level * self.SEGMENTS)
        for index, (color, bar) in enumerate(self._bars):
            color.rgba = self.color if index < lit else self.track
            bar.size = (max(1.0, step - dp(3)), self.height)
            bar.pos = (self.x + index * step, self.y)


class TimelineView(Touchable):
    """The scores over time as a stacked area (thesis, figure 3.5), with the dances' names written into it.

    While `now` is set, the last `span` seconds scroll by; a tap shows the whole session instead, and
    the next tap goes back. Whatever its length, at most `MAX_COLUMNS` columns are drawn.
    """

    timeline = ObjectProperty(None, allownone=True)
    version = NumericProperty(0)  # raised by whoever adds to the timeline
    now = NumericProperty(-1)  # s; -1 shows a session that is over
    span = NumericProperty(60)  # s
    delay = NumericProperty(5.2)  # s from the start of a segment to its end, where it is drawn
    whole = BooleanProperty(False)
    dark = BooleanProperty(False)
    track = ColorProperty("#f3ebe6")
    names = ObjectProperty(None, allownone=True)  # from class label to the dance's name
    font_size = NumericProperty(14)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_columns = 0
        self._first, self._seconds = 0.0, 1.0  # what the width stands for
        self._names: dict[tuple[str, float], Texture] = {}
        with self.canvas:
            self._track_color, self._track = Color(), SmoothRoundedRectangle(radius=[dp(12)])
            StencilPush()
            self._mask = RoundedRectangle(radius=[dp(12)])
            StencilUse()
            PushMatrix()
            self._shift = Translate()
            self._drawn = InstructionGroup()
            self._texts = [(Color(), Rectangle(size=(0, 0))) for _ in range(NAMES)]
            PopMatrix()
            StencilUnUse()
            self._unmask = RoundedRectangle(radius=[dp(12)])
            StencilPop()
        self._areas: list[tuple[Color, Mesh]] = []
        self._redraw = Clock.create_trigger(self.draw, -1)
        for name in ("pos", "size", "timeline", "version", "whole", "dark", "track", "names", "font_size"):
            self.fbind(name, self._redraw)
        self.fbind("span", self._redraw)
        self.fbind("now", self._scroll)
        self._redraw()

    def on_release(self) -> None:
        """Show the last minute, or all of it."""
        self.whole = not self.whole

    @property
    def scrolling(self) -> bool:
        """True while only the last `span` seconds are shown."""
        return bool(self.now >= 0 and not self.whole)

    def draw(self, *_: object) -> None:
        """Lay all areas anew: after new segments, or at another size."""
        self._track_color.rgba = self.track
        self._track.pos, self._track.size = self.pos, self.size
        for mask in (self._mask, self._unmask):
            mask.pos, mask.size = self.pos, self.size
        times, heights = self._columns()
        self.n_columns = len(times)
        first, self._seconds = self._range(times)
        self._first = first
        xs = (times - first) * (self.width / self._seconds)
        tops = np.cumsum(heights, axis=1) * self.height
        bottoms = tops - heights * self.height
        shown = np.maximum(bottoms, tops - np.minimum(dp(GAP), (tops - bottoms) / 2))
        indices = list(range(2 * len(xs)))
        self._make_areas()
        for column, (color, mesh) in enumerate(self._areas):
            color.rgba = _rgba(dance_colour(self.keys[column], dark=self.dark))
            vertices = np.zeros((2 * len(xs), 4), np.float32)  # x, y and two texture coordinates
            vertices[0::2, 0] = vertices[1::2, 0] = xs
            vertices[0::2, 1], vertices[1::2, 1] = bottoms[:, column], shown[:, column]
            mesh.vertices = vertices.ravel().tolist()
            if len(mesh.indices) != len(indices):
                mesh.indices = indices
        self._write_names(xs, bottoms, shown)
        self._place()

    @property
    def keys(self) -> tuple[str, ...]:
        """What the areas stand for, from below."""
        return self.timeline.keys if self.timeline else ()

    def _make_areas(self) -> None:
        """One area per class of the model that was heard with."""
        while len(self._areas) > len(self.keys):
            for instruction in self._areas.pop():
                self._drawn.remove(instruction)
        while len(self._areas) < len(self.keys):
            self._areas.append((Color(), Mesh(mode="triangle_strip")))
            for instruction in self._areas[-1]:
                self._drawn.add(instruction)

    def _columns(self) -> tuple[Float32, Float32]:
        """Times and heights of the columns; the last one is held on until the next can be there."""
        timeline: Timeline | None = self.timeline
        if not timeline:
            return np.empty(0, np.float32), np.empty((0, len(self.keys)), np.float32)
        limit = int(min(MAX_COLUMNS, max(2, self.width / COLUMN_PIXELS)))
        times, heights = timeline.columns(limit, span=self.span + HOLD_SECONDS if self.scrolling else None)
        times = times + np.float32(self.delay)
        held = times[-1] + HOLD_SECONDS if self.now >= 0 else max(times[-1], times[0] + 1)
        return np.append(times, np.float32(held)), np.concatenate([heights, heights[-1:]])

    def _range(self, times: Float32) -> tuple[float, float]:
        """First second that is drawn, and how many the width stands for."""
        if self.scrolling:
            return float(max(0.0, times[0])) if len(times) else 0.0, float(self.span)
        if self.now >= 0:
            return 0.0, max(self.now, 1.0)
        return (float(times[0]), float(times[-1] - times[0])) if len(times) else (0.0, 1.0)

    def _scroll(self, *_: object) -> None:
        """Time has passed: all of a session is drawn anew, of the last minute only the place is another."""
        if self.now >= 0 and self.whole:
            self._redraw()
        else:
            self._place()

    def _place(self) -> None:
        left = max(0.0, self.now - self.span) if self.scrolling else self._first
        shift = (self._first - left) * self.width / self._seconds
        self._shift.xy = (self.x + shift, self.y)

    def _write_names(self, xs: Float32, bottoms: Float32, tops: Float32) -> None:
        """The names of the largest areas, each where its area leaves most room for it."""
        for _, rectangle in self._texts:
            rectangle.size = (0, 0)
        if len(xs) < 2 or not self.names:
            return
        # What the screen shows until the next segments come, without what is merely held on.
        left, right = 0.0, float(xs[-1])
        if self.now >= 0:
            pixels = self.width / self._seconds
            right = min(right - HOLD_SECONDS * pixels, (self.now - self._first) * pixels)
            if self.scrolling:
                left = max(0.0, right - self.width + HOLD_SECONDS * pixels)
        largest = np.argsort((tops - bottoms)[xs >= left].mean(axis=0))[::-1]
        for (color, rectangle), column in zip(self._texts, largest, strict=False):
            key = self.keys[column]
            texture = self._name_texture(self.names.get(key, key))
            width = texture.width + dp(16)
            best = (0.0, 0.0, 0.0)  # room, x, middle
            for x in np.linspace(left, right - width, NAME_PLACES) if right - left > width else ():
                under = slice(int(np.searchsorted(xs, x)) - 1, int(np.searchsorted(xs, x + width)) + 1)
                under = slice(max(0, under.start), under.stop)
                low, high = bottoms[under, column].max(), tops[under, column].min()
                best = max(best, (float(high - low), float(x), float(low + high) / 2))
            if best[0] >= texture.height:
                color.rgba = _rgba(ink_on(dance_colour(key, dark=self.dark)))
                rectangle.texture, rectangle.size = texture, texture.size
                rectangle.pos = (best[1] + dp(8), best[2] - texture.height / 2)

    def _name_texture(self, name: str) -> Texture:
        if (name, self.font_size) not in self._names:
            label = CoreLabel(text=name, font_size=self.font_size, bold=True, color=(1, 1, 1, 1))
            label.refresh()
            self._names[name, self.font_size] = label.texture
        return self._names[name, self.font_size]


class CountView(Widget):
    """A count to say along: one field per syllable, as wide as it is long, lit in the dance's tempo."""

    count = ObjectProperty(())  # of (syllable, beats)
    beats_per_minute = NumericProperty(120)
    running = BooleanProperty(False)
    still = BooleanProperty(False)  # one field with what is counted now, and nothing that lights up
    ground = ColorProperty("#f3ebe6")
    ink = ColorProperty("#211a1e")
    lit = ColorProperty("#8e1f56")
    lit_ink = ColorProperty("#ffffff")
    font_size = NumericProperty(18)
    active = NumericProperty(-1)  # the syllable that is lit

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._beat = 0.0
        self._tick: Any = None
        self._textures: dict[tuple[str, float], Texture] = {}
        self._redraw = Clock.create_trigger(self.draw, -1)
        for name in (
            "pos",
            "size",
            "count",
            "ground",
            "ink",
            "lit",
            "lit_ink",
            "font_size",
            "active",
            "still",
        ):
            self.fbind(name, self._redraw)

    def on_running(self, _: object, running: bool) -> None:
        """Start or stop the beat."""
        if self._tick:
            self._tick.cancel()
        self._tick = Clock.schedule_interval(self.advance, 1 / 60) if running else None
        self._beat, self.active = 0.0, 0 if running else -1

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        length = sum(beats for _, beats in self.count)
        self._beat = (self._beat + seconds * self.beats_per_minute / 60) % length
        ends = np.cumsum([beats for _, beats in self.count])
        self.active = int(np.searchsorted(ends, self._beat, side="right"))

    def fields(self) -> list[tuple[str, float, float, bool]]:
        """What is drawn: text, left edge and width in px, and whether it is lit.

        Where a word does not fit into its field, even a little smaller, all of them are initials, as dancers
        write: S Q Q.
        """
        if self.still:
            said = self.count[self.active][0] if 0 <= self.active < len(self.count) else ""
            return [(said, float(self.x), float(self.width), False)]
        texts = [syllable for syllable, _ in self.count]
        widths = self._widths(texts)
        if any(self._least(text) > width for text, width in zip(texts, widths, strict=True)):
            texts = [text[:1].upper() if text.isalpha() else text for text in texts]
            widths = self._widths(texts)
        x, found = float(self.x), []
        for index, (text, width) in enumerate(zip(texts, widths, strict=True)):
            found.append((text, x, width, index == self.active))
            x += width + dp(FIELD_GAP)
        return found

    def scale(self, fields: Sequence[tuple[str, float, float, bool]]) -> float:
        """How large the words are drawn, of `font_size`: all alike, with some room around each."""
        return min(
            [1.0, *((width - _around(text)) / self._texture(text).width for text, _, width, _ in fields)]
        )

    def _least(self, text: str) -> float:
        smallest = LEAST_SCALE if len(text) > 1 else 1.0
        return float(self._texture(text).width * smallest + _around(text))

    def _widths(self, texts: Sequence[str]) -> list[float]:
        """As wide as they are long; those that would be too narrow for their words take from the others."""
        room = self.width - dp(FIELD_GAP) * (len(texts) - 1)
        lengths = [beats for _, beats in self.count]
        least = [self._least(text) if len(text) < 2 else 0.0 for text in texts]
        narrow: set[int] = set()
        while True:
            wide = [n for n in range(len(texts)) if n not in narrow]
            left = room - sum(least[n] for n in narrow)
            share = left / (sum(lengths[n] for n in wide) or 1)
            more = {n for n in wide if lengths[n] * share < least[n]}
            if not more or len(more) == len(wide):
                return [least[n] if n in narrow else lengths[n] * share for n in range(len(texts))]
            narrow |= more

    def _texture(self, text: str) -> Texture:
        if (text, self.font_size) not in self._textures:
            label = CoreLabel(text=text or " ", font_size=self.font_size, bold=True, color=(1, 1, 1, 1))
            label.refresh()
            self._textures[text, self.font_size] = label.texture
        return self._textures[text, self.font_size]

    def draw(self, *_: object) -> None:
        """Draw all fields."""
        self.canvas.clear()
        with self.canvas:
            fields = self.fields()
            scale = self.scale(fields)
            for text, x, width, lit in fields:
                Color(rgba=self.lit if lit else self.ground)
                SmoothRoundedRectangle(pos=(x, self.y), size=(width, self.height), radius=[dp(14)])
                texture = self._texture(text)
                size = (texture.width * scale, texture.height * scale)
                Color(rgba=self.lit_ink if lit else self.ink)
                Rectangle(
                    texture=texture,
                    size=size,
                    pos=(x + (width - size[0]) / 2, self.center_y - size[1] / 2),
                )


def _around(text: str) -> float:
    return dp(10) if len(text) > 1 else dp(4)


def _rgba(colour: str) -> tuple[float, float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, 1.0
