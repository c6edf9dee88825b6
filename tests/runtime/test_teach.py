"""Teaching by features alone: what is learnt, kept, and not forgotten."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import binomtest

from runtime import recalibrate
from runtime.command.teach import report
from runtime.dances import DANCE_KEYS
from runtime.errors import ModelError, ParameterError
from runtime.gains import wilson
from runtime.keeping import FORGETS, chosen, compared, folds_of, strengths_for, worse
from runtime.model import Model
from runtime.teach import Lesson, Teaching, teach

RUMBA = DANCE_KEYS.index("rumba") * 22


def lesson(dance: str, band: int, n: int = 5, seed: int = 0) -> Lesson:
    """A recording whose power lies around a band."""
    rng = np.random.default_rng([seed, band])
    features = np.abs(rng.normal(0, 0.002, (n, 224))).astype(np.float32)
    features[:, band] += 0.5
    features[:, band + 1] += 0.5
    return Lesson(dance, features, f"{dance} {band} {seed}", f"{dance} {band} {seed}")


def right(teaching: Teaching, label: str | None, when: str) -> tuple[int, int]:
    """How many answers are right, and of how many."""
    gains = teaching.gains
    n = len(gains.filed) if label is None else gains.filed.count(label)
    return gains.right(label)[when == "after"], n


@pytest.fixture(scope="module")
def model(teachable: Path) -> Model:
    return Model.load(teachable)


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    """Tangos that sound like rumbas to the model, rumbas, and a dance that it does not know."""
    return [
        lesson(dance, band, seed=seed)
        for dance, band in (("tango", RUMBA + 3), ("rumba", RUMBA + 15), ("lindy_hop", RUMBA - 10))
        for seed in range(6)
    ]


def test_it_learns_what_is_there_and_forgets_nothing(model: Model, lessons: list[Lesson]) -> None:
    teaching = teach(model, lessons)
    assert teaching.better
    assert right(teaching, "tango", "before") == (0, 6)
    assert right(teaching, "tango", "after")[0] >= 5
    assert right(teaching, "lindy_hop", "after")[0] >= 5
    assert right(teaching, "rumba", "after") == (6, 6)
    assert teaching.taught.recordings == {"lindy_hop": 6, "rumba": 6, "tango": 6}
    for key in DANCE_KEYS:  # none of these but two is among the recordings
        unheard = lesson(key, DANCE_KEYS.index(key) * 22 + (18 if key == "rumba" else 11), seed=99)
        scores = teaching.taught.scores(unheard.features).mean(axis=0)
        assert teaching.taught.labels[int(scores.argmax())] == key


def test_the_same_input_gives_the_same_file(model: Model, lessons: list[Lesson], tmp_path: Path) -> None:
    for name in ("a", "b"):
        teach(model, lessons).taught.write(tmp_path / f"{name}.whichdance")
    assert (tmp_path / "a.whichdance").read_bytes() == (tmp_path / "b.whichdance").read_bytes()


def test_labels_by_chance_teach_nothing(model: Model) -> None:
    """Thirty collections; the line is one in ten."""
    kept = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        for trial in range(5):
            some = [
                lesson(DANCE_KEYS[rng.integers(10)], int(rng.integers(200)), seed=100 * trial + i)
                for i in range(12)
            ]
            kept += teach(model, some).better
    assert kept <= 3


def test_what_is_right_already_is_left(model: Model) -> None:
    known = [lesson(key, DANCE_KEYS.index(key) * 22 + 11, seed=s) for key in DANCE_KEYS[:4] for s in range(3)]
    teaching = teach(model, known)
    before, n = right(teaching, None, "before")
    assert before == n
    assert right(teaching, None, "after")[0] == n


def standard_errors(before: list[np.ndarray], after: list[np.ndarray]) -> float:
    """By how many the loss on ten recordings of the first label falls, each at its best temperature."""

    def losses(logs: list[np.ndarray]) -> np.ndarray:
        temperatures = np.array(recalibrate.TEMPERATURES[::2])[:, None]
        cooled = np.concatenate(logs)[:, None] / temperatures
        each: np.ndarray = (logsumexp(cooled, axis=2) - cooled[..., 0]).T
        return each[each.mean(axis=1).argmin()]

    gains = losses(before) - losses(after)
    return float(gains.mean() / (gains.std() / len(gains) ** 0.5))


def test_likely_is_enough_where_more_is_right_and_not_where_nothing_is() -> None:
    """One recording gains, two lose some certainty: by how much decides, and whether an answer changes."""

    def heard(first: float, less: float) -> list[np.ndarray]:
        return [np.log([[p, 0.99 - p, 0.01]]) for p in (first, less, less, *[0.9] * 7)]

    def kept(after: list[np.ndarray]) -> bool:
        return chosen([0] * 10, 10, before, {10.0: after})[1]

    before = heard(0.4, 0.9)
    assert 0.5 < standard_errors(before, heard(0.6, 0.6)) < 1.28
    assert kept(heard(0.6, 0.6))
    assert 0.3 < standard_errors(before, heard(0.6, 0.55)) < 0.5
    assert not kept(heard(0.6, 0.55))
    assert 1.28 < standard_errors(before, heard(0.45, 0.8)) < 1.64
    assert not kept(heard(0.45, 0.8))  # still taken for the second label


def test_a_dance_of_one_group_is_not_compared_and_does_not_count_as_seen() -> None:
    filed = ["tango", "rumba", "tango", "samba", "samba", "rumba"]
    groups = ["a", "b", "c", "d", "d", "b"]
    assert compared(groups, filed) == [0, 2]
    assert min(strengths_for(("tango", "rumba", "other"), ["tango"] * 9)) == FORGETS
    assert min(strengths_for(("tango", "rumba", "other"), ["tango", "rumba"])) < FORGETS


def test_many_dances_that_lose_one_answer_each_are_worse_together() -> None:
    right, wrong = np.ones(5, bool), np.zeros(5, bool)
    assert (
        binomtest(5, 5, alternative="greater").pvalue < 0.05 < binomtest(4, 4, alternative="greater").pvalue
    )
    assert worse([0, 1, 2, 3, 4], right, wrong)
    assert worse([0, 0, 0, 0, 0], right, wrong)
    assert not worse([0, 1, 2, 3], right[:4], wrong[:4])
    assert not worse([0, 1, 2, 3, 4], wrong, right)


def test_it_says_what_one_song_alone_has(model: Model, lessons: list[Lesson]) -> None:
    samba = [lesson("samba", DANCE_KEYS.index("samba") * 22 + 11, seed=s) for s in range(2)]
    one_album = [replace(x, group="an album") for x in samba]
    teaching = teach(model, [*lessons, *one_album])
    assert teaching.alone == ("samba",)
    assert "one song, artist or album alone: Samba;" in report(teaching)
    assert "alone" not in report(teach(model, [*lessons, *samba]))


def test_few_recordings_cannot_show_a_gain(model: Model, lessons: list[Lesson]) -> None:
    assert not teach(model, lessons[:3]).better
    assert not teach(model, lessons[:1]).better
    one_song = [replace(x, group="the same song") for x in lessons]
    assert not teach(model, one_song).better


def test_a_wrong_label_is_suspected(model: Model, lessons: list[Lesson]) -> None:
    jives = [lesson("jive", DANCE_KEYS.index("jive") * 22 + 11, seed=s) for s in range(6)]
    wrong = replace(jives[0], dance="samba", name="wrong.mp3")
    teaching = teach(model, [*lessons, *jives[1:], wrong])
    assert [(s.name, s.filed, s.sounds) for s in teaching.suspects] == [("wrong.mp3", "samba", "jive")]


def test_none_of_these_can_be_taught(model: Model, lessons: list[Lesson]) -> None:
    noise = [lesson("other", DANCE_KEYS.index("samba") * 22 + 2, seed=s) for s in range(6)]
    teaching = teach(model, [*lessons, *noise])
    assert teaching.taught.labels[-1] == "other"
    assert right(teaching, "other", "after")[0] >= 5


def test_folds_keep_groups_together_and_ignore_the_order(lessons: list[Lesson]) -> None:
    grouped = [replace(x, group=f"artist {i % 7}") for i, x in enumerate(lessons)]
    folds = folds_of([x.group for x in grouped], [x.dance for x in grouped])
    assert set(folds) == set(range(5))
    of_group = {x.group: fold for x, fold in zip(grouped, folds, strict=True)}
    assert [of_group[x.group] for x in grouped] == folds
    backwards = folds_of([x.group for x in grouped[::-1]], [x.dance for x in grouped[::-1]])
    assert {x.group: f for x, f in zip(grouped[::-1], backwards, strict=True)} == of_group


def test_bad_input_is_refused(model: Model, tiny_model: Path, lessons: list[Lesson]) -> None:
    with pytest.raises(ParameterError, match="no recordings to learn from"):
        teach(model, [])
    with pytest.raises(ParameterError, match="is no label"):
        teach(model, [replace(lessons[0], dance="../x")])
    with pytest.raises(ModelError, match="cannot be taught"):
        teach(Model.load(tiny_model), lessons)


@pytest.mark.parametrize(("right", "total"), [(0, 5), (3, 7), (70, 70), (1, 1)])
def test_intervals_are_scipys(right: int, total: int) -> None:
    expected = binomtest(right, total).proportion_ci(0.95, method="wilson")
    assert np.allclose(wilson(right, total), (expected.low, expected.high), atol=1e-6)
