"""A library for rekordbox: its documented exchange format, 'rekordbox xml', which others read too.

rekordbox shows it under Preferences, Advanced, rekordbox xml; nothing is changed in the collection until the
DJ takes tracks over. Tracks carry the dance as genre, the tempo, the beat grid with a hot cue on the first
one, and a memory cue where a part begins.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from runtime import __version__
from runtime.atomic import replacing
from runtime.beats import Beats, steady
from runtime.command import words
from runtime.command.exits import utf8_name
from runtime.command.playlists import refuse
from runtime.prediction import Outcome, Prediction

# XML 1.0, production 2: what a document cannot hold, not even escaped
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MEMORY_CUE = "-1"  # the number of a cue that is no hot cue
HOT_CUE = "0"  # the first of them


class RekordboxLibrary:
    """Writes all recordings that were heard, and a playlist per dance that occurs.

    Parameters
    ----------
    path : path-like
        Usually ends in .xml.
    labels : sequence of str
        Keys of the dances that may be answered, in the order of the playlists.
    """

    def __init__(self, path: str | os.PathLike[str], labels: Sequence[str]) -> None:
        self.path = Path(path)
        unsure = (words.NONE.capitalize(), words.NOT_SURE.capitalize())
        names = [*(words.name(label) for label in labels), *unsure]
        self._names = names
        self._tracks: list[tuple[Outcome, str, ElementTree.Element]] = []  # with their playlists' names

    def add(self, outcome: Outcome) -> None:
        """Take a recording; those that could not be read and those without music are left out."""
        prediction = outcome.prediction
        if prediction is None or prediction.verdict == "silence":
            return
        track = ElementTree.Element("TRACK", _attributes(outcome.path, prediction))
        if prediction.beats is not None:
            _add_grid(track, prediction.beats)
        for part in prediction.parts[1:]:
            name = words.part_name(part)
            mark = {"Name": name, "Type": "0", "Start": f"{part.start:.3f}", "Num": MEMORY_CUE}
            ElementTree.SubElement(track, "POSITION_MARK", mark)
        self._tracks.append((replace(outcome, prediction=None), _playlist(prediction), track))

    def finish(self) -> None:
        """Write it, without files that are no longer what was heard; WhichdanceError of such, when done."""
        changed = dict.fromkeys(outcome for outcome, _, _ in self._tracks if not outcome.holds)
        collection = ElementTree.Element("COLLECTION")
        filled: dict[str, list[str]] = {name: [] for name in self._names}
        for outcome, name, track in self._tracks:
            if outcome not in changed:
                collection.append(track)
                track.set("TrackID", str(len(collection)))
                filled[name].append(str(len(collection)))
        collection.set("Entries", str(len(collection)))
        filled = {name: tracks for name, tracks in filled.items() if tracks}
        root = ElementTree.Element("DJ_PLAYLISTS", Version="1.0.0")
        ElementTree.SubElement(root, "PRODUCT", Name="whichdance", Version=__version__, Company="")
        root.append(collection)
        folder = ElementTree.SubElement(
            ElementTree.SubElement(root, "PLAYLISTS"), "NODE", Type="0", Name="ROOT", Count=str(len(filled))
        )
        for name, tracks in filled.items():
            node = ElementTree.SubElement(
                folder, "NODE", Type="1", Name=name, KeyType="0", Entries=str(len(tracks))
            )
            for identity in tracks:
                ElementTree.SubElement(node, "TRACK", Key=identity)
        ElementTree.indent(root)
        with replacing(self.path) as temporary:
            ElementTree.ElementTree(root).write(temporary, encoding="UTF-8", xml_declaration=True)
        refuse(list(changed))


def _add_grid(track: ElementTree.Element, beats: Beats) -> None:
    """Stretches of constant tempo, each from the beat where it begins, and a hot cue on the first one."""
    for stretch in steady(beats):
        ElementTree.SubElement(
            track,
            "TEMPO",
            Inizio=f"{stretch.start:.3f}",
            Bpm=f"{stretch.bpm:.2f}",
            Metro=f"{stretch.beats_per_bar}/4",
            Battito=str(stretch.position),
        )
    if beats.downbeats:
        mark = {"Name": "1", "Type": "0", "Start": f"{beats.downbeats[0]:.3f}", "Num": HOT_CUE}
        ElementTree.SubElement(track, "POSITION_MARK", mark)


def _attributes(path: str, prediction: Prediction) -> dict[str, str]:
    confidence = words.percent(prediction.confidence)
    said = {
        "Name": utf8_name(Path(path).stem),
        "Genre": words.answer(prediction) if prediction.verdict in ("dance", "two") else "",
        "Comments": f"whichdance: {words.answer(prediction)}, {confidence}",
        "Location": _location(path),
    }
    if prediction.length is not None:
        said["TotalTime"] = str(round(prediction.length))
    if prediction.tempo_bpm is not None:
        said["AverageBpm"] = f"{prediction.tempo_bpm:.2f}"
    return {name: ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text) for name, text in said.items()}


def _location(path: str) -> str:
    """As rekordbox writes it: a file URL with the host named; names that are not UTF-8 byte by byte."""
    return Path(os.path.abspath(path)).as_uri().replace("file:///", "file://localhost/", 1)


def _playlist(prediction: Prediction) -> str:
    if prediction.dance is not None:
        return words.name(prediction.dance)
    return (words.NONE if prediction.verdict == "none" else words.NOT_SURE).capitalize()
