"""What the user can choose, kept in one small JSON file."""

import json
import logging
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from mobile_app.core.count import DELAY_LIMIT
from mobile_app.core.listener import CHUNK_SECONDS
from runtime.atomic import replacing

log = logging.getLogger(__name__)

CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "text_size": ("small", "normal", "large", "huge"),
    "language": ("system", "en", "de", "cs", "es"),
    "update_rate": ("calm", "normal", "lively"),
    "sensitivity": ("careful", "balanced", "daring"),
    "audio_limit": ("100", "500", "2000"),
}
TEXT_SCALE = {"small": 0.88, "normal": 1.0, "large": 1.2, "huge": 1.45}
STRIDE_FRAMES = {"calm": 215, "normal": 86, "lively": 43}  # 5, 2 and 1 s between updates
THRIFTY_STRIDE = 430  # 10 s: half of the sound is heard once, the rest is in the segment before
THRIFTY_CHUNK_SECONDS = 1.0  # ten tenths of a second at once cost little more than one of them
MIN_CONFIDENCE = {"careful": 0.85, "balanced": None, "daring": 0.35}  # None: the model's own threshold
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Preferences:
    """One set of choices; where there is a list to choose from, it is in `CHOICES`.

    Attributes
    ----------
    theme, text_size, language, update_rate, sensitivity : str
    danced : str
        What is danced here: 'all', a group, or dances with commas between them (`danced`).
    nothing_else : bool
        And nothing else is played.
    model : str
        Name or file of the model; '' is the one the app comes with.
    keep_awake : bool
        Keep the screen on while listening.
    thrifty : bool
        Less work for the battery: an update every ten seconds, and nothing moves on the screen but the
        level, once a second.
    keep_audio : bool
        Keep what the microphone heard; off unless the user turns it on.
    audio_limit : str
        MB that kept sound may take.
    vibrate : bool
        A buzz when a dance begins, in a pattern of its family.
    speak : bool
        Say the dance's name aloud when it begins.
    count : bool
        Show the count in phase with the music.
    buzz_one : bool
        A short buzz on every one.
    still : bool
        The count changes without anything that lights up or moves.
    count_delay : int
        ms by which microphone and screen are late, as the user tapped.
    learn : bool
        Corrections teach.
    background : bool
        Go on listening when the screen is off or another app is in front.
    """

    theme: str = "system"
    text_size: str = "normal"
    language: str = "system"
    update_rate: str = "normal"
    sensitivity: str = "balanced"
    danced: str = "all"
    nothing_else: bool = False
    model: str = ""
    keep_awake: bool = True
    thrifty: bool = False
    keep_audio: bool = False
    audio_limit: str = "500"
    vibrate: bool = True
    speak: bool = False
    count: bool = True
    buzz_one: bool = False
    still: bool = False
    count_delay: int = 0
    learn: bool = True
    background: bool = True

    @property
    def stride(self) -> int:
        """Frames from one update to the next."""
        return THRIFTY_STRIDE if self.thrifty else STRIDE_FRAMES[self.update_rate]

    @property
    def beats(self) -> bool:
        """Whether beats are followed: for the eye, or for the hand."""
        return (self.count or self.buzz_one) and not self.thrifty

    @property
    def chunk_seconds(self) -> float:
        """Sound that is worked on at a time, s."""
        return THRIFTY_CHUNK_SECONDS if self.thrifty else CHUNK_SECONDS

    @property
    def min_confidence(self) -> float | None:
        """Probability from which a dance is named; None: what the model's makers found best."""
        return MIN_CONFIDENCE[self.sensitivity]

    def changed(self, **values: object) -> "Preferences":
        """A copy with some choices changed; ValueError if a value is not on offer."""
        for name, value in values.items():
            if not _fits(name, value):
                raise ValueError(f"{name} can't be {value!r}")
        return replace(self, **values)  # type: ignore[arg-type]


def _fits(name: str, value: object) -> bool:
    if name in CHOICES:
        return value in CHOICES[name]
    if name == "count_delay":
        return type(value) is int and abs(value) <= 1000 * DELAY_LIMIT
    kinds = {field.name: type(field.default) for field in fields(Preferences)}
    return name in kinds and isinstance(value, kinds[name])


def load(path: Path) -> Preferences:
    """The choices in a file; what is missing, damaged or unknown there falls back to the default."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError, RecursionError) as error:  # the last: nothing but brackets
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
