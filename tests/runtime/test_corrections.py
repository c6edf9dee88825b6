"""Corrections on the device: what is remembered of music that plays, learnt, kept and forgotten."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import runtime.corrections
from runtime.atomic import temporary_name
from runtime.classifier import Classifier
from runtime.codec import STORED
from runtime.corrections import Corrections, Memory, encoded
from runtime.dances import DANCE_KEYS
from runtime.errors import ModelError, ParameterError, WhichdanceError
from runtime.live import LiveClassifier
from runtime.mel import SAMPLE_RATE, melspectrogram
from runtime.model import Model
from runtime.segments import windows
from runtime.taught import Taught

RUMBA = DANCE_KEYS.index("rumba") * 22


@pytest.fixture(scope="module")
def model(teachable: Path) -> Model:
    return Model.load(teachable)


def segments(samples: np.ndarray) -> np.ndarray:
    return encoded(windows(melspectrogram(samples, sample_rate=SAMPLE_RATE)))


@pytest.mark.parametrize("base", ["teachable", "growing_teachable"])  # longer windows are not kept
def test_memory_holds_the_segments_of_a_part(
    base: str, request: pytest.FixtureRequest, band_tone: Callable[..., np.ndarray]
) -> None:
    """Independently: the segments at those times, cut from the whole spectrogram."""
    memory = Memory(Model.load(request.getfixturevalue(base)))
    live = LiveClassifier(SAMPLE_RATE, model=memory.model)
    samples = np.concatenate([band_tone(30, 12.0), band_tone(150, 12.0)])
    for block in np.array_split(samples, 50):
        if prediction := live.push(block):
            memory.stamp(prediction.segment_times)
    kept = memory.between(13.0, 24.0)
    assert kept.shape == (4, 1, 224, 224)
    assert kept.dtype == np.uint8
    loudest = kept.astype(int).mean(axis=(0, 1, 3)).argmax()
    assert loudest == 150
    every = encoded(windows(melspectrogram(samples, sample_rate=SAMPLE_RATE), stride=43))
    assert all(any((np.abs(row.astype(int) - other) <= 1).all() for other in every) for row in kept)
    assert len(memory.between(100.0, 110.0)) == 0
    memory.forget()
    assert len(memory.between(0.0, 100.0)) == 0


def test_one_byte_a_value_changes_no_answer(model: Model, band_tone: Callable[..., np.ndarray]) -> None:
    power = windows(melspectrogram(band_tone(60) + 0.01 * band_tone(200), sample_rate=SAMPLE_RATE))
    kept = STORED.decode(encoded(power))
    assert np.abs(model.embed(kept) - model.embed(power)).max() < 0.02


def test_corrections_teach_and_are_forgotten(
    model: Model, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    corrections = Corrections(tmp_path / "corrections")
    assert len(corrections) == 0
    assert corrections.learn(model) is None
    assert corrections.model(model) is model
    for i in range(8):
        corrections.add("tango", segments(band_tone(RUMBA + 3 + i / 5, 8.0)))
        corrections.add("rumba", segments(band_tone(RUMBA + 15 + i / 5, 8.0)))
    assert len(Corrections(corrections.folder)) == 16
    assert not list(corrections.folder.glob("*.wav"))
    teaching = corrections.learn(model)
    assert teaching is not None
    assert teaching.better
    learnt = corrections.model(model)
    test = windows(melspectrogram(band_tone(RUMBA + 3.5, 8.0), sample_rate=SAMPLE_RATE))
    assert DANCE_KEYS[int(model.run(test)[0].argmax())] == "rumba"
    assert DANCE_KEYS[int(learnt.run(test)[0].argmax())] == "tango"
    corrections.forget()
    assert not corrections.folder.exists()
    assert corrections.model(model) is model


def test_what_was_learnt_on_another_model_is_not_used(
    model: Model, tiny_model: Path, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    corrections = Corrections(tmp_path)
    for i in range(8):
        corrections.add("tango", segments(band_tone(RUMBA + 3 + i / 5, 8.0)))
        corrections.add("rumba", segments(band_tone(RUMBA + 15 + i / 5, 8.0)))
    corrections.learn(model)
    assert corrections.learnt.exists()
    updated = Model.load(tiny_model)
    assert corrections.model(updated) is updated


def test_damaged_corrections_are_left_out(
    model: Model, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    corrections = Corrections(tmp_path)
    corrections.add("tango", segments(band_tone(30, 8.0)))
    (tmp_path / "000002.npz").write_bytes(b"no numbers")
    np.savez(tmp_path / "000003.npz", dance=np.array([object()], dtype=object))
    assert [x.dance for x in corrections.lessons(model)] == ["tango"]
    assert len(corrections) == 3


@pytest.mark.parametrize("dance", ["", "a/b", "a b"])
def test_what_is_no_dance_is_refused(tmp_path: Path, dance: str) -> None:
    with pytest.raises(ParameterError, match="dance"):
        Corrections(tmp_path).add(dance, np.zeros((1, 1, 224, 224), np.uint8))
    with pytest.raises(ParameterError, match="at least one segment"):
        Corrections(tmp_path).add("tango", np.zeros((0, 1, 224, 224), np.uint8))


def test_they_are_listed_taken_back_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.corrections, "MOST", 3)
    corrections = Corrections(tmp_path / "new")
    for i, dance in enumerate(("tango", "rumba", "other", "lindy_hop", "jive")):
        made = corrections.add(dance, np.full((6, 1, 224, 224), i, np.uint8), when=1000.0 + i)
        assert len(made.segments) == 4
    assert [(x.name, x.dance, x.when) for x in corrections] == [
        ("000003", "other", 1002.0), ("000004", "lindy_hop", 1003.0), ("000005", "jive", 1004.0)
    ]  # fmt: skip
    assert all((x.segments == i + 2).all() for i, x in enumerate(corrections))
    corrections.remove("000004")
    corrections.remove("../../somewhere")
    corrections.remove("000004")
    assert [x.dance for x in corrections] == ["other", "jive"]
    assert corrections.problems == []


def test_what_is_damaged_is_said_in_a_line_and_left(
    model: Model, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    corrections = Corrections(tmp_path)
    whole = segments(band_tone(30, 8.0))
    first = tmp_path / f"{corrections.add('tango', whole).name}.npz"
    data = first.read_bytes()
    damaged = {
        "000002.npz": data[: len(data) // 2],
        "000003.npz": data[:200] + b"\0" * 200 + data[400:],
        "000004.npz": b"",
        "learnt.whichdance": b"{",
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    assert sorted(line.split(": ")[0].rsplit("/")[-1] for line in corrections.problems) == sorted(damaged)
    assert not any("\n" in line for line in corrections.problems)
    assert corrections.model(model) is model
    assert corrections.add("jive", whole).name == "000005"
    assert [x.dance for x in corrections] == ["tango", "jive"]
    assert all((tmp_path / name).read_bytes() == content for name, content in damaged.items())


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corrections = Corrections(tmp_path)
    corrections.add("tango", np.ones((1, 1, 224, 224), np.uint8))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*args: object, **arrays: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(WhichdanceError, match="No space left"):
        corrections.add("jive", np.ones((1, 1, 224, 224), np.uint8))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_is_given_used_and_handed_on(
    model: Model, teachable: Path, tiny_model: Path, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    """The teacher's file alone, together with what was learnt here, exported, and forgotten."""
    teacher, pupil = Corrections(tmp_path / "teacher"), Corrections(tmp_path / "pupil")
    with pytest.raises(ParameterError, match="nothing was learnt"):
        teacher.export(tmp_path / "class.whichdance")
    for i in range(8):
        teacher.add("tango", segments(band_tone(RUMBA + 3 + i / 5, 8.0)))
        teacher.add("rumba", segments(band_tone(RUMBA + 15 + i / 5, 8.0)))
    teacher.learn(model)
    assert teacher.learnt_from(model) == 16
    teacher.export(tmp_path / "class.whichdance")
    given = pupil.give(tmp_path / "class.whichdance", model)
    assert given.n_recordings == pupil.given_from(model) == 16
    assert pupil.learnt_from(model) == 0
    test = windows(melspectrogram(band_tone(RUMBA + 3.5, 8.0), sample_rate=SAMPLE_RATE))
    assert DANCE_KEYS[int(pupil.model(model).run(test)[0].argmax())] == "tango"

    shutil.copy(teacher.learnt, pupil.learnt)
    both = pupil.taught(model)
    assert both is not None
    assert both.n_recordings == 32
    pupil.export(tmp_path / "on.whichdance")
    assert Taught.read(tmp_path / "on.whichdance").n_recordings == 32

    with pytest.raises(ModelError, match=r"class\.whichdance: was taught on another model"):
        pupil.give(tmp_path / "class.whichdance", Model.load(tiny_model))
    (tmp_path / "evil.whichdance").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=r"evil\.whichdance"):
        pupil.give(tmp_path / "evil.whichdance", model)
    assert pupil.given_from(model) == 16
    pupil.forget()
    assert pupil.model(model) is model


def test_what_was_learnt_is_used_at_once(
    model: Model, tmp_path: Path, band_tone: Callable[..., np.ndarray]
) -> None:
    corrections = Corrections(tmp_path)
    for i in range(8):
        corrections.add("lindy_hop", segments(band_tone(RUMBA + 3 + i / 5, 8.0)))
        corrections.add("rumba", segments(band_tone(RUMBA + 15 + i / 5, 8.0)))
    corrections.learn(model)
    live = LiveClassifier(SAMPLE_RATE, model=corrections.model(model))
    found = [live.push(block) for block in np.array_split(band_tone(RUMBA + 3.5, 12.0), 12)]
    assert [p.best for p in found if p][-1] == "lindy_hop"
    assert Classifier(model=corrections.model(model)).classify_samples(
        band_tone(RUMBA + 3.5, 12.0), SAMPLE_RATE
    ).best == "lindy_hop"  # fmt: skip


def test_what_a_killed_app_was_writing_is_no_correction(tmp_path: Path) -> None:
    """It was called damaged, and 'left as it is', until its name came again."""
    folder = tmp_path / "corrections"
    folder.mkdir(parents=True)
    (folder / temporary_name("000001.npz")).write_bytes(b"PK\x03\x04 half of it")
    corrections = Corrections(folder)
    assert not corrections.problems
    assert len(corrections) == 0
    corrections.add("rumba", np.zeros((1, 1, 224, 224), np.uint8))
    assert sorted(path.name for path in folder.glob("*.npz")) == ["000001.npz"]  # and swept
