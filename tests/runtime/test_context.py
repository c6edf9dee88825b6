"""Windows that grow while the same dance plays."""

from itertools import pairwise

import numpy as np
import pytest

from runtime.context import GrowingContext, disagree
from runtime.mel import Float32
from runtime.model import Model, ModelInfo
from runtime.session import Judging, PlayingMusic, WholeRecording

LENGTHS = (20, 40, 60)
STRIDE = 10


def music(*dances: tuple[int, int]) -> Float32:
    """Frames that say which dance they are: (dance, frames) one after the other."""
    return np.concatenate([np.full((n, 224), dance, np.float32) for dance, n in dances])


def score(window: Float32) -> Float32:
    """Shares of dances 0 and 1 in a window."""
    one = float(window.mean())
    return np.array([[1 - one, one]], np.float32)


class Listener:
    """Pushes frames in blocks, and remembers which windows were scored."""

    def __init__(self) -> None:
        self.context = GrowingContext(LENGTHS)
        self.seen: list[tuple[int, ...]] = []

    def hear(self, frames: Float32, blocks: list[int]) -> list[Float32]:
        answers = []
        bounds = [0, *np.cumsum(blocks).tolist()]
        assert bounds[-1] == len(frames)
        for first, last in pairwise(bounds):
            ends = [e for e in range(LENGTHS[0], len(frames) + 1, STRIDE) if first < e <= last]
            alone = np.concatenate(
                [score(frames[e - LENGTHS[0] : e].T[None, None]) for e in ends] or [np.empty((0, 2))]
            )
            answers.extend(self.context.push(frames[first:last], ends, alone, self.score))
        return answers

    def score(self, window: Float32) -> Float32:
        self.seen.append((window.shape[3], int(window[..., 0].max()), int(window[..., -1].max())))
        assert window.shape[:3] == (1, 1, 224)
        return score(window)


def test_it_grows_to_the_longest_and_no_further() -> None:
    listener = Listener()
    listener.hear(music((0, 120)), [10] * 12)
    assert [length for length, _, _ in listener.seen] == [40, 40, 60, 60, 60, 60, 60, 60, 60]


@pytest.mark.parametrize("blocks", [[10] * 20, [200], [7] * 28 + [4], [130, 70], [25] * 8])
def test_after_a_change_the_segment_is_believed_and_the_context_grows_anew(blocks: list[int]) -> None:
    """However the frames arrive, the same windows are heard."""
    listener = Listener()
    answers = listener.hear(music((0, 100), (1, 100)), blocks)
    ends = np.arange(LENGTHS[0], 201, STRIDE)
    assert len(answers) == len(ends)
    named = np.array([a.argmax() for a in answers])
    assert (named[ends <= 100] == 0).all()
    assert (named[ends >= 120] == 1).all()  # no later than by the segment alone
    assert np.array(answers)[ends >= 150].max(axis=1).min() > 0.99  # nothing of the old dance in it
    whole = Listener()
    assert np.array_equal(np.array(answers), np.array(whole.hear(music((0, 100), (1, 100)), [200])))


def test_a_gap_begins_anew() -> None:
    listener = Listener()
    listener.hear(music((0, 100)), [100])
    listener.seen.clear()
    listener.context.reset(500)
    context = listener.context
    context.push(music((0, 30)), [520, 530], np.array([[1, 0], [1, 0]], np.float32), listener.score)
    assert not listener.seen  # no longer window fits behind the gap
    context.push(music((0, 10)), [540], np.array([[1, 0]], np.float32), listener.score)
    assert [length for length, _, _ in listener.seen] == [40]


def test_memory_is_bounded() -> None:
    listener = Listener()
    listener.hear(music((0, 5000)), [50] * 100)
    assert len(listener.context._frames) <= LENGTHS[-1]


def test_one_length_alone_never_grows() -> None:
    context = GrowingContext((20,))
    alone = np.array([[0.3, 0.7]], np.float32)
    assert context.push(music((0, 100)), [20], alone, score) is alone


def test_a_segment_disagrees_where_its_own_dance_is_twice_as_likely() -> None:
    longer = np.array([0.8, 0.15, 0.05])
    assert disagree(np.array([0.2, 0.7, 0.1]), longer)
    assert not disagree(np.array([0.4, 0.5, 0.1]), longer)
    assert not disagree(np.array([0.9, 0.1, 0.0]), longer)


class Hummer:
    """An engine that hears which of two tones is louder, the surer the longer the window."""

    def run(self, batch: Float32) -> Float32:
        of_first = batch[:, 0, :100].mean(axis=(1, 2))
        share = of_first / (of_first + batch[:, 0, 100:].mean(axis=(1, 2)))
        sharper = share ** (batch.shape[3] / 224)
        scores = np.column_stack([sharper, (1 - share) ** (batch.shape[3] / 224)])
        return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def growing(*lengths: int) -> Model:
    info = ModelInfo("hummer", "1", ("rumba", "jive"), 224, "", "", "", "", None, context_frames=lengths)
    return Model(info, Hummer())


def test_files_and_microphones_hear_the_same_windows() -> None:
    rng = np.random.default_rng(0)
    frames = rng.exponential(size=(3000, 224)).astype(np.float32)
    frames[:1500, :100] *= 3
    frames[1500:, 100:] *= 3
    model = growing(224, 448, 672)
    whole = WholeRecording(Judging(model, 43))
    whole.push(frames)
    heard = whole.prediction(3000 * 512 / 22_050)
    rows = []
    music = PlayingMusic(Judging(model, 43))
    for start in range(0, 3000, 37):
        if music.push(frames[start : start + 37]):
            rows += list(music.prediction(start * 512 / 22_050).segment_scores)
    np.testing.assert_array_equal(np.array(rows), heard.segment_scores)
    assert [part.dance for part in heard.parts] == ["rumba", "jive"]
    alone = WholeRecording(Judging(growing(224), 43))
    alone.push(frames)
    short = alone.prediction(3000 * 512 / 22_050).segment_scores
    assert heard.segment_scores.max(axis=1).mean() > short.max(axis=1).mean() + 0.1  # it grew
    assert np.array_equal(heard.segment_scores[0], short[0])
    entirely_new = -(-1500 // 43)
    assert (heard.segment_scores[entirely_new:].argmax(axis=1) == 1).all()
