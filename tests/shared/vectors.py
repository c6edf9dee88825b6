"""Random sequences whose outcome Python and JavaScript must agree on.

    python -m tests.shared.vectors

computes them by `runtime` and writes `evidence.json`, `answer.json` and the others of `KINDS` beside this
file; `tests/runtime/test_shared_vectors.py` replays them, and so does Node with the page's engine. The
inputs are made from seeds, by a generator that both languages have (`Random`), so that the files stay
small. Each function below says what its outcome is made of; a number that comes out of floating point is
rounded, and is to agree to within one of its last digit or a millionth.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from runtime.answer import Certainty, Choice, choose, clock, percent
from runtime.bar_pointer import BarFilter
from runtime.beats import BEAT_AT, COUNT_AT
from runtime.dances import dance
from runtime.evidence import EvidenceSettings, Follower, Observation, divide
from runtime.live import Gap, LevelMeter, LiveGuard
from runtime.mel import FRAME_RATE
from runtime.pairs import Pairs
from runtime.tempo import TempoHistory

FOLDER = Path(__file__).parent
N = 1000  # sequences of each kind
MASK = 0xFFFFFFFF

SETTINGS = (
    {"weight": 0.3, "change_per_second": 1 / 30, "phases": 2, "none_bias": 1.0, "temperature": 1.58,
     "name_at": 0.8, "release_at": 0.4, "two_at": 0.6, "two_release_at": 0.36},
    {"weight": 0.15, "change_per_second": 1 / 60, "phases": 3, "none_bias": -0.5, "temperature": 1.0,
     "name_at": 0.6, "release_at": 0.6, "two_at": 0.9, "two_release_at": 0.7},
    {"weight": 0.6, "change_per_second": 1 / 120, "phases": 1, "none_bias": 0.0, "temperature": 2.5,
     "name_at": 0.5, "release_at": 0.25, "two_at": 0.4, "two_release_at": 0.4},
)  # fmt: skip
FAST = {"weight": 2.0, "change_per_second": 1.0, "phases": 1, "none_bias": 0.0, "temperature": 1.0,
        "name_at": 0.5, "release_at": 0.4, "two_at": 0.5, "two_release_at": 0.4}  # fmt: skip
SLOW = {"weight": 0.01, "change_per_second": 1 / 600, "phases": 1, "none_bias": 0.0, "temperature": 1.0,
        "name_at": 0.9, "release_at": 0.5, "two_at": 0.6, "two_release_at": 0.4}  # fmt: skip
HASTY = {"weight": 1.5, "change_per_second": 1.0, "phases": 1, "none_bias": 0.0, "temperature": 1.0,
         "name_at": 0.8, "release_at": 0.6, "two_at": 0.9, "two_release_at": 0.8}  # fmt: skip
# Settings, updates, and updates that a state lasts, of the sequences that reach a corner: more spans than
# are kept; a name after more updates than the memory holds; dances that are named again after about 15 s.
CORNERS = [(FAST, 2600, 1.0)] * 2 + [(SLOW, 600, 300.0)] * 2 + [(HASTY, 800, 1.5)] * 6
ALL_SETTINGS = [*SETTINGS, FAST, SLOW, HASTY]
LABELS = "abcdefghijklmnopqrstuvwxyz"  # of states, in texts
VERDICTS = {"dance": "D", "two": "T", "none": "N", "not sure": "-"}
DANCED = ("slow_waltz", "cha_cha_cha", "samba", "quickstep")
GRADES = {"could be": "c", "probably": "p", "quite sure": "q", None: "-"}


class Random:
    """The generator mulberry32: uniform numbers from 0 to below 1, from 32 bits of state."""

    def __init__(self, seed: int) -> None:
        self._state = seed & MASK

    def __call__(self) -> float:
        self._state = (self._state + 0x6D2B79F5) & MASK
        t = self._state
        t = ((t ^ t >> 15) * (t | 1)) & MASK
        t ^= (t + ((t ^ t >> 7) * (t | 61) & MASK)) & MASK
        return (t ^ t >> 14) / 4294967296

    def below(self, n: float) -> int:
        """A whole number, 0 to n - 1."""
        return math.floor(self() * n)


def scores_of(random: Random, n_states: int, state: int, strength: float) -> np.ndarray:
    """A segment's scores: r³ for each state in turn, more for one of them, as shares."""
    raw = [random() ** 3 for _ in range(n_states)]
    raw[state] += strength
    total = sum(raw)
    return np.array([value / total for value in raw])


def observations(random: Random, n_states: int, n_updates: int, lasts: float) -> Iterator[Observation]:
    """Segments of 5.2 s, one a second, whose state changes now and then, and between which sound is missing.

    Each in turn: where r < 1 / lasts, a new state where r < .5, and a new strength of 0 to 1.5 (1.5 at the
    beginning); where r < .03, a gap of 0 to 40 s; the scores, at a share r of the strength.
    """
    length = 224 / FRAME_RATE
    state, strength = random.below(n_states), 1.5
    start, heard_until = 0.0, 0.0
    for _ in range(n_updates):
        if random() < 1 / lasts:
            state = random.below(n_states) if random() < 0.5 else state
            strength = 1.5 * random()
        if random() < 0.03:
            start += 40 * random()
        scores = scores_of(random, n_states, state, strength * random())
        new = max(0.0, min(length, start + length - heard_until))
        heard_until = start + length
        yield Observation(start, start + length, new, scores)
        start += 43 / FRAME_RATE


def evidence(seed: int) -> dict[str, Any]:
    """Evidence, naming, spans and what is shown, of one sequence.

    The number of states is 2 to 12, the settings one of three; 30 updates, 300 of every tenth sequence. The
    first ten sequences are those of `CORNERS`.

    Returns
    -------
    dict
        named : number, sum over updates t = 1, 2, … of t times 1 plus the named state (0 where none),
        modulo 1 000 003; shown : the same of the verdict's place in 'D', 'T', 'N', '-' plus 4 times the
        best state plus 64 times 1 plus the second (0 where none); graded : of the place in 'c', 'p', 'q',
        '-'; begun : spans so far; kept : spans that are kept; spans : the last four, as [start, end, state,
        confidence], 3 digits; pairs : how many pairs of three seconds and more were left when something was
        named, and the last four of those and of the pairs since, as [start, end, best, second, confidence];
        posterior : at the end, 5 digits; divided : of the first 40 updates of every
        fifth sequence the spans by `divide`, as above.
    """
    random = Random(seed)
    n_states = 2 + random.below(11)
    if seed < len(CORNERS):
        values, n_updates, lasts = CORNERS[seed]
    else:
        values, n_updates, lasts = SETTINGS[random.below(len(SETTINGS))], 30 if seed % 10 else 300, 20.0
    settings = EvidenceSettings(**values)
    heard = list(observations(random, n_states, n_updates, lasts))
    follower, certainty, pairs = Follower(settings, n_states), Certainty(), Pairs(3.0)
    choice: Choice | None = None
    sums, left = [0, 0, 0], []
    for t, observation in enumerate(heard, 1):
        follower.update(observation)
        if follower.current is not None:
            left += pairs.cut(follower.spans[-1].start)
        choice = choose(settings, follower.posterior, follower.current, choice)
        pairs.update(choice, observation.end)
        since = follower.spans[-1].end - follower.spans[-1].start if follower.spans else 0.0
        graded = certainty.update(choice, since)
        second = 0 if choice.second is None else 1 + choice.second
        codes = (
            0 if follower.current is None else 1 + follower.current,
            "DTN-".index(VERDICTS[choice.verdict]) + 4 * choice.best + 64 * second,
            "cpq-".index(GRADES[graded]),
        )
        sums = [(total + t * code) % 1_000_003 for total, code in zip(sums, codes, strict=True)]
    found = {
        "seed": seed,
        "named": sums[0],
        "shown": sums[1],
        "graded": sums[2],
        "begun": follower.begun,
        "kept": len(follower.spans),
        "spans": [_span(span) for span in list(follower.spans)[-4:]],
        "pairs": [len(left), *map(_pair, [*left, *pairs.lasting()][-4:])],
        "posterior": _rounded(follower.posterior, 5),
    }
    if seed % 5 == 0:
        found["divided"] = [_span(span) for span in divide(settings, heard[:40])[1]]
    return found


def _span(span: Any) -> list[float]:
    return [*_rounded((span.start, span.end), 3), span.state, round(span.confidence, 3)]


def _pair(pair: Any) -> list[float]:
    return [*_rounded((pair.start, pair.end), 3), pair.best, pair.second, round(pair.confidence, 3)]


def _rounded(values: Any, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]


def numbers(seed: int) -> list[str]:
    """A probability in percent, of r (of every tenth of r³), and a time, of 10^(5 r) seconds."""
    random = Random(seed)
    chance = random()
    return [percent(chance**3 if seed % 10 == 0 else chance), clock(10 ** (5 * random()))]


def naming(seed: int) -> str:
    """What is shown and how sure it is, of 20 updates whose probabilities wander: four letters each.

    The states are 2 to 9, the settings one of three; the probabilities p of the first update are
    `scores_of` a state at a strength of 0 to 2, of the others (4 p + `scores_of`) / 5. After each: where r
    < .4 nothing is named, else the likeliest state; the seconds since the dance began are 20 r. Letters:
    the verdict, the best state, the second or '-', the grade.
    """
    random = Random(seed)
    n_states = 2 + random.below(8)
    settings = EvidenceSettings(**SETTINGS[random.below(len(SETTINGS))])
    state = random.below(n_states)
    posterior = scores_of(random, n_states, state, 2 * random())
    certainty = Certainty()
    choice: Choice | None = None
    text = ""
    for t in range(20):
        if t:
            state = random.below(n_states) if random() < 0.3 else state
            posterior = (4 * posterior + scores_of(random, n_states, state, 2 * random())) / 5
        named = None if random() < 0.4 else int(posterior.argmax())
        choice = choose(settings, posterior, named, choice)
        graded = certainty.update(choice, 20 * random())
        second = "-" if choice.second is None else LABELS[choice.second]
        text += VERDICTS[choice.verdict] + LABELS[choice.best] + second + GRADES[graded]
    return text


def grading(seed: int) -> str:
    """How sure one of two dances is, of 40 updates: a letter each.

    The probability begins at r and moves by (r - .5) / 4 within 0 to 1; where r < .05 the other dance is
    named, where r < .1 none (not sure). The seconds since the dance began are 1 more at each update, 0 at a
    new dance.
    """
    random = Random(seed)
    certainty = Certainty()
    chance, which, seconds = random(), 0, 0.0
    text = ""
    for _ in range(40):
        chance = min(1.0, max(0.0, chance + (random() - 0.5) / 4))
        luck = random()
        if luck < 0.05:
            which, seconds = 1 - which, 0.0
        verdict = "not sure" if 0.05 <= luck < 0.1 else "dance"
        text += GRADES[certainty.update(Choice(verdict, which, None, chance), seconds)]
        seconds += 1.0
    return text


def live(seed: int) -> list[str]:
    """What of 24 blocks of a microphone may be heard, and what its meter says.

    Of odd seeds it has 100 Hz, of even ones 10. Each block has 1 sample to 1.6 s of them, 4.5 s of every
    third seed; by r it is: below .4 zeros, else sound, sample i of which is a (1 - 2 (i mod 2)), where a is
    1.1 r³ but 1 at most. From .5 to .6 of that sound the second half is zeros, rounded up, to .7 the first
    half, to .8 all but the first and the last sample; from .9 on the first sample is nan, from .93 on inf,
    from .96 on 1e13.

    Returns
    -------
    list of str
        The pieces in order, 's' and a number of samples or 'g' and a number of missing ones, and at the end
        'z' and the number held back; the advice after each block ('w', 'g', 'q', 'c', 's'), and the sum of
        the levels in dB, 2 digits.
    """
    random = Random(seed)
    rate = 100 if seed % 2 else 10
    guard, meter = LiveGuard(rate), LevelMeter(rate)
    pieces, advice, decibels = [], "", 0.0
    for _ in range(24):
        n = 1 + random.below(rate * (4.5 if seed % 3 == 0 else 1.6))
        kind = random()
        block = np.zeros(n, np.float32)
        if kind >= 0.4:
            block[:] = np.float32(min(1.0, 1.1 * random() ** 3)) * (1 - 2 * (np.arange(n) % 2))
        if 0.5 <= kind < 0.6:
            block[n // 2 :] = 0
        elif 0.6 <= kind < 0.7:
            block[: n // 2] = 0
        elif 0.7 <= kind < 0.8:
            block[1 : n - 1] = 0
        elif kind >= 0.9:
            block[0] = np.nan if kind < 0.93 else np.inf if kind < 0.96 else 1e13
        for piece in guard.take(block):
            gap = isinstance(piece, Gap)
            pieces.append(f"g{round(piece.seconds * rate)}" if gap else f"s{len(piece)}")
        level = meter.push(guard.newest)
        advice += level.advice[0]
        decibels += level.rms_db
    return [" ".join([*pieces, f"z{round(guard.held * rate)}"]), advice, f"{decibels:.2f}"]


def tempo(seed: int) -> list[Any]:
    """A history of buckets of 40 frames, of which 6 are kept, after 12 pushes.

    Each push brings 1 to 150 frames, 1 to 30 of every tenth but one sequence; before it, by r, below .15 a
    gap of 1 to 100 frames, below .25 all that lies before 60 % of the frames so far is forgotten. Band b of
    a frame is 10^(7 r) (1 + b mod 5). Of every tenth sequence the buckets are the runtime's own 215 frames,
    of which 256 would be kept.

    Returns
    -------
    list
        The buckets' frames as 'start-end'; sum of the counts of all lags; sum of the products and of the
        onsets, 1 digit; beats per minute of the whole if it is a jive, 1 digit, or null.
    """
    random = Random(seed)
    history = TempoHistory() if seed % 10 == 0 else TempoHistory(bucket_frames=40, max_buckets=6)
    frame = 0
    for _ in range(12):
        luck = random()
        if luck < 0.15:
            frame += 1 + random.below(100)
            history.gap(frame)
        elif luck < 0.25:
            history.forget(0.6 * frame / FRAME_RATE)
        n = 1 + random.below(30 if seed % 10 == 1 else 150)
        levels = [10 ** (7 * random()) for _ in range(n)]
        history.push(np.outer(levels, 1 + np.arange(224) % 5).astype(np.float32))
        frame += n
    buckets = history._buckets
    bounds = " ".join(f"{bucket.start}-{bucket.end}" for bucket in buckets)
    sums = [
        round(float(sum(getattr(bucket.sums, name).sum() for bucket in buckets)), digits)
        for name, digits in (("counts", 0), ("products", 1), ("onsets", 1))
    ]
    found = history.estimate(dance("jive"))
    return [bounds, *sums, None if found is None else round(found.bpm, 1)]


def beats(seed: int) -> list[list[float]]:
    """The next beat as the filter of the bar pointer model sees it, after each of 3 pushes of activations.

    The music has a beat every 14 to 73 frames, a bar every 2 to 4 beats. Before a push, by r: below .1 sound
    is missing, below .5 it is one of two dances, `DANCED`, at .5 + r / 2, below .6 somebody says that the
    one was 20 r frames ago. A push has 1 to 60 frames; in each the beat's activation is r⁸, at a beat
    (1 + r) / 2, the downbeat's the same.

    Returns
    -------
    list
        Of each push, 3 digits: probabilities of the beat and of its number, and clarity; where a beat is
        shown its delay, where a number is shown that, the beats of the bar and the period.
    """
    random = Random(seed)
    period, metre = 14 + random.below(60), 2 + random.below(3)
    bars, frame = BarFilter(), 0
    found = []
    for _ in range(3):
        luck = random()
        if luck < 0.1:
            bars.restart()
        elif luck < 0.5:
            key, share = DANCED[random.below(len(DANCED))], 0.5 + random() / 2
            bars.believe({key: share, "other": 1 - share})
        elif luck < 0.6:
            bars.tell_the_one(-20 * random())
        heard = []
        for _ in range(1 + random.below(60)):
            beat, bar = frame % period == 0, frame % (period * metre) == 0
            heard.append([(1 + random()) / 2 if one else random() ** 8 for one in (beat, bar)])
            frame += 1
        bars.push(np.array(heard, np.float32))
        seen = bars.forecast(0.4 * random())
        shown = [seen.beat, seen.count, bars.clarity]
        shown += [seen.delay] if seen.beat >= BEAT_AT else []
        shown += [seen.position, seen.beats_per_bar, seen.period] if seen.count >= COUNT_AT else []
        found.append(_rounded(shown, 3))
    return found


KINDS: dict[str, dict[str, Callable[[int], Any]]] = {
    "evidence": {"sequences": evidence},
    "answer": {"numbers": numbers, "naming": naming, "grading": grading},
    "live": {"sequences": live},
    "tempo": {"sequences": tempo},
    "beats": {"sequences": beats},
}


def vectors(name: str) -> dict[str, Any]:
    """The content of one file."""
    content: dict[str, Any] = {"settings": ALL_SETTINGS} if name in ("evidence", "answer") else {}
    return content | {kind: [make(seed) for seed in range(N)] for kind, make in KINDS[name].items()}


def main() -> None:
    """Write the files."""
    for name in KINDS:
        lines = []
        for kind, values in vectors(name).items():
            rows = ",\n".join(json.dumps(value, separators=(",", ":")) for value in values)
            lines.append(f'"{kind}": [\n{rows}\n]')
        (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
