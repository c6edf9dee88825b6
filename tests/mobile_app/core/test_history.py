"""What the app keeps: history, settings, sound, exports."""

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mobile_app.core import export, recording, settings
from mobile_app.core.history import Draft, History
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.recording import WavWriter
from mobile_app.core.settings import Preferences
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError

START = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)


def draft(n_moments: int = 3, **fields: object) -> Draft:
    made = Draft(started=START, model="tiny 1", **fields)
    scores = np.random.default_rng(n_moments).dirichlet(np.ones(10), n_moments).astype(np.float32)
    made.timeline.extend([2.0 * i for i in range(n_moments)], scores)
    mean = scores.mean(axis=0)
    made.scores = dict(zip(DANCE_KEYS, mean.tolist(), strict=True))
    made.best = made.dance = DANCE_KEYS[int(mean.argmax())]
    made.confidence, made.duration = float(mean.max()), 2.0 * n_moments + 5.2
    return made


def test_a_session_comes_back_as_it_was_saved(history: History) -> None:
    saved = draft(5, tempo_mpm=59.5)
    history.save(saved)
    [entry] = history.entries()
    assert (entry.started, entry.source, entry.tempo_mpm) == (START, "microphone", 59.5)
    assert (entry.best, entry.confidence, entry.scores) == (saved.best, saved.confidence, saved.scores)
    timeline = history.timeline(entry.id)
    np.testing.assert_array_equal(timeline.scores, saved.timeline.scores)
    np.testing.assert_array_equal(timeline.times, saved.timeline.times)


def test_saving_again_adds_only_what_is_new(history: History) -> None:
    saved = draft(2)
    history.save(saved)
    saved.timeline.extend([4.0], np.full((1, 10), 0.1, np.float32))
    saved.duration = 99.0
    history.rename(saved.id or 0, "Ball")
    history.save(saved)
    [entry] = history.entries()
    assert (entry.duration, entry.name) == (99.0, "Ball")  # the user's name is not overwritten
    assert len(history.timeline(entry.id)) == 3


def test_rename_correct_delete(history: History, tmp_path: Path) -> None:
    kept = history.new_audio_path(START)
    with WavWriter(kept, 8000) as writer:
        writer.write(np.zeros(100, np.float32), 8000)
    saved = draft(audio=kept.name)
    history.save(saved)
    session = saved.id or 0
    history.rename(session, "  last dance ")
    history.correct(session, "rumba")
    entry = history.entry(session)
    assert entry is not None
    assert (entry.name, entry.truth, entry.result) == ("last dance", "rumba", "rumba")
    history.correct(session, None)
    assert history.entry(session).result == saved.dance  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="polka"):
        history.correct(session, "polka")
    history.delete(session)
    assert history.entry(session) is None
    assert len(history.timeline(session)) == 0
    assert not kept.exists()


def test_kept_sound_can_be_deleted_alone(history: History) -> None:
    kept = history.new_audio_path(START)
    WavWriter(kept, 8000).close()
    saved = draft(audio=kept.name)
    history.save(saved)
    assert history.audio_path(saved.id or 0) == kept
    history.delete_audio(saved.id or 0)
    assert not kept.exists()
    assert history.audio_path(saved.id or 0) is None
    assert history.entry(saved.id or 0) is not None


def test_a_full_disk_loses_nothing(history: History) -> None:
    history.save(draft(1))
    pages = history._db.execute("PRAGMA page_count").fetchone()[0]
    history._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then answers as on a full disk
    large = draft(2000)
    with pytest.raises(StorageError) as caught:
        history.save(large)
    assert caught.value.problem is Problem.DISK_FULL
    assert (history.unsaved, len(history.entries())) == (1, 1)
    history._db.execute("PRAGMA max_page_count = 100000")
    history.save_unsaved()
    assert history.unsaved == 0
    assert len(history.timeline(large.id or 0)) == 2000


def test_a_damaged_database_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_bytes(b"this is no database" * 100)
    history = History(tmp_path)
    assert history.entries() == []
    history.save(draft())
    history.close()
    [aside] = tmp_path.glob("history.damaged-*.sqlite")
    assert aside.read_bytes().startswith(b"this is no database")


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.mobile_app.core.test_history import *
history = History(Path({folder!r}))
writer = WavWriter(history.audio_folder / "sound.wav", 8000)
number = 0
while True:
    number += 1
    saved = draft(20, name=str(number), audio="sound.wav")
    history.save(saved)
    writer.write(np.full(1000, 0.5, np.float32), 8000)
    print(number, flush=True)
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    for delay in (0.0, 0.013, 0.05):
        folder = tmp_path / str(delay)
        folder.mkdir()
        code = KILLED.format(root=root, folder=str(folder))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            told = 1 + len(process.stdout.read().split())
        with sqlite3.connect(folder / "history.sqlite") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        history = History(folder)
        entries = history.entries()
        assert len(entries) in (told, told + 1)  # one may be saved and not told yet
        assert all(len(history.timeline(entry.id)) == 20 for entry in entries)
        with wave.open(str(folder / "audio" / "sound.wav")) as sound:
            assert sound.getnframes() >= 1000 * (told - 1)
        history.close()


def test_sound_without_a_session_is_removed(tmp_path: Path) -> None:
    History(tmp_path).close()
    orphan = tmp_path / "audio" / "orphan.wav"
    WavWriter(orphan, 8000).close()
    History(tmp_path).close()
    assert not orphan.exists()


def test_wav_is_valid_after_every_write_and_when_the_disk_fills(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with WavWriter(path, 8000) as writer:
        for seconds in (1, 2):
            writer.write(np.linspace(-1, 1, 8000, dtype=np.float32), 8000)
            with wave.open(str(path)) as sound:
                assert (sound.getnframes(), sound.getframerate()) == (8000 * seconds, 8000)
        writer.write(np.zeros(4410, np.float32), 44_100)  # another microphone takes over
        with wave.open(str(path)) as sound:
            assert sound.getnframes() == 16_800
        writer._file, real = _FullDisk(writer._file), writer._file  # type: ignore[assignment]
        with pytest.raises(OSError, match="No space left"):
            writer.write(np.zeros(8000, np.float32), 8000)
        writer._file = real
    with wave.open(str(path)) as sound:
        assert sound.getnframes() == 16_800


class _FullDisk:
    """A file on a full disk: half of what is written fits."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data[: len(data) // 2])

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def test_a_wav_cut_off_by_a_crash_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with WavWriter(path, 8000) as writer:
        writer.write(np.zeros(1000, np.float32), 8000)
    with path.open("ab") as file:
        file.write(b"\x01\x02" * 500 + b"\x03")
    recording.repair(path)
    with wave.open(str(path)) as sound:
        assert sound.getnframes() == 1500
    (tmp_path / "empty.wav").touch()
    recording.repair(tmp_path / "empty.wav")


def test_settings_survive_and_bad_ones_fall_back(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    assert settings.load(path) == Preferences()
    chosen = Preferences().changed(theme="dark", language="cs", keep_audio=True, sensitivity="careful")
    settings.save(chosen, path)
    assert settings.load(path) == chosen
    path.write_text('{"theme": "pink", "text_size": "huge", "keep_audio": "yes", "unknown": 1}')
    assert settings.load(path) == Preferences(text_size="huge")
    for damaged in ("{", "[1, 2]", "\x00"):
        path.write_text(damaged)
        assert settings.load(path) == Preferences()
    with pytest.raises(ValueError, match="theme can't be 'pink'"):
        Preferences().changed(theme="pink")
    with pytest.raises(ValueError, match="colour"):
        Preferences().changed(colour="red")


def test_saving_settings_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    settings.save(Preferences(theme="dark"), path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WhichdanceError, match=r"settings\.json: cannot be written \(No space"):
        settings.save(Preferences(theme="light"), path)
    assert settings.load(path).theme == "dark"
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]


def test_export_as_csv_and_json(history: History) -> None:
    history.save(draft(2, name='=HYPERLINK("x"), "quoted"\nline'))
    later = draft(4, source="song.mp3")
    later.started += timedelta(hours=1)
    history.save(later)
    history.correct(later.id or 0, "samba")
    entries = history.entries()
    rows = list(csv.DictReader(io.StringIO(export.as_csv(entries))))
    assert [row["source"] for row in rows] == ["song.mp3", "microphone"]
    assert rows[0]["truth"] == "samba"
    assert rows[1]["name"] == '\'=HYPERLINK("x"), "quoted"\nline'
    total = sum(float(rows[0][f"score_{key}"]) for key in DANCE_KEYS)
    assert total == pytest.approx(1, abs=0.001)
    records = json.loads(export.as_json(entries))
    assert records[1]["name"] == '=HYPERLINK("x"), "quoted"\nline'
    assert records[0]["scores"] == pytest.approx(later.scores)
    assert datetime.fromisoformat(records[0]["started"]) == later.started


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_what_somebody_danced_to_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        history = History(tmp_path / "app")
        history.save(draft(audio="x.wav"))
        settings.save(Preferences(), tmp_path / "app" / "settings.json")
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "app").iterdir()}
        modes["app"] = (tmp_path / "app").stat().st_mode & 0o777
        history.close()
    finally:
        os.umask(before)
    assert {"history.sqlite", "history.sqlite-wal", "settings.json"} <= modes.keys()
    assert modes.pop("app") == modes.pop("audio") == 0o700
    assert set(modes.values()) == {0o600}
