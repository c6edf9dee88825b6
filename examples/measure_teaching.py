"""What `whichdance teach` gains: taught by one half of a collection, judged on the other, and in turn.

    python examples/measure_teaching.py ARRAYS.npz|FOLDER|TABLE.csv … --model MODEL --seed SEED

prints a row per number of recordings that it was taught with: of the other half's recordings of the ten
dances those that are right, of the others those that are taken for one of the ten, and own names; and in how
many halves all of it, or a dance, is significantly worse than by the shipped model. Several sources are one
collection: what has the same id in several files of arrays is one song, clean and in a hall.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from runtime.dances import DANCE_KEYS
from runtime.keeping import answer, worse
from runtime.lessons import filed_in, hear, learn_from
from runtime.mel import Float32
from runtime.model import Model
from runtime.recalibrate import LEAST
from runtime.teach import Fitter, Lesson, teach
from training.markdown import table

NUMBERS = (10, 20, 40, None)  # recordings to teach with; None: all of the half


def lessons_of(model: Model, source: Path) -> list[Lesson]:
    """The recordings of a source; those of arrays are grouped by the ids that several files share."""
    filed = filed_in(source, model.rehearsal.labels)
    lessons = learn_from(filed, (hear(model, item) for item in filed), say=print)
    if source.suffix != ".npz":
        return lessons
    with np.load(source) as arrays:
        if "ids" not in arrays:
            return lessons
        ids = arrays["ids"]
    return [replace(x, group=str(ids[int(x.group)])) for x in lessons]


def halves(lessons: Sequence[Lesson], seed: int = 0) -> tuple[list[Lesson], list[Lesson]]:
    """Whole groups, the recordings of each dance spread over both."""
    rng = np.random.default_rng(seed)
    groups = sorted({x.group: x.dance for x in lessons}.items(), key=lambda item: (item[1], rng.random()))
    first = {group for group, _ in groups[::2]}
    return [x for x in lessons if x.group in first], [x for x in lessons if x.group not in first]


def answers(scores: Sequence[Float32], labels: Sequence[str]) -> list[str]:
    """What each recording is taken for, from the scores of its segments."""
    return [labels[answer(np.log(np.maximum(own, LEAST)))] for own in scores]


def judged(given: Sequence[str], lessons: Sequence[Lesson]) -> list[int]:
    """Right of the ten, all of the ten, others taken for one of the ten, own names, all others."""
    counts = [0] * 5
    for taken, lesson in zip(given, lessons, strict=True):
        if lesson.dance in DANCE_KEYS:
            counts[0] += taken == lesson.dance
            counts[1] += 1
        else:
            counts[2] += taken in DANCE_KEYS
            counts[3] += taken == lesson.dance
            counts[4] += 1
    return counts


def answered(
    model: Model, own: Sequence[Lesson], other: Sequence[Lesson], strength: float | None
) -> tuple[bool, list[str]]:
    """Whether what `own` teaches is kept, and what each of the `other` is taken for by it."""
    if strength is None:
        teaching = teach(model, own)
        taught = teaching.taught
        return teaching.better, answers([taught.scores(x.features) for x in other], taught.labels)
    fitter = Fitter.of(model.rehearsal, own)
    head = fitter.fit(fitter.examples(own), strength)
    scores = [np.exp(fitter.log_scores(head, x)).astype(np.float32) for x in other]
    return True, answers(scores, fitter.labels)


def is_worse(before: Sequence[str], after: Sequence[str], lessons: Sequence[Lesson]) -> bool:
    """Whether all lessons, or those of a dance, lost significantly more right answers than they won."""
    labels = sorted({x.dance for x in lessons})
    truth = [labels.index(x.dance) for x in lessons]
    right = [
        np.array([a == x.dance for a, x in zip(given, lessons, strict=True)]) for given in (before, after)
    ]
    return worse(truth, *right)


def added(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Element by element."""
    return [x + y for x, y in zip(a, b, strict=True)]


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="SOURCE")
    parser.add_argument("--model")
    parser.add_argument("--seed", type=int, default=0, help="of the division into halves (default: 0)")
    parser.add_argument(
        "--strength",
        type=float,
        help="of the prior, kept in any case (default: as `teach` chooses and keeps)",
    )
    args = parser.parse_args(argv)
    model = Model.load(args.model)
    shipped = model.rehearsal
    parts = halves([x for source in args.sources for x in lessons_of(model, source)], args.seed)
    totals = {"shipped": [0] * 5} | {f"{n or 'all'}": [0] * 5 for n in NUMBERS}
    kept, lost = dict.fromkeys(totals, 0), dict.fromkeys(totals, 0)
    for own, other in (parts, parts[::-1]):
        before = answers([shipped.scores(x.features) for x in other], shipped.labels)
        totals["shipped"] = added(totals["shipped"], judged(before, other))
        for n in NUMBERS:
            order = np.random.default_rng(n).permutation(len(own))[:n]
            better, after = answered(model, [own[i] for i in order], other, args.strength)
            name = f"{n or 'all'}"
            totals[name] = added(totals[name], judged(after if better else before, other))
            kept[name] += better
            lost[name] += better and is_worse(before, after, other)
    rows = [
        (
            name,
            str(kept[name]),
            f"{t[0]} of {t[1]}",
            f"{t[2]} of {t[4]}",
            f"{t[3]} of {t[4]}",
            str(lost[name]),
        )
        for name, t in totals.items()
    ]
    titles = ("taught with", "kept, of 2", "the ten right", "others for the ten", "own names", "worse, of 2")
    print(table(titles, rows))


if __name__ == "__main__":
    main()
