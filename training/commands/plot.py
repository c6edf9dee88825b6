"""`plot`: the thesis's figures of a training run, of an evaluation, and of one recording."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Arguments of `plot`."""
    command = commands.add_parser(
        "plot", help="draw training curves, risk and coverage, or a recording with its scores"
    )
    kinds = command.add_subparsers(title="figures", metavar="FIGURE", required=True)

    curves = kinds.add_parser("curves", help="loss and accuracy of a run (thesis figures 4.2 and 4.3)")
    curves.add_argument("checkpoint", type=Path, help="last.pt of the run")
    curves.add_argument("-o", "--output", type=Path, required=True, help=".png, .svg or .pdf")
    curves.set_defaults(func=_curves)

    risk = kinds.add_parser("risk", help="errors among the accepted recordings against their share")
    risk.add_argument("report", type=Path, help="report.json of `python -m training evaluate … -o FOLDER`")
    risk.add_argument("-o", "--output", type=Path, required=True, help=".png, .svg or .pdf")
    risk.set_defaults(func=_risk)

    scores = kinds.add_parser("scores", help="a spectrogram above its segments' scores (thesis figure 4.16)")
    scores.add_argument("model", help="an exported model (.onnx), or a shipped model's name")
    scores.add_argument("recording", type=Path)
    scores.add_argument("-o", "--output", type=Path, required=True, help=".png, .svg or .pdf")
    scores.add_argument("--stride", type=int, default=20, help="frames between segments (default: 20)")
    scores.set_defaults(func=_scores)


def _curves(args: argparse.Namespace) -> int:
    from runtime.command.plot import check_plot_path
    from training import plots
    from training.weights import read_checkpoint

    check_plot_path(args.output)
    history = read_checkpoint(args.checkpoint)["training"]["history"]
    plots.save(plots.training_curves(history), args.output)
    return 0


def _risk(args: argparse.Namespace) -> int:
    import json

    from runtime.command.plot import check_plot_path
    from runtime.errors import WhichdanceError
    from training import plots

    check_plot_path(args.output)
    try:
        datasets = json.loads(args.report.read_text("utf-8"))["datasets"]
        figure = plots.risk_coverage(datasets)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WhichdanceError(
            f"{args.report}: no report.json of `python -m training evaluate … -o FOLDER` ({error})"
        ) from error
    plots.save(figure, args.output)
    return 0


def _scores(args: argparse.Namespace) -> int:
    from runtime import Classifier, audio, mel
    from runtime.command.plot import check_plot_path
    from training import plots

    check_plot_path(args.output)
    samples, sample_rate = audio.read(args.recording)
    frames = mel.melspectrogram(samples, sample_rate=sample_rate)
    prediction = Classifier(args.model, stride=args.stride).classify(args.recording)
    plots.save(plots.spectrogram_and_scores(frames, prediction, title=args.recording.stem), args.output)
    return 0
