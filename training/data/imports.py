"""Manifests of collections that are labelled already: folders per class, and two public data sets."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

from runtime.aliases import FOLDER_NAMES, label_of, plain
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError
from runtime.formats import SUFFIXES
from training.data.manifest import Recording, counts, label_fault

# Extended Ballroom (Marchand and Peeters 2016), as the thesis uses it (4.2.3): Salsa and West Coast Swing
# are dropped, Waltz and Slow Waltz are one class.
EXTENDED_BALLROOM: dict[str, str] = {
    "Chacha": "cha_cha_cha",
    "Foxtrot": "slow_foxtrot",
    "Jive": "jive",
    "Pasodoble": "paso_doble",
    "Quickstep": "quickstep",
    "Rumba": "rumba",
    "Samba": "samba",
    "Slowwaltz": "slow_waltz",
    "Tango": "tango",
    "Viennesewaltz": "viennese_waltz",
    "Waltz": "slow_waltz",
}
EXTENDED_BALLROOM_COUNTS: dict[str, int] = {  # thesis table 4.3
    "cha_cha_cha": 455,
    "jive": 350,
    "paso_doble": 53,
    "quickstep": 497,
    "rumba": 470,
    "samba": 468,
    "slow_foxtrot": 507,
    "slow_waltz": 594,
    "tango": 464,
    "viennese_waltz": 252,
}

# The Ballroom data of ISMIR 2004 (Gouyon et al. 2006): its three kinds of Rumba are one class.
BALLROOM: dict[str, str] = {
    "chachacha": "cha_cha_cha",
    "jive": "jive",
    "quickstep": "quickstep",
    "rumba-american": "rumba",
    "rumba-international": "rumba",
    "rumba-misc": "rumba",
    "samba": "samba",
    "tango": "tango",
    "viennesewaltz": "viennese_waltz",
    "waltz": "slow_waltz",
}


def read_aliases(path: str | Path) -> dict[str, str]:
    """Further names of dances, from a TOML file of lines like `"Wiener Walzer" = "viennese_waltz"`.

    Raises
    ------
    WhichdanceError
        Naming the file and what is wrong.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WhichdanceError(f"{path} cannot be read ({error})") from error
    for name, dance in content.items():
        if dance != "" and (fault := label_fault(str(dance))):
            raise WhichdanceError(f"{path}: {name!r} is {dance!r}; {fault}")
    return {plain(name): dance for name, dance in content.items()}


def folder_per_class(
    folder: str | Path, aliases: Mapping[str, str] | None = None
) -> tuple[list[Recording], dict[str, str]]:
    """Recordings below folders, each of which is a class.

    Parameters
    ----------
    folder : str or Path
        Holds a folder per dance, as 'Cha Cha', 'viennese_waltz' or 'Slow Foxtrot'. Of other names the
        label is the name itself, as 'lindy_swing' of 'Lindy Swing'.
    aliases : mapping of str to str, optional
        Further names, as `read_aliases` gives them; they win over `FOLDER_NAMES`, and '' leaves one out.

    Returns
    -------
    recordings : list of Recording
    unknown : dict of str to str
        Folders of other names, and the label that was made of each; '' where none can be, and what it holds
        is left out.

    Raises
    ------
    WhichdanceError
        If there are no folders that a label can be made of.
    """
    dances = FOLDER_NAMES | dict(aliases or {})
    names = {child.name: dances.get(plain(child.name)) for child in _folders(folder)}
    strange = sorted(name for name, dance in names.items() if dance is None)
    unknown = {name: _label_of(name) for name in strange if audio_files(Path(folder) / name)}
    known = {name: dance for name, dance in (names | unknown).items() if dance}
    if not known:
        raise WhichdanceError(
            f"{folder} holds no folder named after a dance, as {', '.join(DANCE_KEYS[:3])}; other names are "
            "told by --alias FILE"
        )
    return _recordings(folder, known, "folder"), unknown


def _label_of(name: str) -> str:
    """'Lindy Swing!' to 'lindy_swing'; '' of names that no label can be made of, or nearly known ones."""
    label = label_of(name)
    return "" if label_fault(label) else label


def extended_ballroom(folder: str | Path) -> tuple[list[Recording], list[str]]:
    """The Extended Ballroom data set as the thesis uses it: 4 110 recordings.

    Parameters
    ----------
    folder : str or Path
        Holds `Chacha`, `Foxtrot`, and so on. Where `extendedballroom_v1.1.xml` lies there too, recordings
        have the tempo, title, artist and album that it knows, and what it calls a repetition of a song
        (another version, the same take, karaoke) is in one group with that song.

    Returns
    -------
    recordings : list of Recording
    differences : list of str
        Where the counts differ from thesis table 4.3, empty for the complete data set.
    """
    present = {child.name for child in _folders(folder)}
    missing = set(EXTENDED_BALLROOM) - present
    if missing:
        raise WhichdanceError(
            f"{folder} is not the folder of Extended Ballroom: it lacks {', '.join(sorted(missing))}"
        )
    recordings = _recordings(folder, EXTENDED_BALLROOM, "Extended Ballroom")
    descriptions = sorted(Path(folder).glob("extendedballroom*.xml"))
    if descriptions:
        recordings = _described(recordings, descriptions[-1])
    found = counts(recordings)
    differences = [
        f"{dance}: {found.get(dance, 0)} recordings, table 4.3 has {expected}"
        for dance, expected in EXTENDED_BALLROOM_COUNTS.items()
        if found.get(dance, 0) != expected
    ]
    return recordings, differences


def ballroom(data_home: str | Path | None = None) -> list[Recording]:
    """The Ballroom data of ISMIR 2004 by `mirdata`: 698 recordings of 8 dances.

    Parameters
    ----------
    data_home : str or Path, optional
        Where `mirdata.initialize('ballroom').download()` put it; mirdata's own place if None.
    """
    try:
        mirdata = import_module("mirdata")
    except ImportError as error:
        raise WhichdanceError("the Ballroom data need mirdata: pip install mirdata") from error
    dataset = mirdata.initialize("ballroom", data_home=str(data_home) if data_home else None)
    tracks = dataset.load_tracks().values()
    recordings = [
        Recording(Path(track.audio_path), BALLROOM[track.genre], source="ISMIR04 Ballroom")
        for track in tracks
        if track.genre in BALLROOM and track.audio_path and Path(track.audio_path).exists()
    ]
    if not recordings:
        raise WhichdanceError(
            f"no Ballroom recordings in {dataset.data_home}; fetch them with "
            "python -c \"import mirdata; mirdata.initialize('ballroom').download()\""
        )
    return recordings


def audio_files(folder: str | Path) -> list[Path]:
    """All audio files below a folder, in order of their names."""
    folder = Path(folder)
    if not folder.is_dir():
        raise WhichdanceError(f"{folder} is no folder")
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _folders(folder: str | Path) -> list[Path]:
    if not Path(folder).is_dir():
        raise WhichdanceError(f"{folder} is no folder")
    return sorted(child for child in Path(folder).iterdir() if child.is_dir())


REPETITIONS = ("version", "exact", "time", "karaoke")  # attributes that name another song's id


def _described(recordings: list[Recording], xml: Path) -> list[Recording]:
    """With what the XML file of Extended Ballroom says: a node per genre, in it a node per song."""
    try:
        root = ElementTree.parse(xml).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise WhichdanceError(f"{xml} cannot be read as XML ({error})") from error
    songs = {song.get("id", ""): song for genre in root for song in genre}
    original = {
        id: next((other for name in REPETITIONS if (other := song.get(name, "")) in songs), "")
        for id, song in songs.items()
    }
    repeated = set(original.values())

    def group(id: str) -> str:
        seen = {id}
        while original.get(id) and original[id] not in seen:
            id = original[id]
            seen.add(id)
        return f"Extended Ballroom {id}" if len(seen) > 1 or id in repeated else ""

    described = []
    for recording in recordings:
        song = songs.get(recording.path.stem)
        if song is not None:
            cells = ((name, song.get(name, "").strip()) for name in ("title", "artist", "album"))
            recording = replace(
                recording,
                tempo_bpm=_tempo(song.get("bpm")),
                group=group(recording.path.stem),
                more=tuple(cell for cell in cells if cell[1]),
            )
        described.append(recording)
    return described


def _tempo(text: str | None) -> float | None:
    try:
        bpm = float(text or "nan")
    except ValueError:
        return None
    return bpm if math.isfinite(bpm) and bpm > 0 else None


def _recordings(folder: str | Path, names: Mapping[str, str], source: str) -> list[Recording]:
    return [
        Recording(path, dance, source=source)
        for name, dance in names.items()
        for path in audio_files(Path(folder) / name)
    ]
