"""Collects what the phone needs into one folder; for developers, not part of the phone's app.

`python -m mobile_app.stage` fills `build/app`, the `source.dir` of buildozer.spec: the packages
`runtime` and `mobile_app`, the default model, the network for beats, the compiled catalogues, a `main.py`
(python-for-android starts a file of that name at the top), and the icons, which are drawn here.
"""

import json
import shutil
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.beat_activations import shipped_beats
from runtime.model import REGISTRY, shipped

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "build" / "app"
SUFFIXES = {".py", ".kv", ".mo", ".toml", ".onnx"}
LEFT_OUT = {
    "mobile_app/catalogues.py",
    "mobile_app/stage.py",
    "mobile_app/android",
    "mobile_app/devices/desktop.py",
    "runtime/command",
}
MAIN = '''"""What python-for-android starts."""

import sys

from mobile_app.main import main

sys.exit(main())
'''
WINE, WHITE = (0x8E, 0x1F, 0x56), (0xFF, 0xFF, 0xFF)  # the light theme's primary colour and its ink

Pixels = NDArray[np.uint8]


def stage(target: Path = TARGET) -> list[Path]:
    """Fill the folder anew; returns the files, relative to it."""
    if target.exists():
        shutil.rmtree(target)
    model = next(iter(shipped().values()))  # the default, in float, which can be taught
    carried = {model["file"], shipped_beats().name}
    for package in ("runtime", "mobile_app"):
        for path in sorted((ROOT / package).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in SUFFIXES and not any(
                name == left or name.startswith(f"{left}/") for left in LEFT_OUT
            ):
                if path.suffix == ".onnx" and path.name not in carried:
                    continue
                copy = target / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    (target / "runtime" / "models" / REGISTRY).write_text(_registry(model), encoding="utf-8")
    (target / "main.py").write_text(MAIN)
    _draw_icons(target)
    return sorted(path.relative_to(target) for path in target.rglob("*") if path.is_file())


def _registry(model: dict[str, Any]) -> str:
    """models.toml of one model; JSON's strings, numbers and lists are TOML's, too."""
    rows = (f"{name} = {json.dumps(value)}" for name, value in model.items())
    return "[[models]]\n" + "\n".join(rows) + "\n"


def _draw_icons(target: Path) -> None:
    # An adaptive icon shows only the middle 66 of 108 parts of its foreground.
    for name, size, part, ground in (
        ("icon.png", 512, 0.62, WINE),
        ("icon_foreground.png", 432, 0.4, None),
        ("icon_background.png", 432, 0.0, WINE),
        ("presplash.png", 1024, 0.3, WINE),
    ):
        (target / name).write_bytes(png(icon(size, part, ground)))


def icon(size: int, part: float, ground: tuple[int, int, int] | None) -> Pixels:
    """The microphone in white on a ground; None is transparent. Shape (size, size, 4), rows from the top."""
    from mobile_app.ui.icons import coverage

    ink = np.zeros((size, size), np.float32)
    side = round(size * part)
    if side:
        first = (size - side) // 2
        ink[first : first + side, first : first + side] = coverage("mic", side)[::-1]
    colour = np.empty((size, size, 4), np.float32)
    below = np.array(WHITE if ground is None else ground, np.float32)
    colour[..., :3] = below + ink[..., None] * (np.array(WHITE, np.float32) - below)
    colour[..., 3] = 255 * ink if ground is None else 255
    return np.round(colour).astype(np.uint8)


def png(pixels: Pixels) -> bytes:
    """A PNG file of RGBA pixels, shape (height, width, 4)."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each row after a filter byte of 0: none
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def main() -> int:
    """Fill the folder and say how large it is."""
    files = stage()
    size = sum((TARGET / file).stat().st_size for file in files)
    print(f"{len(files)} files, {size / 1e6:.1f} MB in {TARGET.relative_to(ROOT)}")
    if not any(file.suffix == ".onnx" for file in files):
        print("there is no model in runtime/models: the app would have nothing to run", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
