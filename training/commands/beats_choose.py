"""`beats-thresholds`, `beats-feedback`: what `runtime.beats` is set to, from generated recordings alone."""

import argparse
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import Any

from runtime.command.exits import whole
from runtime.mel import FRAME_RATE
from training.commands.given import given
from training.settings import Data

TRIED = {  # constants of `runtime.bar_pointer`, of which one at a time is changed
    "NO_BEAT": (5.0, 10.0, 40.0),
    "LOWEST": (0.003, 0.03, 0.1),
    "TEMPO_RIGIDITY": (60.0, 120.0, 400.0),
    "TEMPER": (0.3, 0.7, 1.0),
    "LEAK": (5e-6, 2e-4),
}
BANDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.97, 1.01)  # of the probability of a number
SECONDS = 12  # of each recording: as much as dancers wait for


def add_parser(commands: Any) -> None:
    """Arguments of both."""
    thresholds = commands.add_parser(
        "beats-thresholds",
        help="the line between music with a beat and what has none, from generated recordings",
        description="How clear beats are in music, in halls, and in what has none: speech, applause, crowds, "
        "streets, noise, hum, music out of time; the line between them; what constants do to F-measures.",
    )
    feedback = commands.add_parser(
        "beats-feedback",
        help="whether the bars help to decide the dance",
        description="Accuracy of the dance and of the metre with the metre's likelihood fed back into a "
        "classifier's evidence, by powers of it, and the beats that come of that.",
    )
    for command in (thresholds, feedback):
        command.add_argument("set", metavar="MANIFEST.csv[@SPLIT]", help="generated recordings")
        command.add_argument("--network", type=Path, metavar="FILE.onnx", help="(default: the shipped one)")
        command.add_argument("--hall", type=float, default=5.0, metavar="DB", help="(default: %(default)s)")
        command.add_argument("--limit", type=whole(1), metavar="N", help="about so many recordings")
        command.add_argument(
            "--store",
            type=Path,
            help="folder of computed spectrograms (default: `features` beside the manifest)",
        )
    thresholds.add_argument(
        "--negatives",
        type=whole(1),
        default=12,
        metavar="N",
        help="recordings of each kind (default: %(default)s)",
    )
    thresholds.add_argument(
        "--constants", action="store_true", help="also try other constants of the bar pointer model"
    )
    feedback.add_argument("--model", help="a model of dances, as whichdance --model (default: as whichdance)")
    thresholds.set_defaults(func=_thresholds)
    feedback.set_defaults(func=_feedback)


def _read(
    given_set: str, data: Data, limit: int | None, hall: float, dances: Collection[str] | None = None
) -> Any:
    """The recordings that have beats, of these dances if any are given, and the same in halls."""
    from training.beats import evaluate
    from training.data.manifest import manifest_path

    store = data.store_of(manifest_path(given_set))
    excerpts = [one for one in evaluate.generated_excerpts(given_set, store) if one.beats.times]
    if dances is not None:
        excerpts = [one for one in excerpts if one.dance in dances]
    n_frames = round(SECONDS * FRAME_RATE)
    excerpts = [evaluate.cropped(one, n_frames) for one in evaluate.thinned(excerpts, limit)]
    return excerpts, evaluate.in_hall(excerpts, hall)


def _thresholds(args: argparse.Namespace) -> int:
    import numpy as np
    import torch
    from rich.console import Console
    from rich.table import Table

    from runtime import beats as runtime_beats
    from runtime.beat_activations import BeatModel
    from training.beats import thresholds

    torch.set_num_threads(1)
    model = BeatModel.load(args.network)
    excerpts, in_halls = _read(args.set, given(Data, vars(args)), args.limit, args.hall)
    hall = f"music, hall {args.hall:g} dB"
    sets = {"music": excerpts, hall: in_halls}
    found = [
        thresholds.clarity(kind, True, [(one.dance, one.frames) for one in some], model)
        for kind, some in sets.items()
    ]
    negatives = thresholds.without_beat(excerpts, args.negatives)
    found += [thresholds.clarity(kind, False, some, model) for kind, some in negatives.items()]
    lines = {
        "files": (thresholds.best_threshold(found, lambda one: one.file), runtime_beats.CLEAR_AT),
        "live": (thresholds.best_threshold(found, lambda one: one.live), runtime_beats.CLEAR_LIVE),
    }
    table = Table(
        "",
        "stretches",
        "clearness 10/50/90 %",
        "told, % (set / best)",
        "live 10/50/90 %",
        "shown, % (set / best)",
    )
    for one in found:
        row = [one.kind, str(len(one.file))]
        for values, both in zip((one.file, one.live), lines.values(), strict=True):
            quantiles = " ".join(f"{q:.2f}" for q in np.quantile(values, (0.1, 0.5, 0.9)))
            row += [quantiles, " / ".join(f"{100 * np.mean(values >= at):.0f}" for at in reversed(both))]
        table.add_row(*row)
    console = Console()
    console.print(table)
    for where, (line, now) in lines.items():
        console.print(f"{where}: most is right at {line:.2f} (set to {now:g})")
    sure = Table("probability of the number", *(f"{s}: {what}" for s in sets for what in ("n", "right, %")))
    shown = [thresholds.numbers(some, model) for some in sets.values()]
    for low, high in pairwise(BANDS):
        row = [f"{low:g} to {min(high, 1):g}"]
        for found_of in shown:
            within = found_of[(found_of[:, 0] >= low) & (found_of[:, 0] < high), 1]
            row += [str(len(within)), f"{100 * within.mean():.0f}" if len(within) else ""]
        sure.add_row(*row)
    console.print(sure)
    if not args.constants:
        return 0
    effect = Table("", *(f"{s} {w} {m}" for s in sets for w in ("file", "live") for m in ("F", "down")))
    tried: list[dict[str, float]] = [{}, *({name: v} for name, values in TRIED.items() for v in values)]
    measured = [thresholds.scores(some, model, tried) for some in sets.values()]
    for change, pairs in zip(tried, zip(*measured, strict=True), strict=True):
        name = ", ".join(f"{key} {value:g}" for key, value in change.items()) or "as it is"
        scores = [one for pair in pairs for one in pair]
        effect.add_row(name, *(f"{s:.3f}" for one in scores for s in (one.f, one.downbeat_f)))
    console.print(effect)
    return 0


def _feedback(args: argparse.Namespace) -> int:
    import torch
    from rich.console import Console
    from rich.table import Table

    from runtime import Classifier
    from runtime.beat_activations import BeatModel
    from training.beats import feedback
    from training.commands.features import progress

    torch.set_num_threads(1)
    model, classifier = BeatModel.load(args.network), Classifier(args.model, threads=1)
    labels = classifier.model.info.labels
    sets = _read(args.set, given(Data, vars(args)), args.limit, args.hall, labels)
    table = Table("", "n", "power", "dances right", "metres right", "log loss", "beat F", "downbeat F")
    for name, some in zip(("music", f"hall {args.hall:g} dB"), sets, strict=True):
        with progress(name) as bar:
            for row in feedback.rows(some, model, classifier, progress=bar):
                numbers = [f"{value:.3f}" for value in list(vars(row).values())[1:]]
                table.add_row(name, str(len(some)), f"{row.power:g}", *numbers)
    Console().print(table)
    return 0
