"""Writing a corpus: files and manifest, resuming, independence of the number of workers, refusals."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.errors import ParameterError
from training.cli import main
from training.commands.corpus import _warn_of_splits
from training.data.manifest import read_manifest
from training.data.store import Store, spectrogram
from training.synthesis.corpus import (
    MANIFEST,
    CorpusError,
    CorpusSettings,
    make_corpus,
    plan,
    read_rows,
    split_of,
    write_rows,
)

SETTINGS = CorpusSettings(seed=7, seconds=5, soundfonts=("gmbank",))
WANTED = [("jive", 0), ("rumba", 0), ("other", 0), ("jive", 1)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "made"
    make_corpus(folder, SETTINGS, WANTED)
    return folder


def test_files_and_manifest(corpus: Path) -> None:
    rows = read_rows(corpus / MANIFEST)
    assert [(r.dance, r.index) for r in rows] == [("jive", 0), ("jive", 1), ("rumba", 0), ("other", 0)]
    for row in rows:
        info = soundfile.info(corpus / row.path)
        assert info.format == "FLAC"
        assert info.samplerate == 22050
        assert info.duration == pytest.approx(5)
        assert row.soundfonts in ("gmbank", "")
    assert 130 < rows[0].tempo_bpm < 200
    assert rows[0].metre == "4/4"


def test_manifest_is_one_for_training(corpus: Path) -> None:
    recordings = read_manifest(corpus / MANIFEST)
    assert [r.dance for r in recordings] == ["jive", "jive", "rumba", "other"]
    assert all(r.path.exists() for r in recordings)


def test_nothing_half_written_is_left(corpus: Path) -> None:
    assert not [p for p in corpus.rglob("*") if ".tmp" in p.name]


def test_resumes(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    make_corpus(folder, SETTINGS, WANTED[:2])
    before = (folder / "jive/jive_7_000000.flac").stat().st_mtime_ns
    (folder / "rumba/rumba_7_000000.flac").unlink()  # as if the run had been killed before
    seen = []
    rows = make_corpus(folder, SETTINGS, WANTED, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (1, 4)
    assert seen[-1] == (4, 4)
    assert len(rows) == 4
    assert (folder / "jive/jive_7_000000.flac").stat().st_mtime_ns == before
    assert (folder / MANIFEST).read_bytes() == (corpus / MANIFEST).read_bytes()


def test_does_not_depend_on_jobs(corpus: Path, tmp_path: Path) -> None:
    make_corpus(tmp_path / "two", SETTINGS, WANTED[:2], jobs=2)
    for path in ("jive/jive_7_000000.flac", "rumba/rumba_7_000000.flac"):
        one, two = (soundfile.read(f / path)[0] for f in (corpus, tmp_path / "two"))
        np.testing.assert_array_equal(one, two)


def test_straight_into_the_store(corpus: Path, tmp_path: Path) -> None:
    store = tmp_path / "corpus" / "features"
    make_corpus(tmp_path / "corpus", SETTINGS, WANTED[:2], store=store, audio=False)
    assert not list(tmp_path.rglob("*.flac"))
    recordings = read_manifest(tmp_path / "corpus" / "manifest.csv")
    collection = Store(store).collect(recordings, min_frames=1)
    assert not collection.failed
    with_audio = {r.path.name: r.path for r in read_manifest(corpus / "manifest.csv")}
    for stored in collection.stored:
        expected = spectrogram(with_audio[stored.recording.path.name])
        np.testing.assert_array_equal(np.load(stored.file), expected)

    before = {path: path.stat().st_mtime_ns for path in store.rglob("*.npy")}
    rows = make_corpus(tmp_path / "corpus", SETTINGS, WANTED[:3], store=store, audio=False)  # goes on
    assert len(rows) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(store.rglob("*.npy"))) == 3


def test_neither_audio_nor_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="needs a store"):
        make_corpus(tmp_path / "corpus", SETTINGS, WANTED[:1], audio=False)
    assert not (tmp_path / "corpus").exists()


def test_fills_a_spectrogram_store(corpus: Path, tmp_path: Path) -> None:
    store = tmp_path / "corpus" / "features"  # where training looks for it
    make_corpus(tmp_path / "corpus", SETTINGS, WANTED[:2], store=store)
    assert len(list(store.rglob("*.npy"))) == 2
    recordings = read_manifest(tmp_path / "corpus" / MANIFEST)
    collection = Store(store).collect(recordings)
    assert not collection.failed
    assert len(collection.stored) + len(collection.short) == 2
    assert len(list(store.rglob("*.npy"))) == 2  # nothing had to be computed again


def test_refuses_other_settings_and_foreign_folders(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"other settings \(seed\); choose another folder"):
        make_corpus(corpus, CorpusSettings(seed=8, seconds=5, soundfonts=("gmbank",)), WANTED)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(CorpusError, match="not a corpus"):
        make_corpus(tmp_path, SETTINGS, WANTED)
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]


def test_plan_shares_the_time() -> None:
    wanted = plan(10, 30, ("jive", "tango", "other"), 0.2)
    counts = {d: sum(w[0] == d for w in wanted) for d in ("jive", "tango", "other")}
    assert counts == {"jive": 480, "tango": 480, "other": 240}
    assert len(set(wanted)) == len(wanted)
    assert {d for d, _ in wanted[:5]} == {"jive", "tango", "other"}  # an interrupted corpus is balanced too
    assert wanted[:0] == []


def test_plan_can_follow_how_common_the_dances_are() -> None:
    wanted = plan(10, 30, ("jive", "paso_doble", "other"), 0.5, prior="collected")
    counts = {d: sum(w[0] == d for w in wanted) for d in ("jive", "paso_doble", "other")}
    assert counts["other"] == 600
    assert counts["jive"] / counts["paso_doble"] == pytest.approx(840 / 165, rel=0.02)  # tables 4.1 and 4.3
    with pytest.raises(ParameterError, match="uniform, collected"):
        plan(10, 30, ("jive",), 0.2, prior="popular")


def test_splits() -> None:
    splits = [split_of(i) for i in range(200)]
    assert splits.count("validation") == splits.count("test") == 10


def test_rows_survive_writing(corpus: Path, tmp_path: Path) -> None:
    rows = read_rows(corpus / MANIFEST)
    write_rows(tmp_path / "again.csv", rows[::-1])
    assert read_rows(tmp_path / "again.csv") == rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hours", "-1"], "hours is -1"),
        (["--seconds", "1"], "seconds is 1; it must be from 5 to 600"),
        (["--seed", "-3"], "seed is -3"),
        (["--dances", "jive,jig"], "no dance 'jig'; known are cha_cha_cha"),
        (["--soundfonts", "steinway"], "soundfonts: steinway; known are fluid"),
        (["--without-soundfonts", "steinway"], "cannot leave out 'steinway'"),
        (["--mixes", "mud"], "mixes: mud; known are studio"),
        (["--other-share", "1"], "--other-share is 1"),
    ],
)
def test_command_refuses_nonsense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["corpus", str(tmp_path / "corpus"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "corpus").exists()


def test_command_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus"]) == 2
    assert "name the folder" in capsys.readouterr().err


def test_errors_of_settings() -> None:
    with pytest.raises(ParameterError, match="tempo is 'rubato'"):
        CorpusSettings(tempo="rubato")


@pytest.mark.slow
def test_listen(tmp_path: Path) -> None:
    assert main(["corpus", str(tmp_path), "--listen", "--dances", "paso_doble", "--seconds", "6"]) == 0
    names = {p.name for p in tmp_path.iterdir()}
    assert {"paso_doble_march.flac", "paso_doble_march.png"} <= names
    assert len(names) == 2 * len({n.split(".")[0] for n in names})


def test_a_corpus_too_small_for_its_splits_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def warned(hours: float) -> str:
        _warn_of_splits(plan(hours, 10, ("rumba", "tango"), 0.0), hours)
        return capsys.readouterr().err

    text = warned(0.05)  # 18 recordings
    assert "no recordings for validation of 2 classes, and for the test of 2" in text
    hours = re.search(r"--hours ([\d.]+)", text)
    assert hours
    assert warned(float(hours[1])) == ""
