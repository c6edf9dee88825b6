"""Many recordings: each a function of (seed, dance, index) and the settings; FLAC, beats and a manifest."""

import csv
import json
import zlib
from collections.abc import Callable
from dataclasses import MISSING, asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from runtime import beat_files
from runtime.atomic import replacing
from runtime.beats import Beats
from runtime.dances import DANCE_KEYS, OTHER
from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import SAMPLE_RATE, Float32
from training.data.collections import PRIORS
from training.data.manifest import COLUMNS
from training.data.store import Store, add_to_store
from training.parallel import results
from training.synthesis import ambience, arrangement, humans, mixing, rendering
from training.synthesis.styles import LABELS, REGIMES, load_all

MANIFEST = "manifest.csv"
BEATS_SUFFIX = ".beats"  # of the file beside each recording
SETTINGS = "corpus.json"
SOURCE = "whichdance orchestra"
AMBIENCE_SHARE = 0.2  # of 'other'
MANIFEST_EVERY = 100  # recordings; at most so many are made again after a crash


class CorpusError(WhichdanceError):
    """A corpus cannot be made in the folder given."""


@dataclass(frozen=True)
class CorpusSettings:
    """What all recordings of a corpus share.

    Attributes
    ----------
    seed : int
        At least 0.
    seconds : float
        Length of each recording, 5 to 600.
    soundfonts : tuple of str
        Names in `rendering.SOUNDFONTS` that may be heard.
    mixes : tuple of str
        Names in `mixing.MIXES` that may be used.
    tempo : str
        'strict', 'loose', 'wide', or 'mixed' for all three by their shares.
    humans : str
        Folder with groove.zip and openewld.zip (`humans`): people's playing and tunes; '' for none.
    """

    seed: int = 0
    seconds: float = 40.0
    soundfonts: tuple[str, ...] = tuple(rendering.SOUNDFONTS)
    mixes: tuple[str, ...] = tuple(mixing.MIXES)
    tempo: str = "mixed"
    humans: str = ""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ParameterError(f"seed is {self.seed}; it must not be negative")
        if not 5 <= self.seconds <= 600:
            raise ParameterError(f"seconds is {self.seconds:g}; it must be from 5 to 600")
        if self.tempo not in (*REGIMES, "mixed"):
            raise ParameterError(f"tempo is {self.tempo!r}; known are {', '.join(REGIMES)}, mixed")
        for name, given, known in (
            ("soundfonts", self.soundfonts, rendering.SOUNDFONTS),
            ("mixes", self.mixes, mixing.MIXES),
        ):
            unknown = [g for g in given if g not in known]
            if unknown or not given:
                raise ParameterError(
                    f"{name}: {', '.join(unknown) or 'none given'}; known are {', '.join(known)}"
                )

    def described(self) -> dict[str, Any]:
        """What a corpus's folder keeps of them; people by their archives' hash, wherever these lie."""
        described: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        folder = described.pop("humans")
        return described | ({"humans": humans.fingerprint(Path(folder))} if folder else {})


@dataclass(frozen=True)
class CorpusRow:
    """One line of the manifest: the columns that every manifest has, and how the recording was made.

    `tempo_bpm` is in beats per minute, 0 where there is no beat; `soundfonts` are joined by '+'; `drummer`
    and `tune` are the human performance and the lead sheet that were used, '' without.
    """

    path: str
    dance: str
    split: str
    source: str
    start: float
    end: float
    tempo_bpm: float
    metre: str
    style: str
    tempo: str
    soundfonts: str
    mix: str
    seed: int
    index: int
    drummer: str = ""
    tune: str = ""


assert tuple(f.name for f in fields(CorpusRow))[: len(COLUMNS)] == COLUMNS


def split_of(index: int) -> str:
    """Every twentieth recording is for validation, every twentieth for the test."""
    return {18: "validation", 19: "test"}.get(index % 20, "train")


def generators(settings: CorpusSettings, dance: str, index: int) -> list[np.random.Generator]:
    """Independent random generators of one recording: arrangement, rendering, mixing, who of people plays."""
    entropy = [settings.seed, zlib.crc32(dance.encode()), index]
    return [np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(entropy).spawn(4)]


def record(
    settings: CorpusSettings, dance: str, index: int, *, style: str | None = None
) -> tuple[Float32, CorpusRow, arrangement.Performance | None]:
    """Make one recording.

    Parameters
    ----------
    settings : CorpusSettings
    dance : str
        One of `styles.LABELS`.
    index : int
        Number of the recording within its dance.
    style : str, optional
        One of the dance's styles instead of a drawn one.

    Returns
    -------
    samples : ndarray, shape (n,), float32
        Mono, at `runtime.mel.SAMPLE_RATE`.
    row : CorpusRow
        Its line in the manifest.
    performance : Performance or None
        The notes behind it; None for ambient sound.
    """
    arranging, playing, mastering, casting = generators(settings, dance, index)
    path = f"{dance}/{dance}_{settings.seed}_{index:06d}.flac"
    common = (path, dance, split_of(index), SOURCE, 0.0, float(settings.seconds))
    if dance == OTHER and style is None and arranging.random() < AMBIENCE_SHARE:
        kinds = list(ambience.AMBIENCES)
        kind = kinds[arranging.integers(len(kinds))]
        samples = ambience.record(playing, kind, settings.seconds, SAMPLE_RATE)
        return (
            samples,
            CorpusRow(*common, 0.0, "", kind, "", "", "", settings.seed, index),
            None,
        )
    regime = None if settings.tempo == "mixed" else settings.tempo
    performance = arrangement.arrange(
        load_all()[dance],
        arranging,
        settings.seconds,
        regime=regime,
        style_name=style,
        people=humans.load(Path(settings.humans)) if settings.humans else None,
        casting=casting,
    )
    stems, used = rendering.stems(performance, playing, settings.soundfonts)
    mix = mixing.choose_mix(mastering, settings.mixes)
    samples = mixing.mix(performance, stems, mastering, mix)
    row = CorpusRow(
        *common,
        tempo_bpm=round(performance.tempo_bpm, 2),
        metre=performance.style.metre,
        style=performance.style.name,
        tempo=performance.regime,
        soundfonts="+".join(used),
        mix=mix,
        seed=settings.seed,
        index=index,
        drummer=performance.drummer,
        tune=performance.tune,
    )
    return samples, row, performance


def plan(
    hours: float, seconds: float, dances: tuple[str, ...], other_share: float, prior: str = "uniform"
) -> list[tuple[str, int]]:
    """Which recordings make up a corpus.

    Parameters
    ----------
    hours, seconds : float
        In all, and of each recording.
    dances : tuple of str
        Out of `styles.LABELS`.
    other_share : float
        Of the time, for `other` where there are dances besides it.
    prior : str
        One of `training.data.collections.PRIORS`: how the dances share the rest.

    Returns
    -------
    list of (str, int)
        Dance and index, dances taking turns.

    Raises
    ------
    ParameterError
    """
    if prior not in PRIORS:
        raise ParameterError(f"prior must be one of {', '.join(PRIORS)}, got {prior!r}")
    if hours <= 0:
        raise ParameterError(f"hours is {hours:g}; it must be more than 0")
    for dance in dances:
        if dance not in LABELS:
            raise ParameterError(f"no dance {dance!r}; known are {', '.join(LABELS)}")
    total = hours * 3600 / seconds
    real = [d for d in dances if d != OTHER]
    mean = sum(PRIORS[prior]) / len(DANCE_KEYS)  # the collections say nothing about social dances
    common = {d: PRIORS[prior][DANCE_KEYS.index(d)] if d in DANCE_KEYS else mean for d in real}
    named = 1 - (other_share if OTHER in dances else 0)
    shares = {d: named * common[d] / sum(common.values()) for d in real}
    if OTHER in dances:
        shares[OTHER] = other_share if real else 1.0
    counts = {d: max(1, round(total * share)) for d, share in shares.items()}
    order = [((i + 0.5) / counts[d], dances.index(d), d, i) for d in counts for i in range(counts[d])]
    return [(d, i) for _, _, d, i in sorted(order)]


def _write(
    settings: CorpusSettings, folder: Path, store: Path | None, audio: bool, dance: str, index: int
) -> tuple[CorpusRow, str]:
    """Make one recording, put its files in place and its spectrogram into the store; runs in a worker.

    Returns its row and the spectrogram's hash, '' without a store. A file that is not to be kept is written
    all the same, since the spectrogram of what was rounded to 16 bits is wanted, and bears its hash.
    """
    import soundfile

    rendering.load(settings.soundfonts)
    samples, row, performance = record(settings, dance, index)
    path = folder / row.path
    path.parent.mkdir(exist_ok=True)
    beat_files.write(path.with_suffix(BEATS_SUFFIX), performance.beats if performance else Beats())
    with replacing(path) as temporary:
        soundfile.write(temporary, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    digest = ""
    if store is not None:
        digest, reason = add_to_store(store, path)
        if reason:
            raise CorpusError(f"{path}: not added to the store {store} ({reason})")
    if not audio:
        path.unlink()
    return row, digest


def read_rows(path: Path) -> list[CorpusRow]:
    """The rows of a corpus manifest."""
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            for line in reader:
                given = [
                    f for f in fields(CorpusRow) if f.default is MISSING or f.name in line
                ]  # older: no people
                rows.append(CorpusRow(**{f.name: f.type(line[f.name]) for f in given}))  # type: ignore[operator]
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise CorpusError(
                f"{path}, line {reader.line_num}: damaged ({error}); delete the line, and the recording is "
                "made anew"
            ) from error
    return rows


def write_rows(path: Path, rows: list[CorpusRow]) -> None:
    """Write a corpus manifest in class order, in one piece."""
    ordered = sorted(rows, key=lambda r: (LABELS.index(r.dance), r.index))
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(f.name for f in fields(CorpusRow))
        writer.writerows(astuple(row) for row in ordered)


def _resume(folder: Path, settings: CorpusSettings, store: Store | None) -> list[CorpusRow]:
    """Rows of what an earlier run with the same settings left in the folder, or in the store alone."""
    described = settings.described()
    marker = folder / SETTINGS
    if marker.exists():
        try:
            earlier = json.loads(marker.read_text(encoding="utf-8"))
            if not isinstance(earlier, dict):
                raise ValueError("no settings")
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{marker}: damaged; delete the corpus, or choose another folder") from error
        if earlier != described:
            names = sorted({*described, *earlier})
            changed = ", ".join(k for k in names if earlier.get(k) != described.get(k))
            raise CorpusError(
                f"{folder} holds a corpus with other settings ({changed}); choose another folder"
            )
    elif folder.exists() and any(folder.iterdir()):
        raise CorpusError(f"{folder} is not empty and not a corpus; choose another folder")
    with replacing(marker) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    manifest = folder / MANIFEST
    rows = {folder.absolute() / r.path: r for r in read_rows(manifest)} if manifest.exists() else {}
    present = {path for path in rows if path.exists()}
    if store:
        present |= store.without_audio(rows)
    return [row for path, row in rows.items() if path in present]


def make_corpus(
    folder: Path,
    settings: CorpusSettings,
    recordings: list[tuple[str, int]],
    *,
    jobs: int = 1,
    store: Path | None = None,
    audio: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[CorpusRow]:
    """Write recordings, beats, `manifest.csv`; goes on where an earlier run with the same settings stopped.

    Parameters
    ----------
    folder : Path
        Made if missing.
    settings : CorpusSettings
    recordings : list of (str, int)
        As `plan` returns them.
    jobs : int
        Processes; the result does not depend on it.
    store : Path, optional
        Spectrogram store (`training.data.store`) that gets every new recording as well.
    audio : bool
        Keep the audio files; without them the store alone has the recordings, and training is to use it.
    progress : callable
        Called with the number of recordings done and wanted.

    Raises
    ------
    CorpusError
        If the folder holds something else.
    ParameterError
        If neither audio nor a store is wanted.
    """
    if store is None and not audio:
        raise ParameterError(
            "a corpus without audio files needs a store for its spectrograms; name one (--store)"
        )
    for name in settings.soundfonts:
        rendering.find_soundfont(name)  # fail at once, not in a worker
    load_all()
    if settings.humans:
        humans.load(Path(settings.humans))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
    rows = _resume(folder, settings, Store(store) if store and store.exists() else None)
    spectrograms = None if store is None else Store(store)  # often within the folder: training looks there
    present = {(r.dance, r.index) for r in rows}
    missing = [r for r in recordings if r not in present]
    progress(len(recordings) - len(missing), len(recordings))
    where = None if spectrograms is None else spectrograms.folder
    work = ((settings, folder, where, audio, dance, index) for dance, index in missing)
    made = results(_write, work, jobs, ordered=False)
    digests: dict[Path, str] = {}

    def write_down() -> None:
        if spectrograms is not None and not audio:
            spectrograms.keep_without_audio(digests)
            digests.clear()
        write_rows(folder / MANIFEST, rows)

    for count, (row, digest) in enumerate(made, 1):
        rows.append(row)
        digests[folder.absolute() / row.path] = digest
        if count % MANIFEST_EVERY == 0:
            write_down()
        progress(len(recordings) - len(missing) + count, len(recordings))
    write_down()
    return rows
