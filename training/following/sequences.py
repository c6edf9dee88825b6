"""Evenings in miniature: recordings one after the other, with pauses, to fit and judge evidence on.

Generated recordings of one dance, of another, of other music; between them nothing, silence, or talk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.dances import OTHER
from runtime.errors import ParameterError
from runtime.loudness import LoudestSoFar, is_silent, quiet_levels
from runtime.mel import FRAME_RATE, Float32
from runtime.segments import SEGMENT_FRAMES, windows
from training.data.codec import STORED
from training.data.store import Stored
from training.evaluation.scoring import Run, grown_scores

STRIDE = 43  # frames: live updates
SAME_DANCE = 0.3  # chance that the next song is of the same dance
OTHER_SHARE = 0.25  # of songs: music to none of the dances
PAUSE = 0.5  # chance of a pause between two songs; half of them silence, half talk
SONGS = (2, 4)  # in a sequence
SONG_SECONDS = (60.0, 180.0)  # as dances last; a shorter recording begins anew, as songs repeat themselves
SILENCE_SECONDS = (0.5, 5.0)
TALK_SECONDS = (2.0, 10.0)
NO_SONG = -1


@dataclass(frozen=True)
class Scored:
    """A sequence as the evidence model hears it: its segments with music, update by update.

    Attributes
    ----------
    scores : ndarray, shape (n_updates, n_states)
    truth : ndarray of int, shape (n_updates,)
        State at the end of each segment; -1 in pauses.
    seconds, passed : ndarray, shape (n_updates,)
        New sound in each segment, and time since the one before, s.
    """

    scores: Float32
    truth: NDArray[np.int64]
    seconds: NDArray[np.float64]
    passed: NDArray[np.float64]


def drawn(
    run: Run,
    recordings: Sequence[Stored],
    labels: Sequence[str],
    n: int,
    *,
    shares: Sequence[float] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Scored]:
    """Sequences as a network hears them; the even and the odd ones share no recording.

    Parameters
    ----------
    run : callable
        As for `scored`.
    recordings : sequence of Stored
        Sorted by dance, as a corpus is: every other one makes the even sequences.
    labels : sequence of str
    n : int
        How many.
    shares : sequence of float, optional
        As for `compose`.
    seed : int
    progress : callable
        Called with (sequences done, sequences in all).
    """
    rng = np.random.default_rng(seed)
    result = []
    for i in range(n):
        frames, states = compose(recordings[i % 2 :: 2], labels, rng, shares)
        result.append(scored(run, frames, states, len(labels) + 1))
        progress(i + 1, n)
    return result


def compose(
    recordings: Sequence[Stored],
    labels: Sequence[str],
    rng: np.random.Generator,
    shares: Sequence[float] | None = None,
) -> tuple[Float32, NDArray[np.int64]]:
    """One sequence: mel power (n_frames, 224), and the state of each frame.

    Parameters
    ----------
    recordings : sequence of Stored
        Of the dances in `labels` and of others; those of tempo 0 are talk and the like, for pauses.
    labels : sequence of str
    rng : numpy.random.Generator
    shares : sequence of float, optional
        How common each of `labels` is, in any unit; all alike if None.
    """
    songs: dict[str, list[Stored]] = {}
    talk: list[Stored] = []
    for stored in recordings:
        recording = stored.recording
        if recording.dance == OTHER and recording.tempo_bpm == 0:
            talk.append(stored)
        else:
            songs.setdefault(recording.dance if recording.dance in labels else OTHER, []).append(stored)
    dances = [label for label in labels if label in songs]
    if len(dances) < 2:
        raise ParameterError("sequences need recordings of at least two of the model's dances")

    def drawn_dance() -> str:
        if shares is None:
            return dances[rng.integers(len(dances))]
        common = np.array([shares[list(labels).index(dance)] for dance in dances])
        return dances[rng.choice(len(dances), p=common / common.sum())]

    pieces: list[NDArray[np.uint8]] = []
    states: list[int] = []

    def add(codes: NDArray[np.uint8], state: int) -> None:
        pieces.append(codes)
        states.extend([state] * len(codes))

    last = None
    for i in range(int(rng.integers(SONGS[0], SONGS[1] + 1))):
        if i and rng.random() < PAUSE:
            if rng.random() < 0.5 or not talk:
                n = round(rng.uniform(*SILENCE_SECONDS) * FRAME_RATE)
                add(np.zeros((n, pieces[0].shape[1]), np.uint8), NO_SONG)
            else:
                add(_excerpt(talk[rng.integers(len(talk))], TALK_SECONDS, rng), NO_SONG)
        if last is None or rng.random() >= SAME_DANCE:
            other = OTHER in songs and rng.random() < OTHER_SHARE
            last = OTHER if other else drawn_dance()
        song = songs[last][rng.integers(len(songs[last]))]
        state = len(labels) if last == OTHER else list(labels).index(last)
        add(_song(song, rng), state)
    return STORED.decode(np.concatenate(pieces)), np.array(states)


def _song(stored: Stored, rng: np.random.Generator) -> NDArray[np.uint8]:
    codes = stored.codes()
    n = round(rng.uniform(*SONG_SECONDS) * FRAME_RATE)
    first = int(rng.integers(max(len(codes) - n, 0) + 1))
    song: NDArray[np.uint8] = np.take(codes, np.arange(first, first + n) % len(codes), axis=0)
    return song


def _excerpt(stored: Stored, seconds: tuple[float, float], rng: np.random.Generator) -> NDArray[np.uint8]:
    codes = stored.codes()
    n = min(len(codes), round(rng.uniform(*seconds) * FRAME_RATE))
    first = int(rng.integers(len(codes) - n + 1))
    excerpt: NDArray[np.uint8] = np.asarray(codes[first : first + n])
    return excerpt


def scored(run: Run, frames: Float32, states: NDArray[np.int64], n_states: int) -> Scored:
    """What a network says of a sequence, without the segments that hold no music, as the runtime has them.

    Parameters
    ----------
    run : callable
        Segments (n, 1, 224, 224) of mel power to scores of the dances, and perhaps of none of them.
    frames : ndarray, shape (n_frames, 224)
    states : ndarray of int, shape (n_frames,)
    n_states : int
        Dances, and none of them.
    """
    segments = windows(frames, SEGMENT_FRAMES, STRIDE)
    scores = grown_scores(_with_rest(run, n_states), frames, STRIDE)
    ends = SEGMENT_FRAMES + STRIDE * np.arange(len(segments))
    loudest = LoudestSoFar(forgets=True).push(frames)
    quiet = np.concatenate([quiet_levels(segments[i : i + 16], STRIDE) for i in range(0, len(segments), 16)])
    music = np.array([not is_silent(*pair) for pair in zip(quiet, loudest[ends - 1], strict=True)])
    heard = ends[music]
    passed = np.diff(heard, prepend=heard[0] if len(heard) else 0) / FRAME_RATE
    seconds = np.minimum(passed, SEGMENT_FRAMES / FRAME_RATE)
    if len(seconds):
        seconds[0] = SEGMENT_FRAMES / FRAME_RATE
    return Scored(scores[music], states[heard - 1], seconds, passed)


def _with_rest(run: Run, n_states: int) -> Run:
    """Scores of the dances, and last what they lack of one, as the runtime has them; in the same contexts."""

    def complete(batch: Float32) -> Float32:
        dances = run(batch)[:, : n_states - 1]
        rest = np.maximum(1 - dances.sum(axis=1, keepdims=True), 0)
        return np.concatenate([dances, rest], axis=1).astype(np.float32)

    complete.context_frames = getattr(run, "context_frames", ())  # type: ignore[attr-defined]
    return complete
