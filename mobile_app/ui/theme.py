"""Colours, type sizes and distances: the one place that says how the app looks."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import ClassVar

from kivy.event import EventDispatcher
from kivy.metrics import dp, sp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty

from runtime.colour import contrast
from runtime.dances import OTHER, dance

TOUCH_TARGET = 48  # dp, the least width and height of whatever can be tapped
WIDE = 600  # dp: from this width on, bottom bar becomes side rail and screens get two columns
READABLE = 680  # dp: lists and texts grow no wider
LEAST_ANSWER = 26  # sp of a dance's name beside another, however small the type is
SHEET_HEIGHT = 0.92  # of the window's height, at most


@dataclass(frozen=True)
class Palette:
    """Colours by purpose, '#rrggbb'."""

    background: str
    surface: str  # cards
    raised: str  # on cards: fields, tracks, tonal buttons
    text: str
    muted: str
    primary: str
    primary_ink: str
    soft: str  # a tint of primary to put behind what is chosen
    soft_ink: str
    outline: str
    good: str
    warn: str
    danger: str
    scrim: str  # behind sheets


LIGHT = Palette(
    background="#fbf7f4",
    surface="#ffffff",
    raised="#f3ebe6",
    text="#211a1e",
    muted="#62555c",
    primary="#8e1f56",
    primary_ink="#ffffff",
    soft="#f8dce8",
    soft_ink="#5c0f36",
    outline="#cdbfc5",
    good="#1b6b43",
    warn="#864800",
    danger="#b3261e",
    scrim="#1b1016",
)
DARK = Palette(
    background="#151015",
    surface="#211920",
    raised="#30252e",
    text="#f6eef2",
    muted="#c0b0b9",
    primary="#ff9dc6",
    primary_ink="#4a0a2a",
    soft="#5a1d3b",
    soft_ink="#ffdbe9",
    outline="#57474f",
    good="#83d9a9",
    warn="#ffc07a",
    danger="#ffb4ab",
    scrim="#000000",
)
PALETTES = {"light": LIGHT, "dark": DARK}

# Every pair of text and ground that the screens use; a test holds each to a contrast of 4.5:1.
TEXT_ON = tuple(
    [(ink, ground) for ink in ("text", "muted") for ground in ("background", "surface", "raised")]
    + [(ink, ground) for ink in ("good", "warn", "danger") for ground in ("background", "surface", "raised")]
    + [("primary", ground) for ground in ("background", "surface", "raised")]
    + [("primary_ink", "primary"), ("soft_ink", "soft"), ("surface", "text")]
)


def _lifted(colour: str, ground: str) -> str:
    """A colour, mixed with as much white as it needs to stand out from a dark ground."""
    for part in range(0, 101, 4):
        channels = (round((int(colour[i : i + 2], 16) * (100 - part) + 255 * part) / 100) for i in (1, 3, 5))
        mixed = "#{:02x}{:02x}{:02x}".format(*channels)
        if contrast(mixed, ground) >= SHAPE_CONTRAST:
            break
    return mixed


SHAPE_CONTRAST = 2.2  # of the dances' colours on dark; on light they have an outline


@cache
def dance_colour(key: str, *, dark: bool) -> str:
    """A dance's colour in a theme; that of none of the dances is the ground's."""
    if key == OTHER:
        return DARK.outline if dark else LIGHT.outline
    colour = dance(key).colour
    return _lifted(colour, DARK.raised) if dark else colour


class Theme(EventDispatcher):
    """The palette and type sizes in use; widgets bind to its properties and follow every change."""

    dark = BooleanProperty(False)
    background = ColorProperty()
    surface = ColorProperty()
    raised = ColorProperty()
    text = ColorProperty()
    muted = ColorProperty()
    primary = ColorProperty()
    primary_ink = ColorProperty()
    soft = ColorProperty()
    soft_ink = ColorProperty()
    outline = ColorProperty()
    good = ColorProperty()
    warn = ColorProperty()
    danger = ColorProperty()
    scrim = ColorProperty()

    display = NumericProperty()  # px: the dance's name
    headline = NumericProperty()
    title = NumericProperty()
    body = NumericProperty()
    label = NumericProperty()

    # sp at scale 1. The body comes first: where a rule of Kivy's gives some words another size than the
    # rule of their class does, both follow the theme, and the last that changes wins.
    SIZES: ClassVar[dict[str, int]] = {
        "body": 16,
        "display": 46,
        "headline": 26,
        "title": 19,
        "label": 14,
    }

    def __init__(self, *, dark: bool = False, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.apply(dark=dark, scale=scale)

    def apply(self, *, dark: bool, scale: float) -> None:
        """Change the palette, and the type sizes by a factor."""
        self.dark, self.scale = dark, scale
        palette = DARK if dark else LIGHT
        for field in fields(palette):
            setattr(self, field.name, getattr(palette, field.name))
        for name, size in self.SIZES.items():
            setattr(self, name, sp(size * scale))


def columns(width: float) -> int:
    """1 or 2: how many columns fit into a width in px."""
    return 2 if width >= dp(WIDE) else 1


def text_pairs() -> Iterator[tuple[str, str, str, str, str]]:
    """Palette, ink, ground, and the two colours, for every text that is drawn."""
    for name, palette in PALETTES.items():
        for ink, ground in TEXT_ON:
            yield name, ink, ground, getattr(palette, ink), getattr(palette, ground)
