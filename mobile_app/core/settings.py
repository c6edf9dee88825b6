"""What the user can choose, kept in one small JSON file."""

import json
import logging
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from runtime.atomic import replacing

log = logging.getLogger(__name__)

CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "text_size": ("small", "normal", "large", "huge"),
    "language": ("system", "en", "de", "cs", "es"),
    "update_rate": ("calm", "normal", "lively"),
    "sensitivity": ("careful", "balanced", "daring"),
}
TEXT_SCALE = {"small": 0.88, "normal": 1.0, "large": 1.2, "huge": 1.45}
STRIDE_FRAMES = {"calm": 215, "normal": 86, "lively": 43}  # 5, 2 and 1 s between updates


@dataclass(frozen=True)
class Preferences:
    """One set of choices; where there is a list to choose from, it is in `CHOICES`.

    Attributes
    ----------
    theme, text_size, language, update_rate, sensitivity : str
    model : str
        Name or file of the model; '' is the one the app comes with.
    keep_awake : bool
        Keep the screen on while listening.
    keep_audio : bool
        Keep what the microphone heard; off unless the user turns it on.
    vibrate : bool
        A short buzz when a dance is recognised.
    """

    theme: str = "system"
    text_size: str = "normal"
    language: str = "system"
    update_rate: str = "normal"
    sensitivity: str = "balanced"
    model: str = ""
    keep_awake: bool = True
    keep_audio: bool = False
    vibrate: bool = True

    def changed(self, **values: object) -> "Preferences":
        """A copy with some choices changed; ValueError if a value is not on offer."""
        for name, value in values.items():
            if not _fits(name, value):
                raise ValueError(f"{name} can't be {value!r}")
        return replace(self, **values)  # type: ignore[arg-type]


def _fits(name: str, value: object) -> bool:
    if name in CHOICES:
        return value in CHOICES[name]
    kinds = {field.name: type(field.default) for field in fields(Preferences)}
    return name in kinds and isinstance(value, kinds[name])


def load(path: Path) -> Preferences:
    """The choices in a file; what is missing, damaged or unknown there falls back to the default."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        log.warning("settings in %s can't be read (%s); using the defaults", path, error)
        return Preferences()
    if not isinstance(stored, dict):
        return Preferences()
    return Preferences(**{name: value for name, value in stored.items() if _fits(name, value)})


def save(settings: Preferences, path: Path) -> None:
    """Write the choices; the file is the old or the new one at any moment, never half of it.

    Raises
    ------
    OSError, WhichdanceError
        If it can't be written.
    """
    with replacing(path, private=True) as temporary:
        temporary.write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
