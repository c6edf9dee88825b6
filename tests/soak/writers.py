"""Programs that write without end, to be killed while they do; and what must hold of what they leave.

Each has `prepare(folder)`, `write(folder)`, which is run over and over, and `check(folder)`, which raises
AssertionError where something was lost or is half there.
"""

import csv
import itertools
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile

N = 40  # lines, recordings, rows: enough that a write takes a while


@dataclass(frozen=True)
class Writer:
    prepare: Callable[[Path], None]
    write: Callable[[Path], None]
    check: Callable[[Path], None]


def run(name: str, folder: Path, ready: Path) -> None:
    """Life of the process that is killed."""
    ready.touch()
    while True:
        WRITERS[name].write(folder)


def _nothing(folder: Path) -> None:
    pass


def no_leftovers(folder: Path) -> None:
    left = [path for path in folder.rglob("*") if ".tmp" in path.name or path.name.startswith(".export")]
    assert not left, left


# Tags: the music stays, the tags are the old ones or the new ones.


def _sound(folder: Path) -> None:
    samples = np.sin(np.arange(22_050 * 3) / 7).astype(np.float32)
    soundfile.write(folder / "song.flac", samples, 22_050)


def _write_tags(folder: Path) -> None:
    from runtime.command.tags import write_tags

    for dance in ("Tango", "Rumba"):
        write_tags(folder / "song.flac", {"DANCE": dance, "BPM": "128"}, overwrite=True)


def _check_tags(folder: Path) -> None:
    import mutagen

    samples, rate = soundfile.read(folder / "song.flac", dtype="float32")
    assert (len(samples), rate) == (22_050 * 3, 22_050)
    assert mutagen.File(folder / "song.flac").tags.get("DANCE", ["Tango"])[0] in ("Tango", "Rumba")


# Playlists, -o: whole lists of one run or the other.


def _predictions(dance: str):
    from runtime.dances import DANCE_KEYS, OTHER
    from runtime.prediction import Outcome, Part, Prediction

    scores = dict.fromkeys((*DANCE_KEYS, OTHER), 0.02) | {dance: 0.8}
    prediction = Prediction(
        dance=dance,
        verdict="dance",
        confidence=0.8,
        best=dance,
        scores=scores,
        segment_times=(0.0,),
        segment_scores=np.array([list(scores.values())], np.float32),
        segment_seconds=5.2,
        duration=60.0,
        parts=(Part(0.0, 60.0, dance, "dance", 0.8),),
    )
    return [Outcome(f"{number}.wav", prediction) for number in range(N)]


def _write_playlists(folder: Path) -> None:
    from runtime.command.playlists import Playlists
    from runtime.command.rekordbox import RekordboxLibrary
    from runtime.dances import DANCE_KEYS

    for keeper in (Playlists(folder / "lists", DANCE_KEYS), RekordboxLibrary(folder / "r.xml", DANCE_KEYS)):
        for outcome in _predictions("tango"):
            keeper.add(outcome)
        keeper.finish()


def _check_playlists(folder: Path) -> None:
    from xml.etree import ElementTree

    for path in (folder / "lists").glob("[!.]*.m3u8"):  # what a kill left is hidden
        lines = path.read_text("utf-8").splitlines()
        assert lines[0] == "#EXTM3U"
        assert len(lines) == (1 + 2 * N if path.stem == "Tango" else 1), path
    if (folder / "r.xml").exists():
        assert len(ElementTree.parse(folder / "r.xml").getroot().findall("COLLECTION/TRACK")) == N


def _write_output(folder: Path) -> None:
    from runtime.command import report
    from runtime.command.cli import _results

    with _results(str(folder / "answers.json"), for_programs=False) as out:
        shown = report.JsonList(out)
        for outcome in _predictions("jive"):
            shown.add(outcome)
        shown.finish()


def _check_output(folder: Path) -> None:
    path = folder / "answers.json"
    assert not path.exists() or len(json.loads(path.read_text())) == N


# --resume: what was answered stays answered.


def _write_answers(folder: Path) -> None:
    from runtime.atomic import file_state
    from runtime.command.resume import Answered

    (folder / "music").mkdir(exist_ok=True)
    for number in itertools.count():
        outcome = _predictions("samba")[0]
        path = folder / "music" / f"{number}.wav"
        if not path.exists():  # to touch it would change it
            path.touch()
        with Answered(folder / "answers", {}) as answered:
            if answered.prediction(str(path)) is None:
                answered.add(type(outcome)(str(path), outcome.prediction, state=file_state(path)))
                (folder / "committed").write_text(str(number))
                return


def _check_answers(folder: Path) -> None:
    from runtime.command.resume import Answered

    committed = (folder / "committed").read_text() if (folder / "committed").exists() else ""
    with Answered(folder / "answers", {}) as answered:
        for number in range(int(committed or -1) + 1):
            assert answered.prediction(str(folder / "music" / f"{number}.wav")) is not None, number


# Export: the list of models never names a file that is not there.


def _write_export(folder: Path) -> None:
    from export import registry
    from export.publish import move, workshop_in

    models = folder / "models"
    with workshop_in(models) as workshop:
        (workshop / "tiny.onnx").write_bytes(bytes(200_000))
        registry.write(workshop, [{"name": "tiny", "file": "tiny.onnx", "sha256": "0"}])
        move(workshop, models)


def _check_export(folder: Path) -> None:
    from export import registry

    for entry in registry.read(folder / "models"):
        assert (folder / "models" / entry["file"]).stat().st_size == 200_000


# Checkpoints.


def _write_checkpoint(folder: Path) -> None:
    from training.networks import models

    options = {"branches": ("acf",), "width": 4}
    models.save_checkpoint(folder / "c.pt", models.build("rhythmogram", **options), "rhythmogram", options)


def _check_checkpoint(folder: Path) -> None:
    from training.networks.models import load_checkpoint

    if (folder / "c.pt").exists():
        load_checkpoint(folder / "c.pt")


# The store, and a corpus' manifest.


def _recordings(folder: Path) -> None:
    for number in range(3):
        samples = np.sin(np.arange(8_000 * 7) / (5 + number)).astype(np.float32)
        soundfile.write(folder / f"{number}.wav", samples, 8_000)


def _write_store(folder: Path) -> None:
    from training.data.manifest import Recording
    from training.data.store import Store

    store = Store(folder / "store")
    collection = store.collect([Recording(folder / f"{number}.wav", "tango") for number in range(3)])
    assert len(collection.stored) == 3
    for path in (folder / "store").rglob("*.npy"):
        path.unlink()


def _check_store(folder: Path) -> None:
    for path in (folder / "store").rglob("*.npy"):
        if not path.name.startswith("."):
            assert np.load(path).shape == (302, 224)
    if (folder / "store" / "hashes.sqlite").exists():
        with sqlite3.connect(folder / "store" / "hashes.sqlite") as table:
            assert table.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        table.close()


def _write_corpus(folder: Path) -> None:
    from training.data.manifest import Recording, write_manifest

    rows = [Recording(folder / f"{number}.wav", "tango") for number in range(50 * N)]
    write_manifest(folder / "manifest.csv", rows)


def _check_corpus(folder: Path) -> None:
    if (folder / "manifest.csv").exists():
        with (folder / "manifest.csv").open(newline="") as file:
            assert sum(1 for _ in csv.DictReader(file)) == 50 * N


# The app's history: a session that was saved is there.


def _write_history(folder: Path) -> None:
    from mobile_app.core.history import Draft, Heard, History
    from mobile_app.core.timeline import Timeline

    history = History(folder / "app")
    for _ in range(5):
        draft = Draft(started=datetime.now(UTC), timeline=Timeline(("tango", "rumba", "other")))
        draft.timeline.extend([0.0], np.full((1, 3), 0.3, np.float32))
        draft.lines = [
            Heard(0.0, 9.0, draft.started, "tango", "tango", (), 0.9, {"tango": 0.9, "other": 0.1})
        ]
        history.save(draft)
        (folder / "committed").write_text(str(draft.id))
    history.close()


def _check_history(folder: Path) -> None:
    from mobile_app.core.history import History

    committed = (folder / "committed").read_text() if (folder / "committed").exists() else ""
    history = History(folder / "app")
    assert {entry.id for entry in history.entries()} >= set(range(1, int(committed or 0) + 1))
    assert not list((folder / "app").glob("history.damaged*"))
    history.close()


WRITERS = {
    "tags": Writer(_sound, _write_tags, _check_tags),
    "playlists": Writer(_nothing, _write_playlists, _check_playlists),
    "output": Writer(_nothing, _write_output, _check_output),
    "answers": Writer(_nothing, _write_answers, _check_answers),
    "export": Writer(_nothing, _write_export, _check_export),
    "checkpoints": Writer(_nothing, _write_checkpoint, _check_checkpoint),
    "store": Writer(_recordings, _write_store, _check_store),
    "corpus": Writer(_nothing, _write_corpus, _check_corpus),
    "history": Writer(_nothing, _write_history, _check_history),
}
