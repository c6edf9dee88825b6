"""The app's own icons: strokes on a grid of 24 × 24, drawn into textures of any size.

A stroke is a list of points; the alpha of a pixel follows from its distance to the nearest stroke, so
edges are smooth at every size without a drawing library.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import cos, pi, sin

import numpy as np
from kivy.graphics.texture import Texture
from numpy.typing import NDArray

Stroke = Sequence[tuple[float, float]]
GRID = 24.0
STROKE = 2.0  # width on the grid


def _arc(x: float, y: float, radius: float, start: float = 0, end: float = 360) -> Stroke:
    """Part of a circle, angles in degrees anticlockwise from three o'clock, y upwards."""
    steps = max(6, int(abs(end - start) / 9))
    angles = [(start + (end - start) * i / steps) * pi / 180 for i in range(steps + 1)]
    return [(x + radius * cos(a), y + radius * sin(a)) for a in angles]


def _dot(x: float, y: float) -> Stroke:
    return [(x, y), (x, y + 0.01)]


def _gear() -> list[Stroke]:
    teeth: list[Stroke] = [
        [(12 + r * cos(a), 12 + r * sin(a)) for r in (6.6, 8.6)]
        for a in (pi / 8 + k * pi / 4 for k in range(8))
    ]
    return [_arc(12, 12, 6), _arc(12, 12, 2), *teeth]


ICONS: dict[str, list[Stroke]] = {
    "mic": [
        [*_arc(12, 17, 3, 0, 180), *_arc(12, 11, 3, 180, 360), (15, 17)],
        [(6, 12), *_arc(12, 11, 6, 180, 360), (18, 12)],
        [(12, 5), (12, 2)],
        [(8.5, 2), (15.5, 2)],
    ],
    "stop": [
        [(7, 7), (17, 7), (17, 17), (7, 17), (7, 7)],
        *([(8, y), (16, y)] for y in (8.5, 10, 11.5, 13, 14.5, 16)),
    ],
    "play": [[(8, 5), (18, 12), (8, 19), (8, 5)]],
    "pause": [[(9, 6), (9, 18)], [(15, 6), (15, 18)]],
    "history": [_arc(12, 12, 9), [(12, 17), (12, 12), (15.5, 9.5)]],
    "dances": [
        _arc(7.5, 6, 2.5),
        [(10, 6), (10, 18), (20, 20), (20, 8)],
        _arc(17.5, 8, 2.5),
    ],
    "settings": _gear(),
    "folder": [[(3, 6), (3, 18), (9, 18), (11, 15.5), (21, 15.5), (21, 5), (3, 5), (3, 6)]],
    "file": [[(6, 3), (6, 21), (14, 21), (18, 17), (18, 3), (6, 3)], [(14, 21), (14, 17), (18, 17)]],
    "back": [[(11, 19), (4, 12), (11, 5)], [(4, 12), (20, 12)]],
    "next": [[(9, 18), (15, 12), (9, 6)]],
    "up": [[(6, 12), (12, 18), (18, 12)], [(12, 18), (12, 5)]],
    "close": [[(6, 6), (18, 18)], [(6, 18), (18, 6)]],
    "check": [[(5, 12.5), (10, 7.5), (19.5, 17)]],
    "edit": [[(4, 4), (5, 8.5), (16, 19.5), (19.5, 16), (8.5, 5), (4, 4)], [(13.5, 17), (17, 13.5)]],
    "delete": [
        [(4, 18), (20, 18)],
        [(9, 18), (9, 21), (15, 21), (15, 18)],
        [(6, 18), (7, 3), (17, 3), (18, 18)],
        [(10, 14), (10.3, 7)],
        [(14, 14), (13.7, 7)],
    ],
    "share": [[(12, 10), (12, 21)], [(8, 17.5), (12, 21), (16, 17.5)], [(5, 12), (5, 3), (19, 3), (19, 12)]],
    "export": [[(12, 21), (12, 9)], [(7.5, 13), (12, 8.5), (16.5, 13)], [(4, 9), (4, 3), (20, 3), (20, 9)]],
    "filter": [[(3, 18), (21, 18)], [(6.5, 12), (17.5, 12)], [(10, 6), (14, 6)]],
    "warn": [[(12, 20.5), (2.5, 4), (21.5, 4), (12, 20.5)], [(12, 14.5), (12, 10)], _dot(12, 7)],
    "info": [_arc(12, 12, 9), [(12, 11.5), (12, 7.5)], _dot(12, 16)],
    "note": [_arc(9, 6, 3), [(12, 6), (12, 20), (18, 17)]],
    "sound": [[(4, 9), (4, 15), (8, 15), (13, 19.5), (13, 4.5), (8, 9), (4, 9)], _arc(13, 12, 5, -50, 50)],
}


def coverage(icon: str, size: int) -> NDArray[np.float32]:
    """How much of each pixel an icon covers, shape (size, size), rows from the bottom, 0 to 1."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (GRID / size)
    x, y = np.meshgrid(axis, axis)
    nearest = np.full((size, size), np.inf, np.float32)
    for stroke in ICONS[icon]:
        for (x0, y0), (x1, y1) in pairwise(stroke):
            along_x, along_y = x1 - x0, y1 - y0
            length2 = max(along_x**2 + along_y**2, 1e-9)
            part = np.clip(((x - x0) * along_x + (y - y0) * along_y) / length2, 0, 1)
            distance = np.hypot(x - x0 - part * along_x, y - y0 - part * along_y)
            np.minimum(nearest, distance, out=nearest)
    edge = GRID / size  # one pixel on the grid
    return np.clip((STROKE / 2 - nearest) / edge + 0.5, 0, 1).astype(np.float32)


@lru_cache(maxsize=128)
def icon_texture(icon: str, size: int) -> Texture:
    """A white texture of an icon, to be tinted by a `Color`; `size` in px."""
    pixels = np.full((size, size, 4), 255, np.uint8)
    pixels[..., 3] = np.round(coverage(icon, size) * 255)
    texture = Texture.create((size, size), colorfmt="rgba")
    texture.blit_buffer(pixels.tobytes(), colorfmt="rgba", bufferfmt="ubyte")
    return texture
