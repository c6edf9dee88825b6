"""Heads that Python and JavaScript must fit alike.

    python -m tests.shared.teaching

computes them by `runtime` and writes `head.json` beside this file; `tests/runtime/test_shared_heads.py`
replays them, and so may the page. All that goes in stands in the file, as numbers that single precision
holds exactly; `constants` are those of `runtime.teach`, `keeping` and `recalibrate`. Each case is:

given
    rehearsal : size, labels, classes, head (n_labels, size + 1), means (n_classes, size), directions (rank,
    size), spread (size,), as a model's metadata hold them; evidence : the model's settings; lessons : dance,
    group, and features (n_segments, size) of each; tried : features of which scores are told.
steps
    draws : the first draw of the first class; folds : of each lesson; prior : in the plain units, of all
    labels; scores : by strength, what the head fitted to all lessons says of `tried`, without a temperature.
outcome
    labels; strength, better : what is chosen; before, after : what each lesson is taken for; temperature;
    evidence; scores : of `tried`, by the head that is kept, before its file rounds it to half precision.

Heads agree where the scores that they give agree, to `tolerance.scores`: the optimum is one, but
optimisers stop a little before it. Other numbers agree to `tolerance.numbers`, names and counts exactly.

`bytes` holds power and the codes of it, one byte a value (`runtime.corrections.encoded`); `merging` holds
heads with the numbers of recordings that they were taught with, and their mean (`runtime.taught.merged`);
`losses` which answers were right before and after, and whether they became worse (`runtime.keeping.worse`).
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from runtime import keeping, recalibrate, teach
from runtime.codec import STORED
from runtime.corrections import encoded
from runtime.evidence import EvidenceSettings
from runtime.rehearsal import Rehearsal
from runtime.taught import Taught, merged
from runtime.teach import Fitter, Lesson, taught_by
from tests.shared.vectors import Random

FILE = Path(__file__).with_name("head.json")
SIZE, RANK = 12, 3
LABELS = ("rumba", "tango", "jive", "other")
CASES = {  # labels of lessons, and how far apart the dances are in this music
    "nothing to gain": (("rumba", "tango", "jive") * 4, 0.0),
    "a dance sounds different": (("rumba", "tango", "jive", "tango") * 5, 3.0),
    "a new dance": (("rumba", "lindy_hop", "tango", "lindy_hop") * 4, 3.0),
    "none of these": (("other", "rumba", "other") * 4, 2.5),
    "too few": (("tango", "tango"), 3.0),
    "labels that moved round": (("rumba", "jive", "tango", "other", "jive", "rumba") * 2, -1.0),
    "dances of one song": (("jive", "jive", "tango", "tango", *("rumba", "other") * 4), 4.0),
}
STRENGTHS = (100.0, 10.0, 1.0)
TOLERANCE = {"scores": 1e-4, "numbers": 1e-6}


class Normal:
    """Standard normal numbers from the shared generator."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def __call__(self, *shape: int) -> np.ndarray:
        n = int(np.prod(shape))
        sums = [sum(self._random() for _ in range(12)) - 6 for _ in range(n)]
        return np.round(np.array(sums).reshape(shape), 3)


def rehearsal_of(normal: Normal) -> Rehearsal:
    """Classes that lie apart, and the head that tells them apart."""
    means = np.round(1.5 * normal(len(LABELS), SIZE), 3).astype(np.float16).astype(np.float32)
    directions = np.round(0.4 * normal(RANK, SIZE), 3).astype(np.float16).astype(np.float32)
    spread = np.full(SIZE, 0.5, np.float32)
    head = np.column_stack([means, -(means**2).sum(axis=1) / 2]).astype(np.float16).astype(np.float32)
    return Rehearsal(LABELS, head, LABELS, means, directions, spread, 100)


def lessons_of(normal: Normal, rehearsal: Rehearsal, filed: tuple[str, ...], apart: float) -> list[Lesson]:
    """Recordings, two at a time of one group, whose dances lie elsewhere than rehearsed."""
    moved = {label: apart * normal(SIZE) / 2 for label in dict.fromkeys(filed)}
    found = []
    for i, label in enumerate(filed):
        source = label if apart >= 0 else filed[(7 * i + 3) % len(filed)]
        middle = rehearsal.means[LABELS.index(source) if source in LABELS else 0] + moved[label] * (apart > 0)
        features = np.round(middle + 0.3 * normal(SIZE) + 0.3 * normal(1 + i % 3, SIZE), 2)
        group = f"song {i // 2}"
        found.append(Lesson(label, features.astype(np.float32), group, f"{i}"))
    return found


def case(name: str) -> dict[str, Any]:
    """One case."""
    filed, apart = CASES[name]
    normal = Normal(1 + list(CASES).index(name))
    rehearsal = rehearsal_of(normal)
    lessons = lessons_of(normal, rehearsal, filed, apart)
    tried = np.round(1.5 * normal(6, SIZE), 2).astype(np.float32)
    settings = EvidenceSettings()
    fitter = Fitter.of(rehearsal, lessons)
    outcome = taught_by(rehearsal, settings, lessons)
    examples = fitter.examples(lessons)
    strengths = {}
    for strength in STRENGTHS:
        head = fitter.whitening.plain(fitter.fit(examples, strength))
        strengths[f"{strength:g}"] = scores(head, tried)
    return {
        "name": name,
        "given": {
            "rehearsal": {
                "size": SIZE,
                "labels": rehearsal.labels,
                "classes": rehearsal.classes,
                **{key: plain(getattr(rehearsal, key)) for key in ("head", "means", "directions", "spread")},
            },
            "evidence": asdict(settings),
            "lessons": [{"dance": x.dance, "group": x.group, "features": plain(x.features)} for x in lessons],
            "tried": plain(tried),
        },
        "steps": {
            "draws": plain(rehearsal.draws(LABELS[0], 1)[0]),
            "folds": keeping.folds_of([x.group for x in lessons], filed),
            "prior": plain(fitter.whitening.plain(fitter.prior)),
            "scores": strengths,
        },
        "outcome": {
            "labels": outcome.labels,
            "strength": outcome.strength,
            "better": outcome.better,
            "before": outcome.before,
            "after": outcome.after,
            "temperature": outcome.temperature,
            "evidence": asdict(outcome.evidence),
            "scores": scores(outcome.head, tried),
        },
    }


def scores(head: np.ndarray, features: np.ndarray) -> list[Any]:
    """What a head says of features."""
    logs = recalibrate.log_softmax(features.astype(np.float64) @ head[:, :-1].T + head[:, -1])
    return plain(np.round(np.exp(logs), 7))


def plain(array: np.ndarray) -> list[Any]:
    """As lists of numbers, no longer than they must be."""
    return [plain(row) if row.ndim else float(f"{float(row):.9g}") for row in np.asarray(array)]


def codes() -> dict[str, Any]:
    """Power of one segment of 2 bands and 30 frames, over 16 decades, and its bytes."""
    random = Random(7)
    power = np.array([10 ** (16 * random() - 12) for _ in range(60)], np.float32).reshape(1, 1, 2, 30)
    power[0, 0, 0, :2] = 0
    found = encoded(power)
    return {
        "lowest": STORED.lowest,
        "step": STORED.step,
        "power": plain(power),
        "codes": found.tolist(),
        "decoded": plain(STORED.decode(found)),
    }


def merging() -> dict[str, Any]:
    """Three heads, two of which know a dance of their own, and their mean."""
    normal = Normal(9)
    parts = []
    for n, labels in ((6, ("a", "b", "other")), (14, ("a", "b", "c", "other")), (0, ("a", "d", "b"))):
        head = np.round(normal(len(labels), 4), 2).astype(np.float32)
        parts.append(Taught("m", "1", "0" * 64, labels, head, EvidenceSettings(), {"a": n}, 10.0))
    both = merged(parts)
    return {
        "parts": [{"labels": x.labels, "recordings": x.n_recordings, "head": plain(x.head)} for x in parts],
        "labels": both.labels,
        "recordings": both.n_recordings,
        "head": plain(both.head),
    }


def losses() -> list[dict[str, Any]]:
    """Right answers before and after, and whether these are worse: of one dance, of all, and hardly."""
    found = []
    for truth, lost, won in (
        ([0, 1, 2, 3, 4], 5, 0),
        ([0, 0, 0, 0, 0, 1], 5, 0),
        ([0, 1, 2, 3], 4, 0),
        ([0, 0, 0, 0, 0, 1, 1, 2, 2, 3], 5, 4),
        ([0, 1, 0, 1, 0, 1, 0, 1, 2, 2, 2], 8, 2),
    ):
        before = [i < lost or i >= lost + won for i in range(len(truth))]
        after = [i >= lost for i in range(len(truth))]
        worse = keeping.worse(truth, np.array(before), np.array(after))
        found.append({"truth": truth, "before": before, "after": after, "worse": worse})
    return found


def constants() -> dict[str, Any]:
    """The numbers that the algorithm has besides."""
    found: dict[str, Any] = {}
    for module, names in (
        (teach, ("SEGMENTS", "DRAWS", "REHEARSED", "NEW_SHARE", "NEW_BIAS")),
        (
            keeping,
            (
                "STRENGTHS",
                "FORGETS",
                "COVERED",
                "FOLDS",
                "MIN_GROUPS",
                "BALANCE",
                "SIGNIFICANT",
                "LIKELY",
                "SURELY",
            ),
        ),
        (recalibrate, ("LEAST", "SHRINKAGE", "WEIGHTS", "BIASES", "SEQUENCES", "SONGS", "HEARD")),
    ):
        found |= {name.lower(): getattr(module, name) for name in names}
    return found | {"temperatures": plain(recalibrate.TEMPERATURES)}


def vectors() -> dict[str, Any]:
    """The content of the file."""
    return {
        "tolerance": TOLERANCE,
        "constants": constants(),
        "cases": [case(name) for name in CASES],
        "bytes": codes(),
        "merging": merging(),
        "losses": losses(),
    }


def main() -> None:
    """Write the file."""
    content = vectors()
    cases = ",\n".join(json.dumps(value, separators=(",", ":")) for value in content.pop("cases"))
    rest = json.dumps(content, indent=1)
    FILE.write_text(f'{rest[:-2]},\n "cases": [\n{cases}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
