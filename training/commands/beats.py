"""`beats-train` and `beats-evaluate`: the network for beats and downbeats, and how well beats are told."""

import argparse
import itertools
from pathlib import Path
from typing import Any

from runtime.command.exits import whole
from runtime.mel import FRAME_RATE
from training.commands.given import given
from training.settings import Data

MEASURES = ("F", "CMLt", "AMLt")


def add_parser(commands: Any) -> None:
    """Arguments of both."""
    train = commands.add_parser(
        "beats-train",
        help="train the network for beats and downbeats",
        description="Learns from recordings beside which .beats files lie, as `corpus` writes them: of the "
        "manifests' split train, watched on their split validation.",
    )
    train.add_argument("manifest", type=Path, nargs="+")
    train.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.pt")
    train.add_argument(
        "--kind", choices=("tcn", "gru"), default="tcn",
        help="dilated convolutions or a recurrent network (default: %(default)s)",
    )  # fmt: skip
    train.add_argument("--steps", type=int, default=2000, help="batches (default: %(default)s)")
    train.add_argument("--batch-size", type=int, default=16, help="excerpts of 18 s (default: %(default)s)")
    train.add_argument("--learning-rate", type=float, default=3e-3, help="(default: %(default)s)")
    train.add_argument(
        "--hall", type=float, default=0.5, help="share of excerpts heard in a hall (default: %(default)s)"
    )
    train.add_argument(
        "--without-harmony", action="store_true", help="for comparison: do not hear where chords change"
    )
    train.add_argument("--untold", action="store_true", help="do not tell the network which dance it may be")
    train.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="start from those of a checkpoint, or of an exported .onnx",
    )
    train.add_argument("--resume", action="store_true", help="go on where this command was stopped")
    train.add_argument(
        "--compile",
        action="store_true",
        help="compile the steps (torch.compile): faster, after a minute of compiling; wants a C++ compiler",
    )
    train.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    train.add_argument(
        "--store", type=Path, help="folder of computed spectrograms (default: `features` beside the manifest)"
    )
    train.set_defaults(func=_train)
    measure = commands.add_parser(
        "beats-evaluate",
        help="how well beats and downbeats are told, by mir_eval",
        description="Beats of recordings beside which .beats files lie, or of an .npz of annotations "
        "(beat_times, beat_positions), told from files and live, beside other ways to tell them.",
    )
    measure.add_argument("sets", nargs="+", metavar="MANIFEST|NPZ", help="MANIFEST.csv[@SPLIT] or BEATS.npz")
    measure.add_argument("--network", type=Path, metavar="FILE.onnx", help="(default: the shipped one)")
    measure.add_argument("--model", help="a model of dances, as whichdance --model (default: as whichdance)")
    measure.add_argument("--told", action="store_true", help="with the true dance only: no model is asked")
    measure.add_argument(
        "--spectrograms", type=Path, metavar="NPZ",
        help="mel_db of the annotated excerpts (default: melspectrograms_… beside beats_…)",
    )  # fmt: skip
    measure.add_argument(
        "--hall", type=float, metavar="DB",
        help="also in halls, DB above the people: the first 16 s, which are measured without a hall too",
    )  # fmt: skip
    measure.add_argument("--limit", type=whole(1), metavar="N", help="at most so many recordings of each set")
    measure.add_argument("-o", "--output", type=Path, metavar="FILE.json")
    measure.add_argument(
        "--store", type=Path, help="folder of computed spectrograms (default: `features` beside the manifest)"
    )
    measure.set_defaults(func=_evaluate)


def _train(args: argparse.Namespace) -> int:
    import torch

    from training.beats.examples import Excerpts, annotated
    from training.beats.exported import recovered
    from training.beats.learn import BeatSettings, load, train
    from training.data.manifest import check_splits, of_split, read_manifest
    from training.learning.hall import Hall
    from training.networks.exported import is_exported

    settings = BeatSettings(
        kind=args.kind,
        steps=args.steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        hall=args.hall,
        told=not args.untold,
        seed=args.seed,
        harmony=not args.without_harmony,
    )
    torch.set_num_threads(1)
    learning, watched = [], []
    for manifest in args.manifest:
        recordings = read_manifest(manifest)
        check_splits(manifest, recordings, "train", "validation")
        store = given(Data, vars(args)).store_of(manifest)
        learning += annotated(of_split(recordings, "train"), store)
        watched += annotated(of_split(recordings, "validation"), store)
    start = None
    if is_exported(args.weights):
        hall = Hall(settings.hall)
        heard = Excerpts(
            learning, batch_size=settings.batch_size, seed=settings.seed, hall=hall, told=settings.told
        )
        start = recovered(args.weights, (heard(i)[:2] for i in itertools.count()))
    elif args.weights:
        start = load(args.weights)[0]
    print(f"{len(learning)} recordings to learn from, {len(watched)} to watch")
    train(learning, watched, settings, args.output, start=start, resume=args.resume, compiled=args.compile)
    print(f"{args.output}: written")
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    import json

    import torch
    from rich.console import Console
    from rich.table import Table

    from runtime import Classifier
    from runtime.atomic import replacing
    from runtime.beat_activations import BeatModel
    from training.beats import evaluate
    from training.commands.features import progress
    from training.data.manifest import manifest_path

    torch.set_num_threads(1)
    model = BeatModel.load(args.network)
    classifier = None if args.told else Classifier(args.model, threads=1)
    rows = []
    for text in args.sets:
        if text.endswith(".npz"):
            path = Path(text)
            spectrograms = args.spectrograms or path.with_name(
                path.name.replace("beats_", "melspectrograms_")
            )
            excerpts = evaluate.real_excerpts(path, spectrograms)
        else:
            store = given(Data, vars(args)).store_of(manifest_path(text))
            excerpts = [one for one in evaluate.generated_excerpts(text, store) if one.beats.times]
        name = Path(text).stem if text.endswith(".npz") else Path(text).parent.name
        excerpts = evaluate.thinned(excerpts, args.limit)
        # generated annotations are right
        shifts = [evaluate.misplaced(one) for one in excerpts] if text.endswith(".npz") else []
        doubtful = [i for i, shift in enumerate(shifts) if shift]
        if doubtful:
            of = ", ".join(f"{i} ({excerpts[i].dance}, {1e3 * shifts[i]:+.0f} ms)" for i in doubtful)
            print(f"{text}: less begins at annotated beats than elsewhere in {of}; rows without them follow")
        sets = [(name, excerpts)]
        if args.hall is not None:
            heard = [evaluate.cropped(one, evaluate.HALL_FRAMES) for one in excerpts]
            if any(len(one.frames) < len(whole.frames) for one, whole in zip(heard, excerpts, strict=True)):
                seconds = evaluate.HALL_FRAMES / FRAME_RATE  # live, what goes on for longer is easier
                sets.append((f"{name}, the first {seconds:.0f} s", heard))
            sets.append((f"{name}, hall {args.hall:g} dB", evaluate.in_hall(excerpts, args.hall)))
        for title, some in sets:
            with progress(title) as bar:
                rows += evaluate.rows(title, some, model, classifier, doubtful=doubtful, progress=bar)
    table = Table(title="beats and downbeats, mir_eval", title_justify="left")
    for column in (
        "set",
        "n",
        "told by",
        "",
        *(f"{w} {m}" for w in ("beat", "down") for m in MEASURES),
        "tempo",
    ):
        table.add_column(column)
    for row in rows:
        scores = [f"{value:.2f}" for value in vars(row.score).values()]
        table.add_row(row.set, str(row.n), row.way, row.mode, *scores, f"{row.tempo:.2f}")
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    if args.output:
        content = [vars(row) | {"score": vars(row.score)} for row in rows]
        with replacing(args.output) as temporary:
            temporary.write_text(json.dumps({"beats": content}, indent=1) + "\n", "utf-8")
    return 0
