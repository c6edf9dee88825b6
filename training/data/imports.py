"""Manifests of collections that are labelled already: folders per class, and two public data sets."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from runtime.audio import SUFFIXES
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError
from training.data.manifest import OTHER, Recording, counts

# Other names of the ten dances, as folders are called; compared without case, blanks and punctuation.
FOLDER_NAMES: dict[str, str] = {
    **{key.replace("_", ""): key for key in DANCE_KEYS},
    "chacha": "cha_cha_cha",
    "rumbainternational": "rumba",
    "foxtrot": "slow_foxtrot",
    "slowfox": "slow_foxtrot",
    "waltz": "slow_waltz",
    "englishwaltz": "slow_waltz",
    "vienneswaltz": "viennese_waltz",
    "viennawaltz": "viennese_waltz",
    OTHER: OTHER,
}

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


def folder_per_class(folder: str | Path) -> tuple[list[Recording], list[str]]:
    """Recordings below folders that are named after dances.

    Parameters
    ----------
    folder : str or Path
        Holds a folder per dance, as 'Cha Cha', 'viennese_waltz' or 'Slow Foxtrot'.

    Returns
    -------
    recordings : list of Recording
    unknown : list of str
        Folders whose name is no dance's; what they hold is left out.

    Raises
    ------
    WhichdanceError
        If no folder is named after a dance.
    """
    names = {child.name: FOLDER_NAMES.get(_plain(child.name)) for child in _folders(folder)}
    known = {name: dance for name, dance in names.items() if dance}
    if not known:
        raise WhichdanceError(f"{folder} holds no folder named after a dance, as {', '.join(DANCE_KEYS[:3])}")
    return _recordings(folder, known, "folder"), sorted(set(names) - set(known))


def extended_ballroom(folder: str | Path) -> tuple[list[Recording], list[str]]:
    """The Extended Ballroom data set as the thesis uses it: 4 110 recordings.

    Parameters
    ----------
    folder : str or Path
        Holds `Chacha`, `Foxtrot`, and so on.

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


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _recordings(folder: str | Path, names: Mapping[str, str], source: str) -> list[Recording]:
    return [
        Recording(path, dance, source=source)
        for name, dance in names.items()
        for path in audio_files(Path(folder) / name)
    ]
