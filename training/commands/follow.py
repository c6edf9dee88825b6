"""`follow`: how well the answer follows music that plays, alone and from dance to dance."""

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands.features import add_store, collect
from training.commands.given import given
from training.settings import Data, Machine

if TYPE_CHECKING:
    from rich.table import Table

    from runtime.model import Model
    from training.following.follow import Following, Stream


ONLY = ", nothing else"  # of a group where nothing else is played: other music is not asked about
GROUP_MOMENTS = (20.0, 60.0)  # s


def add_parser(commands: Any) -> None:
    """Arguments of `follow`."""
    command = commands.add_parser(
        "follow",
        help="how soon and how rightly a dance is named while music plays, and let go when it changes",
        description="Plays recordings to the runtime as a microphone would, alone and in pairs of two "
        "dances; the thesis's mean and the evidence model side by side. The last column counts what is on "
        "the screen: one dance, one of two, or the closest one beside 'none of these'.",
    )
    command.add_argument("dataset", help="MANIFEST.csv[@SPLIT], or ARRAYS.npz of mel_db and labels")
    command.add_argument("--model", help="a shipped model's name or an .onnx file (default: as whichdance)")
    command.add_argument("--stride", type=int, default=43, help="frames between segments (default: 43, 1 s)")
    command.add_argument("--pairs", type=int, default=200, help="pairs of two dances (default: 200)")
    command.add_argument("--seed", type=int, default=0, help="of the pairs (default: 0)")
    command.add_argument(
        "--dances",
        nargs="+",
        metavar="GROUP|A,B,C",
        help="instead: what is danced somewhere (standard, latin, ten, social, or dances), each in a line of "
        "a table: its recordings where anything is played, and where nothing else is",
    )
    command.add_argument(
        "--evidence",
        type=Path,
        metavar="JSON",
        help="parameters of the evidence model instead of the model's, as `calibrate FILE.onnx` writes them",
    )
    command.add_argument("-o", "--output", type=Path, metavar="JSON", help="all figures as JSON")
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from runtime.atomic import replacing
    from runtime.model import Model
    from runtime.segments import check_stride
    from runtime.session import Judging
    from training.following.follow import follow

    model = Model.load(args.model)
    if args.evidence is not None:
        model = _with_evidence(model, args.evidence)
    stride = check_stride(args.stride)
    groups = args.dances or ()
    if groups:
        ways = {
            f"{g}{ONLY * o}": Judging(model, stride, dances=g, nothing_else=o)
            for g in groups
            for o in (False, True)
        }
    else:
        ways = {
            "mean (thesis 3.4)": Judging(model, stride, aggregation="mean"),
            "evidence": Judging(model, stride),
        }
    asked = {name: way.labels for name, way in ways.items()}  # before the work begins: it finds unknown names
    streams = _streams(args.dataset, given(Data, vars(args)), given(Machine, vars(args)))
    with Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task("listening", total=None)
        found = follow(
            ways,
            streams,
            dances=asked if groups else None,
            n_pairs=0 if groups else args.pairs,
            seed=args.seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(_groups(found) if groups else _table(found))
    if args.output:
        content = {"model": f"{model.info.name} {model.info.version}", "dataset": args.dataset}
        content |= {name: following.to_dict() for name, following in found.items()}
        with replacing(args.output) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n")
        console.print(f"written: {args.output}")
    return 0


def _groups(found: "dict[str, Following]") -> "Table":
    from rich.table import Table

    heads = ("danced", "recordings", *(f"{s:.0f} s: right / wrong / not sure" for s in GROUP_MOMENTS))
    table = Table(*heads, "other music named", "calibration error", header_style="bold")
    for name, following in found.items():
        shares = [s for s in following.alone if s.seconds in GROUP_MOMENTS]
        others = f"{following.others_named} of {following.others}"
        table.add_row(
            name,
            str(shares[0].right + shares[0].wrong + shares[0].not_sure),
            *(f"{s.right} / {s.wrong} / {s.not_sure}" for s in shares),
            "–" if name.endswith(ONLY) else others,
            "–" if math.isnan(following.calibration_error) else f"{following.calibration_error:.3f}",
        )
    return table


def _with_evidence(model: "Model", path: Path) -> "Model":
    from dataclasses import replace

    from training.following.fitted import FittedEvidence

    found = FittedEvidence.read(path)
    # Temperatures of groups, and that of all dances is one, go with the model's own parameters.
    return replace(
        model,
        info=replace(model.info, evidence=found.settings, group_temperatures=dict(found.group_temperatures)),
    )


def _streams(given_set: str, data: Data, machine: Machine) -> "list[Stream]":
    import numpy as np

    from runtime.mel import Float32
    from training.data.codec import ARRAYS, STORED
    from training.data.manifest import manifest_path, read_selection
    from training.evaluation import evaluate
    from training.following.follow import Stream

    if given_set.endswith(".npz"):
        dataset = evaluate.array_dataset(Path(given_set).stem, given_set)

        def excerpts(codes: Any) -> Float32:  # one after the other
            return np.concatenate([excerpt.T for excerpt in ARRAYS.decode(codes)])

        return [
            Stream(label, lambda codes=codes: excerpts(codes))  # type: ignore[misc]
            for label, codes in zip(dataset.labels, dataset.recordings, strict=True)
        ]
    store = data.store_of(manifest_path(given_set))
    stored = collect(read_selection(given_set), store, machine).stored
    return [Stream(s.recording.dance, lambda s=s: STORED.decode(s.codes())) for s in stored]  # type: ignore[misc]


def _table(found: "dict[str, Following]") -> "Table":
    import numpy as np
    from rich.table import Table

    *_, last = found.values()
    table = Table("", *found, "on its screen", header_style="bold")
    first = next(iter(found.values()))
    for i, shares in enumerate(first.alone):
        screen = last.screen[i]
        table.add_row(
            f"after {shares.seconds:g} s: right / wrong / not sure",
            *(f"{f.alone[i].right} / {f.alone[i].wrong} / {f.alone[i].not_sure}" for f in found.values()),
            f"{screen.right} / {screen.wrong} / {screen.nothing}; two: {screen.two_right} of {screen.two}, "
            f"beside none: {screen.closest}",
        )
    table.add_row("wrong first names", *(str(f.wrong_first) for f in found.values()))
    table.add_row("names that flip more than twice", *(str(f.restless) for f in found.values()))
    table.add_row(
        "calibration error of the named dance",
        *("–" if math.isnan(f.calibration_error) else f"{f.calibration_error:.3f}" for f in found.values()),
    )
    if first.others:
        table.add_row(
            "other music given one of the ten at 20 s",
            *(
                f"{f.others_named} of {f.others}, {100 * f.others_named / f.others:.0f} %"
                for f in found.values()
            ),
        )
    if first.known:
        table.add_row(
            "other dances that the model knows: named so at the end",
            *(f"{f.known_named} of {f.known}" for f in found.values()),
        )
    if first.delays:
        n = len(first.delays)

        def quantiles(values: list[float]) -> str:
            ordered = np.sort(values)
            middle, late = ordered[math.ceil(0.5 * n) - 1], ordered[math.ceil(0.9 * n) - 1]
            return " / ".join("never" if math.isinf(v) else f"{v:.1f} s" for v in (middle, late))

        table.add_row(
            f"{n} pairs: new dance named after (median / 90 %)",
            *(quantiles(f.delays) for f in found.values()),
        )
        table.add_row("never", *(str(sum(map(math.isinf, f.delays))) for f in found.values()))
        table.add_row("old name gone after (median / 90 %)", *(quantiles(f.kept) for f in found.values()))
    return table
