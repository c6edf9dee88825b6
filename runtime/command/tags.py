"""Write the dance and the tempo into music files, where ballroom players look for them.

The names are BallroomDJ's convention: DANCE and BPM in Vorbis comments, TXXX:DANCE and TBPM in ID3,
----:BDJ4:DANCE and tmpo in MP4, DANCE and WM/BeatsPerMinute in WMA, DANCE and BPM in WavPack. Needs
mutagen (extra `tags`).
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from runtime.atomic import FileState, file_state, replacing
from runtime.audio import open_audio
from runtime.command.tagging import ape, asf, chunks, id3, mp4, vorbis
from runtime.command.tagging.chunks import MENDED_BY
from runtime.command.tagging.pieces import known_at, spliced
from runtime.command.words import answer
from runtime.dances import dance
from runtime.errors import WhichdanceError
from runtime.prediction import Outcome, Prediction

DANCE = "DANCE"
BPM = "BPM"

ASF_BPM = "WM/BeatsPerMinute"

# What BallroomDJ's own list of dances calls those that go by another name here.
PLAYER_NAMES = {"cha_cha_cha": "Cha Cha", "slow_foxtrot": "Foxtrot", "slow_waltz": "Waltz"}


@dataclass(frozen=True)
class TagChange:
    """What happens to one tag.

    Attributes
    ----------
    field : str
        'DANCE' or 'BPM'.
    value : str
        What the prediction says.
    existing : str or None
        What stood in the file before.
    written : bool
        True where `value` is in the file now, or would be but for the dry run.
    """

    field: str
    value: str
    existing: str | None
    written: bool


class TagWriter:
    """Writes tags into the recordings that it is given, and says what it does.

    Parameters
    ----------
    least : float
        Confidence from which tags are written, 0 to 1.
    overwrite, dry_run : bool
        As for `write_tags`.
    say : callable
        Takes one line.
    """

    def __init__(self, least: float, *, overwrite: bool, dry_run: bool, say: Callable[[str], None]) -> None:
        self._least = least
        self._overwrite = overwrite
        self._dry_run = dry_run
        self._say = say

    def add(self, outcome: Outcome) -> Outcome | None:
        """Write the tags of a recording; WhichdanceError if that fails.

        The file must be what was heard. The outcome returned has its state with the tags.
        """
        path, prediction = outcome.path, outcome.prediction
        if prediction is None:
            return None
        if prediction.verdict in ("none", "silence"):
            self._say(f"{path}: no tags; it is {answer(prediction)}")
            return None
        if prediction.dance is None or prediction.confidence < self._least:
            confidence = f"its confidence is only {prediction.confidence:.2f} (--min-confidence)"
            self._say(f"{path}: no tags; {answer(prediction)}, {confidence}")
            return None
        n_names = 1
        with suppress(OSError):
            n_names = os.stat(path).st_nlink  # the new file takes one name; the others stay the old file's
        changes, state = _tagged(
            path,
            tag_values(prediction),
            overwrite=self._overwrite,
            dry_run=self._dry_run,
            expected=outcome.state,
        )
        wrote = any(change.written for change in changes) and not self._dry_run
        if wrote and n_names > 1:
            self._say(f"{path}: its {n_names - 1} other names (hard links) keep the file without these tags")
        for change in changes:
            if change.written:
                verb = "would write" if self._dry_run else "wrote"
                self._say(f"{path}: {verb} {change.field}={change.value}")
            elif change.existing != change.value:
                self._say(f"{path}: kept {change.field}={change.existing}, not {change.value} (--overwrite)")
        return replace(outcome, state=state) if wrote else None

    def finish(self) -> None:
        """Nothing is left to do."""


def tag_values(prediction: Prediction) -> dict[str, str]:
    """The tags of a prediction: DANCE as players spell it, BPM in whole beats per minute.

    Empty where the dance is not sure.
    """
    if prediction.dance is None:
        return {}
    values = {DANCE: PLAYER_NAMES.get(prediction.dance, dance(prediction.dance).name)}
    if prediction.tempo_bpm is not None:
        values[BPM] = str(round(prediction.tempo_bpm))
    return values


def write_tags(
    path: str | os.PathLike[str],
    values: Mapping[str, str],
    *,
    overwrite: bool = False,
    dry_run: bool = False,
) -> list[TagChange]:
    """Write tags into a music file.

    The tags go into a copy beside the file. Only once its decoded samples have been compared with the
    original's, and all other tags byte for byte, does it take the original's place, in one step, so that the
    file is whole at any moment.

    Parameters
    ----------
    path : path-like
        FLAC, Ogg, Opus, MP3, WAV, AIFF, MP4/M4A, WMA or WavPack.
    values : mapping of str to str
        By 'DANCE' and 'BPM'.
    overwrite : bool
        Whether to replace values that stand in the file already.
    dry_run : bool
        Only tell what would be done.

    Returns
    -------
    list of TagChange
        One per value.

    Raises
    ------
    WhichdanceError
        If mutagen is missing, the format has no place for these tags, the file cannot be written, or what
        was written cannot be read back.
    """
    return _tagged(path, values, overwrite=overwrite, dry_run=dry_run, expected=None)[0]


def _tagged(
    path: str | os.PathLike[str],
    values: Mapping[str, str],
    *,
    overwrite: bool,
    dry_run: bool,
    expected: FileState | None,
) -> tuple[list[TagChange], FileState | None]:
    """As `write_tags`, into a file in the expected state; with its state after that."""
    state = expected
    with _named_errors(path):
        existing = _read(_open(path), values)
    changes = []
    for field, value in values.items():
        old = existing[field]
        changes.append(TagChange(field, value, old, written=old is None or (overwrite and old != value)))
    new = {change.field: change.value for change in changes if change.written}
    if new and not dry_run:
        with _named_errors(path):
            kept = _kept(Path(path), values)
        with _named_errors(path), replacing(path, expected=expected) as temporary:
            shutil.copy2(path, temporary)
            file = _open(temporary)
            if _read(file, values) != existing:
                raise WhichdanceError(f"{path}: another program changed its tags meanwhile; try again")
            _write(file, new, temporary)
            if lost := kept.difference(_kept(temporary, values)):
                raise WhichdanceError(f"{path}: new tags would change {lost}; the file is left as it was")
            if _read(_open(temporary), values) != existing | new:
                raise WhichdanceError(f"{path}: the tags could not be read back; the file is left as it was")
            state = file_state(temporary)  # which its new name does not change
    return changes, state


def check_mutagen() -> None:
    """WhichdanceError without mutagen."""
    try:
        import mutagen  # noqa: F401
    except ImportError as error:
        raise WhichdanceError("--write-tags needs mutagen: pip install 'whichdance[tags]'") from error


@contextmanager
def _named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    check_mutagen()
    try:
        yield
    except WhichdanceError as error:
        if str(path) in str(error):
            raise
        raise WhichdanceError(f"{path}: its tags cannot be written ({error})") from error
    except Exception as error:  # mutagen's own, and what its parsers throw at damaged files
        from mutagen import MutagenError

        reason = " ".join(str(error).replace(str(path), "").split()) or type(error).__name__
        words_help_nobody = not isinstance(error, MutagenError | OSError)  # Python's own about bytes
        if words_help_nobody or "Not enough data" in reason:
            reason = f"damaged, or streamed and never completed: {MENDED_BY}"
        elif "codec can't decode" in reason:
            reason = "a text in them is not in its encoding; a program for tags can mend that"
        raise WhichdanceError(f"{path}: its tags cannot be written ({reason})") from error


def _open(path: str | os.PathLike[str]) -> Any:
    """The file as one of mutagen's types, with tags, if need be empty ones."""
    import mutagen
    from mutagen.aiff import AIFF
    from mutagen.asf import ASF
    from mutagen.flac import FLAC
    from mutagen.mp3 import MP3
    from mutagen.mp4 import MP4
    from mutagen.oggflac import OggFLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggspeex import OggSpeex
    from mutagen.oggvorbis import OggVorbis
    from mutagen.wave import WAVE
    from mutagen.wavpack import WavPack

    kinds = [AIFF, ASF, FLAC, MP3, MP4, OggFLAC, OggOpus, OggSpeex, OggVorbis, WAVE, WavPack]
    file = mutagen.File(path, options=kinds)
    if file is None:
        raise WhichdanceError(
            f"{path}: its format has no place for DANCE and BPM tags; convert it to FLAC, Ogg, MP3 or M4A"
        )
    if file.tags is None:
        file.add_tags()
    return file


def _read(file: Any, fields: Mapping[str, str]) -> dict[str, str | None]:
    """What the file says already; blanks, and a tempo of 0, which players write for 'not known', are None."""
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

    tags = file.tags
    if isinstance(tags, ID3):
        dances = [text for frame in tags.getall("TXXX") if frame.desc.upper() == DANCE for text in frame.text]
        tempi = [text for frame in tags.getall("TBPM") for text in frame.text]
    elif isinstance(tags, MP4Tags):
        dances = [bytes(value).decode(errors="replace") for value in tags.get("----:BDJ4:DANCE", [])]
        tempi = [str(value) for value in tags.get("tmpo", [])]
    elif isinstance(tags, ASFTags):
        dances, tempi = ([str(value) for value in tags.get(name, [])] for name in (DANCE, ASF_BPM))
    elif isinstance(tags, APEv2):
        dances, tempi = (str(tags[name]).split("\0") if name in tags else [] for name in (DANCE, BPM))
    else:
        dances, tempi = tags.get(DANCE, []), tags.get(BPM, [])
    found = {
        DANCE: ", ".join(text for text in dances if text.strip()),
        BPM: ", ".join(text for text in tempi if text.strip() not in ("", "0")),
    }
    return {field: found[field] or None for field in fields}


def _write(file: Any, values: Mapping[str, str], path: Path) -> None:
    match _place_of(file):
        case "mp3":
            _write_mp3(path, values)
        case "chunk":
            chunks.write(path, file, values)
        case "mp4":
            mp4.write(path, file, values)
        case "asf":
            asf.write(path, values)
        case "ape":
            ape.write(path, values)
        case "flac":
            vorbis.write_flac(path, values)
        case _:
            vorbis.write_ogg(path, file, values)


def _place_of(file: Any) -> str:
    """Where the tags of one of mutagen's types are."""
    from mutagen.aiff import AIFF
    from mutagen.asf import ASF
    from mutagen.flac import FLAC
    from mutagen.mp3 import MP3
    from mutagen.mp4 import MP4
    from mutagen.wave import WAVE
    from mutagen.wavpack import WavPack

    kinds = {MP3: "mp3", AIFF: "chunk", WAVE: "chunk", MP4: "mp4", ASF: "asf", WavPack: "ape", FLAC: "flac"}
    return kinds.get(type(file), "ogg")


def _write_mp3(path: Path, values: Mapping[str, str]) -> None:
    """A new tag before the sound; what stands behind it (ID3v1, APE, lyrics) stays as it is."""
    with path.open("rb") as file:
        tag = id3.parsed(_tag_bytes(file))
    spliced(path, 0, tag.size, tag.with_values(values).encoded())


def _tag_bytes(file: IO[bytes]) -> bytes:
    """The ID3v2 tag that stands at a position of a file."""
    header = file.read(id3.HEADER)
    return header + file.read(id3.length(header))


@dataclass(frozen=True)
class _Kept:
    """What of a file new tags may not change.

    Attributes
    ----------
    sound : str
        Hash of its samples; '' of an MP3 file, whose bytes behind the ID3v2 tag are all among the tags.
    tags : list
        All that stands in the file but the tags that are written, byte for byte.
    """

    sound: str
    tags: list[Any]

    def difference(self, other: "_Kept") -> str:
        """What is not the same, in words; '' where nothing is."""
        if self.sound != other.sound:
            return "its sound"
        return "" if self.tags == other.tags else "other tags"


def _kept(path: Path, fields: Mapping[str, str]) -> _Kept:
    place = _place_of(_open(path))
    if place == "mp3":
        with path.open("rb") as opened:
            tag = id3.parsed(_tag_bytes(opened))
            return _Kept("", [tag.others(fields), known_at(opened, tag.size)])
    others = {
        "chunk": chunks.others,
        "mp4": mp4.others,
        "asf": asf.others,
        "ape": ape.others,
        "flac": vorbis.flac_others,
        "ogg": vorbis.ogg_others,
    }[place]
    return _Kept(_samples_hash(path), others(path, fields))


def _samples_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open_audio(path) as reader:
        for block in reader.blocks():
            digest.update(block.tobytes())
    return digest.hexdigest()
