"""Two dances that were shown for long enough are a part of an evening, as they are of a file."""

import json
from itertools import pairwise

import numpy as np
import pytest

from runtime.answer import Choice
from runtime.mel import FRAME_RATE, Float32
from runtime.model import Model, ModelInfo
from runtime.pairs import LEAST_TWO_SECONDS, Pairs
from runtime.session import Judging, PlayingMusic, WholeRecording

LABELS = ("tango", "jive", "rumba")


class Engine:
    """Scores as the frames' bands say: each quarter of them is a state, the last none of these."""

    def run(self, batch: Float32) -> Float32:
        shares = np.stack([part.mean(axis=(1, 2, 3)) for part in np.array_split(batch, 4, axis=2)], axis=1)
        return (shares / shares.sum(axis=1, keepdims=True))[:, :3].astype(np.float32)


def music(seconds: float, *shares: float) -> Float32:
    frames = np.repeat(shares, 56)[None].repeat(round(seconds * FRAME_RATE), axis=0)
    return frames.astype(np.float32)


@pytest.fixture
def judging() -> Judging:
    return Judging(Model(ModelInfo("x", "1", LABELS, 224, "", "", "", "", None), Engine()), 43)


BOTH = (0.48, 0.02, 0.48, 0.02)
SWAPPED = (0.44, 0.02, 0.52, 0.02)
TANGO = (0.97, 0.01, 0.01, 0.01)
RUMBA = (0.01, 0.01, 0.97, 0.01)
LATTER = (0.02, 0.48, 0.48, 0.02)
JIVE = (0.01, 0.97, 0.01, 0.01)
UNSURE = (0.25, 0.25, 0.25, 0.25)


def told(session: PlayingMusic | WholeRecording, duration: float) -> list[tuple[str, str, float, float]]:
    return [
        (part.verdict, " or ".join([part.best or "", *part.also]), round(part.start), round(part.end))
        for part in session.prediction(duration).parts
    ]


def test_live_parts_say_two_dances_once_they_were_shown_long_enough(judging: Judging) -> None:
    session = PlayingMusic(judging)
    session.push(music(4 + LEAST_TWO_SECONDS, *BOTH))
    assert session.prediction(34).verdict == "two"
    assert told(session, 34) == []
    session.push(music(6, *SWAPPED))
    assert told(session, 40) == [("two", "rumba or tango", 5, 39)]  # of whole segments
    session.push(music(20, *JIVE))
    [two, dance] = told(session, 60)
    assert two[:3] == ("two", "rumba or tango", 5)
    assert dance[:2] == ("dance", "jive")
    assert two[3] <= dance[2] <= 42
    assert dance[3] == 59
    prediction = session.prediction(60)
    assert prediction.dance == "jive"
    assert prediction.since == prediction.parts[-1].start
    of_json = json.loads(json.dumps(prediction.to_dict()))["parts"][0]
    assert (of_json["verdict"], of_json["best"], of_json["also"]) == ("two", "rumba", ["tango"])


def test_a_dance_that_turns_out_to_have_been_one_of_both_takes_their_place(judging: Judging) -> None:
    session = PlayingMusic(judging)
    session.push(music(60, *BOTH))
    assert told(session, 60) == [("two", "tango or rumba", 5, 59)]
    session.push(music(30, *RUMBA))
    assert [part[:2] for part in told(session, 90)] == [("dance", "rumba")]


def test_files_and_music_that_plays_agree(judging: Judging) -> None:
    sound = [music(60, *BOTH), music(30, *TANGO)]
    playing, whole = PlayingMusic(judging), WholeRecording(judging)
    for frames in sound:
        playing.push(frames)
        whole.push(frames)
    assert [t[:2] for t in told(playing, 90)] == [t[:2] for t in told(whole, 90)]


def test_parts_stand_in_order_and_do_not_overlap(judging: Judging) -> None:
    session = PlayingMusic(judging)
    rng = np.random.default_rng(4)
    heard = 0.0
    for _ in range(12):
        seconds = float(rng.uniform(20, 70))
        heard += seconds
        session.push(music(seconds, *[BOTH, SWAPPED, TANGO, RUMBA, UNSURE, LATTER][rng.integers(6)]))
        parts = session.prediction(heard).parts
        assert all(before.end <= after.start + 1e-9 for before, after in pairwise(parts))
    assert {part.verdict for part in parts} == {"dance", "two"}
    assert sum(part.verdict == "two" for part in parts) > 1
    assert all(part.end - part.start >= LEAST_TWO_SECONDS for part in parts if part.verdict == "two")


def two(best: int, second: int, confidence: float = 0.7) -> Choice:
    return Choice("two", best, second, confidence)


NOTHING = Choice("not sure", 0, None, 0.3)


def test_brute_force() -> None:
    """Runs of the same two, found in the whole list afterwards."""
    rng = np.random.default_rng(5)
    for _ in range(300):
        choices = [NOTHING if rng.random() < 0.1 else two(*rng.permutation(2).tolist()) for _ in range(60)]
        choices = [two(0, 2) if rng.random() < 0.05 else choice for choice in choices]
        times = np.cumsum(rng.uniform(0.5, 1.5, 60)).tolist()
        least, cut = rng.uniform(1, 8), rng.uniform(0, 60)
        pairs = Pairs(least)
        for choice, time in zip(choices, times, strict=True):
            pairs.update(choice, time)
        keys = [frozenset() if c.verdict != "two" else frozenset((c.best, c.second)) for c in choices]
        first = [0, *(i for i in range(1, 60) if keys[i] != keys[i - 1]), 60]
        runs = [
            (times[a], times[b - 1], keys[a])
            for a, b in pairwise(first)
            if keys[a] and times[b - 1] - times[a] >= least
        ]
        assert [(p.start, p.end, {p.best, p.second}) for p in pairs.lasting()] == runs
        left = [(a, min(b, cut), key) for a, b, key in runs if min(b, cut) - a >= least]
        assert [(p.start, p.end, {p.best, p.second}) for p in pairs.cut(cut)] == left
        assert pairs.lasting() == []


def test_memory_is_bounded() -> None:
    pairs = Pairs(1.0)
    for i in range(5000):
        pairs.update(two(0, 1 + i // 3 % 2), float(i))
    assert len(pairs.lasting()) <= 1001
