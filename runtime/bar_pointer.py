"""The bar pointer model: where in the bar the music is, at which tempo, in which metre.

A hidden Markov model whose state is a position in a bar of a certain length and number of beats (Whiteley,
Cemgil and Godsill 2006). In the efficient state space of Krebs, Böck and Widmer (2015) a bar of so many
frames has so many states, the pointer moves by one a frame, and the tempo changes at beats only. So a step of
the forward filter shifts a vector, and mixes the tempi of the few states in which a beat ends.

Observations are activations of beat and downbeat (`runtime.beat_activations`); which bars are likely is
known from the dances that the music may be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from runtime.dances import OTHER, dance
from runtime.mel import FRAME_RATE, Float32

METRES = (2, 3, 4)  # beats of a bar
MPM = {2: (33.0, 100.0), 3: (21.0, 72.0), 4: (11.5, 68.0)}  # bars a minute that are looked for
STEP = 1.02  # ratio of neighbouring lengths of bars, at least a frame
UPSAMPLING = 2  # states a frame of the front end: a quick beat lasts 14 frames, too few to tell tempi apart
RATE = FRAME_RATE * UPSAMPLING  # states a second
TEMPO_RIGIDITY = 200.0  # a change of tempo by a ratio r at a beat is as likely as exp(-200 |r - 1|)
NEAR_SECONDS = 0.05  # on both sides of a beat that is foreseen: as sure as what is believed of beats there
BEAT_SECONDS = 0.03  # on both sides of a beat in which it is heard
NO_BEAT = 20.0  # how many times as likely a state without a beat is as one with it
TEMPER = 0.5  # exponent on likelihoods in the filter: frames side by side say nearly the same, and count half
LEAK = 5e-5  # probability a state that the music starts anew, another piece, another dance: once in 4 minutes
TEMPO_OCTAVES = 0.16  # standard deviation of log2(tempo) around a dance's usual tempo
UNUSUAL = 0.2  # share of music evenly between a dance's slowest and quickest tempo
UNLIKELY = 1e-4  # share of belief that begins anew where other dances are likely than before
NEGLIGIBLE = 2e-3  # of the likeliest bar's weight: what files are not searched for
SHARPNESS = 2.0  # exponent on the evidence: any bar fits some dance, so unlikely dances must not decide
STRANGE = 0.01  # share of music that is none of that
ALIKE = 0.999  # share of the likeliest state's belief from which one is as likely; the first of them counts
LEAST_STATE = 1e-7  # belief in a state below which a forecast does without it
CLEAR_KEPT = float(np.exp(-1 / (5 * RATE)))  # a step, of what was heard: 5 s
FAINT = 0.005  # activation that counts for nothing
LOWEST = 0.01  # an activation is never quite sure

Probabilities = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class _Bars:
    """Bars of one metre.

    Attributes
    ----------
    beats : int
    lengths : ndarray, shape (n,)
        In states.
    first, last : ndarray, shape (n, beats)
        States in which a beat begins and ends, as indices in the whole space.
    tempi : slice
        Which of all bars these are.
    changes : ndarray, shape (n, n)
        Probability of going on at the second length after a beat of the first.
    """

    beats: int
    lengths: Indices
    first: Indices
    last: Indices
    tempi: slice
    changes: NDArray[np.float64]


class BarStates:
    """A state space: all positions in some bars.

    Parameters
    ----------
    lengths : mapping of int to ndarray
        Lengths of the bars in states, rising, for each number of beats.

    Attributes
    ----------
    metres : tuple of _Bars
    n_states, n_bars : int
    lengths, beats, mpm : ndarray, shape (n_bars,)
        States and beats of each bar, and how many of it go by in a minute.
    bar : ndarray, shape (n_states,)
        Which bar a state belongs to.
    beat_length : ndarray, shape (n_states,)
        States from beat to beat of its bar.
    kind : ndarray, shape (n_states,)
        What is heard in it: 0 no beat, 1 a beat, 2 the one.
    until_beat : ndarray, shape (n_states,)
        States until the next beat begins, at least 1.
    next_beat : ndarray, shape (n_states,)
        Its number in the bar, from 0.
    """

    def __init__(self, lengths: Mapping[int, Indices]) -> None:
        metres: list[_Bars] = []
        columns: list[list[Indices]] = []
        n_states = n_bars = 0
        for beats, chosen in lengths.items():
            first = np.empty((len(chosen), beats), np.int64)
            for i, length in enumerate(chosen.tolist()):
                starts = np.rint(np.arange(beats) * length / beats).astype(int)
                first[i] = n_states + starts
                columns.append(_described(length, beats, starts, n_bars + i))
                n_states += length
            last = np.column_stack([first[:, 1:], first[:, 0] + chosen]) - 1
            changes = np.exp(-TEMPO_RIGIDITY * np.abs(chosen[None] / chosen[:, None] - 1))
            changes = np.maximum(changes, np.finfo(np.float64).tiny)  # their logarithms are taken
            changes /= changes.sum(axis=1, keepdims=True)
            metres.append(_Bars(beats, chosen, first, last, slice(n_bars, n_bars + len(chosen)), changes))
            n_bars += len(chosen)
        self.metres = tuple(metres)
        self.n_states, self.n_bars = n_states, n_bars
        self.bar, self.kind, self.until_beat, self.next_beat = (
            np.concatenate([c[i] for c in columns]) for i in range(4)
        )
        self.lengths = np.concatenate([m.lengths for m in metres])
        self.beats = np.concatenate([np.full(len(m.lengths), m.beats) for m in metres])
        self.mpm = 60 * RATE / self.lengths
        self.beat_length = (self.lengths / self.beats)[self.bar]

    def pruned(self, bars: NDArray[np.float64]) -> tuple["BarStates", NDArray[np.float64]]:
        """The space of the bars that are likely enough to matter, and their share of the weights."""
        kept = bars >= NEGLIGIBLE * bars.max()
        space = BarStates({m.beats: m.lengths[kept[m.tempi]] for m in self.metres if kept[m.tempi].any()})
        return space, bars[kept] / bars[kept].sum()


def _lengths(slowest: float, quickest: float) -> Indices:
    """Lengths of bars in states, from quick to slow, in steps of 2 % or one state."""
    lengths = [int(60 * RATE / quickest)]
    while lengths[-1] < 60 * RATE / slowest:
        lengths.append(max(lengths[-1] + 1, round(lengths[-1] * STEP)))
    return np.array(lengths)


def _described(length: int, beats: int, starts: Indices, bar: int) -> list[Indices]:
    """Bar, kind, states until the next beat and its number, of each state of a bar."""
    position = np.arange(length)
    current = np.searchsorted(starts, position, side="right") - 1
    ends = np.append(starts[1:], length)[current]
    until = ends - position
    following = (current + 1) % beats
    window = min(BEAT_SECONDS * RATE, length / beats / 4)
    begun = position - starts[current]
    kind = np.where(begun <= window, np.where(current == 0, 2, 1), 0)
    kind = np.where((until <= window) & (kind == 0), np.where(following == 0, 2, 1), kind)
    return [np.full(length, bar), kind, until, following]


@lru_cache(maxsize=1)
def states() -> BarStates:
    """The space of all bars that are looked for, made at its first use."""
    return BarStates({beats: _lengths(*MPM[beats]) for beats in METRES})


def observations(activations: Float32) -> NDArray[np.float64]:
    """Likelihoods of what is heard, for each kind of state: no beat, a beat, the one.

    Parameters
    ----------
    activations : ndarray, shape (n, 2)
        Probability of a beat and of a downbeat in each frame.

    Returns
    -------
    ndarray, shape (n, 3)
        As of Böck, Krebs and Widmer (2016), where a beat that is not the one is heard as b - d.
    """
    beat, downbeat = np.clip(activations.astype(np.float64), LOWEST, 1 - LOWEST).T
    other = np.maximum(beat - downbeat, LOWEST)
    return np.column_stack([(1 - np.maximum(beat, downbeat)) / NO_BEAT, other, downbeat])


def upsampled(activations: Float32, previous: Float32 | None = None) -> Float32:
    """Activations at the rate of the states: each frame of (n, 2), and what lies before it, (2 n, 2).

    `previous`, shape (2,), is the frame before; at the start of a recording there is none.
    """
    if not len(activations):
        return activations
    before = activations[:1] if previous is None else previous[None]
    earlier = np.concatenate([before, activations[:-1]])
    steps = (np.arange(1, UPSAMPLING + 1, dtype=np.float32) / UPSAMPLING)[None, :, None]
    between = earlier[:, None] * (1 - steps) + activations[:, None] * steps
    return between.reshape(-1, activations.shape[1]).astype(np.float32)


@lru_cache(maxsize=64)
def bars_of(key: str) -> NDArray[np.float64]:
    """How likely each bar is in a dance, sum one; evenly all of them where nothing is known of it."""
    space = states()
    even = np.concatenate([np.full(len(m.lengths), 1 / len(m.lengths)) for m in space.metres]) / len(METRES)
    facts = dance(key)
    if key == OTHER or facts.beats_per_bar not in METRES or facts.mpm_low is None or facts.mpm_high is None:
        return even
    usual = np.sqrt((facts.mpm_min or facts.mpm_low) * (facts.mpm_max or facts.mpm_high))
    octaves = np.log2(space.mpm / usual)
    likely = np.exp(-0.5 * (octaves / TEMPO_OCTAVES) ** 2)
    mine = space.beats == facts.beats_per_bar
    within = mine & (space.mpm >= facts.mpm_low) & (space.mpm <= facts.mpm_high)
    result = np.where(mine, likely, 0)
    # neighbouring bars are not evenly far apart in tempo where they are short
    result = (1 - UNUSUAL) * result / result.sum() + UNUSUAL * within / max(1, within.sum())
    return (1 - STRANGE) * result + STRANGE * even


def weights(evidence: Mapping[str, float]) -> NDArray[np.float64]:
    """How likely each bar is, from how likely each dance is.

    Parameters
    ----------
    evidence : mapping of str to float
        Keys of dances, or 'other', and probabilities, which need not sum to one; empty for nothing known.

    Returns
    -------
    ndarray, shape (n_bars,)
        Sum one.
    """
    shares = {key: p**SHARPNESS for key, p in evidence.items() if p > 0}
    total = sum(shares.values())
    if total <= 0:
        return bars_of(OTHER)
    mixed: NDArray[np.float64] = np.sum([p * bars_of(key) for key, p in shares.items()], axis=0)
    return mixed / total


@dataclass(frozen=True)
class Forecast:
    """The next beat as the filter sees it.

    Attributes
    ----------
    delay : float
        Seconds from the newest frame until it.
    position : int
        In the bar, 1 the one.
    beats_per_bar : int
    period : float
        Seconds from beat to beat.
    beat : float
        Probability that a beat is there, within about 50 ms.
    count : float
        Probability that a beat of that position is there.
    """

    delay: float
    position: int
    beats_per_bar: int
    period: float
    beat: float
    count: float


class BarFilter:
    """The forward filter: a belief over all states, brought up to date with every frame.

    Work a frame and memory are constant.
    """

    def __init__(self) -> None:
        self.space = states()
        self._is_beat = (self.space.kind > 0).astype(np.float32)
        self.reset()

    def reset(self) -> None:
        """Nothing is known but that it may be any dance."""
        self._weights = weights({})
        self._kept = np.ones(self.space.n_states, np.float32)
        self._restart = self._spread()
        self._previous: Float32 | None = None
        self.restart()

    def restart(self) -> None:
        """Sound is missing: what was believed of the dance stays, where the bar is does not."""
        self.belief = self._restart.copy()
        self._previous = None
        self._told = False
        # activation at beats, how many beats, all activation, how many steps: of the last seconds
        self._clear = np.zeros(4)

    def tell_the_one(self, frames: float) -> None:
        """Somebody says that a bar begins `frames` behind the newest frame (negative: before it).

        From then on the downbeats that are heard count as any beats, until the music starts anew, or
        `forget_the_one`: a dancer knows better. Nor is the bar looked for anew at every state meanwhile, for
        what begins anew has any number, and blurs in a minute what the dancer said.
        """
        space = self.space
        lengths = space.lengths[space.bar]
        beat = lengths / space.beats[space.bar]
        # of each state: beats from the last one to the moment that was meant
        place = space.next_beat - space.until_beat / beat + frames * UPSAMPLING / beat
        number = np.rint(place).astype(int) % space.beats[space.bar]
        # Whatever was thought of tempo and beats stays: they only have other numbers.
        start = np.cumsum(space.lengths) - space.lengths
        position = np.arange(space.n_states) - start[space.bar] - np.rint(number * beat).astype(int)
        target = start[space.bar] + position % lengths
        self.belief = np.bincount(target, self.belief, space.n_states).astype(np.float32)
        self._told = True
        self._normalise()

    def forget_the_one(self) -> None:
        """Other music begins: what is heard of downbeats counts again."""
        self._told = False

    def _spread(self) -> Probabilities:
        """Belief that knows the weights of the bars alone."""
        space = self.space
        result: Probabilities = (self._weights / space.lengths)[space.bar].astype(np.float32)
        return result

    def believe(self, evidence: Mapping[str, float]) -> None:
        """Take what is known now of which dance it is, in place of what was known before."""
        new = weights(evidence)
        new[new < NEGLIGIBLE * new.max()] = 0  # as files are not searched for them
        new /= new.sum()
        ratio = np.divide(new, self._weights, out=np.zeros_like(new), where=self._weights > 0)
        self._weights = new
        self._restart = self._spread()
        self._kept = (new > 0)[self.space.bar].astype(np.float32)
        self.belief *= ratio[self.space.bar].astype(np.float32)
        self.belief += UNLIKELY * max(float(self.belief.sum()), 1e-12) * self._restart
        self._normalise()

    def likelihoods(self, keys: Sequence[str]) -> NDArray[np.float64]:
        """How well each dance's bars explain what was heard, up to a common factor, shape (len(keys),)."""
        mass = np.bincount(self.space.bar, self.belief, self.space.n_bars)
        bars = np.divide(mass, self._weights, out=np.zeros_like(mass), where=self._weights > 0)
        return np.array([float(bars @ bars_of(key)) for key in keys])

    def push(self, activations: Float32) -> None:
        """Take the next frames' activations, shape (n, 2)."""
        heard = upsampled(activations, self._previous)
        seen = observations(heard)
        if self._told:
            seen[:, 1:] = np.clip(heard[:, :1], LOWEST, 1 - LOWEST)
        seen = (seen**TEMPER).astype(np.float32)
        for row, activation in zip(seen, heard[:, 0], strict=True):
            self._step(row)
            beat = float(self.belief @ self._is_beat)
            strength = float(activation) + FAINT
            self._clear = CLEAR_KEPT * self._clear + np.array([beat * strength, beat, strength, 1.0])
        if len(activations):
            self._previous = activations[-1]

    @property
    def clarity(self) -> float:
        """How far the activation of the last seconds lies at beats: 1 all of it, 0 no more than by chance."""
        at_beats, beats, strength, steps = self._clear
        if steps < RATE:  # a second
            return 0.0
        chance = beats / steps
        return float((at_beats / strength - chance) / (1 - chance + 1e-9))

    def _step(self, seen: Probabilities) -> None:
        old = self.belief
        new = np.empty_like(old)
        new[1:] = old[:-1]
        for bars in self.space.metres:
            ended = bars.changes.T @ old[bars.last]
            new[bars.first] = np.roll(ended, 1, axis=1)
        if not self._told:
            new *= 1 - LEAK
            new += LEAK * self._restart
        new *= seen[self.space.kind] * self._kept
        self.belief = new
        self._normalise()

    def _normalise(self) -> None:
        self.belief /= self.belief.sum()

    def forecast(self, lag: float = 0.0) -> Forecast:
        """The first beat of the likeliest state that is at least `lag` seconds behind the newest frame.

        Of the likeliest state, not the likeliest beat: where two places of the beat are nearly as likely,
        half of what is believed of the one is past just before it comes, and the other would be shown in its
        place. When it comes is the mean over all states that have a beat of that number there.
        """
        space = self.space
        likeliest = int((self.belief >= ALIKE * self.belief.max()).argmax())
        until, every = int(space.until_beat[likeliest]), float(space.beat_length[likeliest])
        metre = int(space.beats[space.bar[likeliest]])
        some = np.flatnonzero(self.belief >= LEAST_STATE)
        belief, length, coming = self.belief[some], space.beat_length[some], space.until_beat[some]
        alike = space.beats[space.bar[some]] == metre
        width, steps = round(NEAR_SECONDS * RATE), int(np.ceil(lag * RATE - 1e-9))
        first = max(0, int(np.ceil((steps - width - until) / every)))
        for later in (first, first + 1):  # beats are further apart than the width: one of them is to come
            at = until + int(np.rint(later * every))
            position = (int(space.next_beat[likeliest]) + later) % metre
            # of each state that matters, its beat that lies nearest to that one
            nearest = np.rint((at - coming) / length)
            beats = coming + nearest * length
            there = np.abs(beats - at) <= width
            mine = there & alike & ((space.next_beat[some] + nearest) % metre == position)
            share = belief[mine]
            delay = float(share @ beats[mine] / share.sum())
            if delay >= lag * RATE - 1e-9:
                break
        return Forecast(
            delay / RATE,
            position + 1,
            metre,
            float(share @ length[mine] / share.sum()) / RATE,
            float(belief[there].sum()),
            float(share.sum()),
        )


def best_path(
    activations: Float32, bars: NDArray[np.float64]
) -> tuple[NDArray[np.float64], Indices, Indices]:
    """The most probable beats of frames that are known to their end (Viterbi).

    Parameters
    ----------
    activations : ndarray, shape (n, 2)
    bars : ndarray, shape (n_bars,)
        Weights of the bars.

    Returns
    -------
    frames : ndarray, shape (n_beats,), float64
        Where each beat is, in frames from the first one.
    positions, metres : ndarray, shape (n_beats,), int64
        Its number in the bar from 1, and the beats of the bar.
    """
    space, bars = states().pruned(bars)
    seen = np.log(observations(upsampled(activations)))
    changes = [np.log(m.changes) for m in space.metres]
    score = np.log(bars / space.lengths)[space.bar]
    score = score + seen[0][space.kind]
    sources = [np.zeros((len(seen), len(m.lengths), m.beats), np.int16) for m in space.metres]
    for t in range(1, len(seen)):
        new = np.empty_like(score)
        new[1:] = score[:-1]
        for m, change, source in zip(space.metres, changes, sources, strict=True):
            paths = change[:, :, None] + score[m.last][:, None]  # from, to, beat that ends
            best = paths.argmax(axis=0)
            value = np.take_along_axis(paths, best[None], axis=0)[0]
            new[m.first] = np.roll(value, 1, axis=1)
            source[t] = np.roll(best, 1, axis=1)
        new += seen[t][space.kind]
        score = new
    steps, positions, metres = _traced(space, sources, int(score.argmax()), len(seen) - 1)
    return np.maximum((steps - (UPSAMPLING - 1)) / UPSAMPLING, 0), positions, metres


def _traced(
    space: BarStates, sources: list[NDArray[np.int16]], state: int, t: int
) -> tuple[Indices, Indices, Indices]:
    """Walk back from the last state, beat by beat."""
    which = next(i for i, m in enumerate(space.metres) if space.bar[state] < m.tempi.stop)
    m = space.metres[which]
    tempo = int(space.bar[state]) - m.tempi.start
    beat = int(np.searchsorted(m.first[tempo], state, side="right")) - 1
    t -= state - int(m.first[tempo, beat])
    found: list[tuple[int, int, int]] = []
    while t >= 0:
        found.append((t, beat + 1, m.beats))
        if t == 0:
            break
        tempo = int(sources[which][t, tempo, beat])
        beat = (beat - 1) % m.beats
        t -= int(m.last[tempo, beat] - m.first[tempo, beat]) + 1
    steps, positions, metres = np.array(found[::-1], np.int64).reshape(-1, 3).T
    return steps, positions, metres
