"""`plot`: the thesis's figures of a training run, of an evaluation, and of one recording."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.command.exits import fraction, moment, whole
from training.commands.features import progress

if TYPE_CHECKING:
    from runtime.mel import Float32
    from runtime.model import Model


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
    scores.add_argument(
        "model", help="an exported model (.onnx), a shipped model's name, or a checkpoint (.pt)"
    )
    scores.add_argument("recording", type=Path)
    scores.add_argument("-o", "--output", type=Path, required=True, help=".png, .svg or .pdf")
    scores.add_argument("--stride", type=whole(1), default=20, help="frames between segments (default: 20)")
    _add_excerpt(scores)
    scores.set_defaults(func=_scores)

    beats = kinds.add_parser("beats", help="a recording's activations of beats, and the bars they make")
    beats.add_argument("recording", type=Path)
    beats.add_argument("-o", "--output", type=Path, required=True, help=".png, .svg or .pdf")
    beats.add_argument("--dance", help="which it is (default: asked of the shipped model)")
    beats.add_argument("--network", type=Path, metavar="FILE.onnx", help="(default: the shipped one)")
    _add_excerpt(beats)
    beats.set_defaults(func=_beats)

    spectrogram = kinds.add_parser(
        "spectrogram", help="a recording's spectrogram above its mel spectrogram (thesis figure 3.1)"
    )
    noise = kinds.add_parser(
        "noise", help="a recording, a crowd, and both mixed, with mel spectrograms (thesis figure 4.8)"
    )
    for kind in (spectrogram, noise):
        kind.add_argument("recording", type=Path)
        kind.add_argument("-o", "--output", type=Path, required=True, help=".png, .svg or .pdf")
        _add_excerpt(kind)
    noise.add_argument("--crowd", type=Path, required=True, metavar="FILE", help="recording of a crowd")
    noise.add_argument("--alpha", type=fraction, default=0.5, help="share of the noise (default: 0.5)")
    spectrogram.set_defaults(func=_spectrogram)
    noise.set_defaults(func=_noise)


def _add_excerpt(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--from", type=moment, dest="start", default=0.0, metavar="TIME", help="as 1:30 or 90 (s)"
    )
    command.add_argument(
        "--to", type=moment, dest="end", metavar="TIME", help="end of the excerpt (default: all)"
    )


def _curves(args: argparse.Namespace) -> int:
    from runtime.command.plot import check_plot_path
    from training.evaluation import plots
    from training.networks.weights import read_checkpoint

    check_plot_path(args.output)
    history = read_checkpoint(args.checkpoint)["training"]["history"]
    plots.save(plots.training_curves(history), args.output)
    return 0


def _risk(args: argparse.Namespace) -> int:
    import json

    from runtime.command.plot import check_plot_path
    from runtime.errors import WhichdanceError
    from training.evaluation import plots

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
    import numpy as np

    from runtime import Classifier, mel
    from runtime.audio import between, open_audio
    from runtime.command.plot import check_plot_path
    from training.evaluation import plots

    check_plot_path(args.output)
    model = checkpoint_model(args.model) if args.model.endswith(".pt") else args.model
    classifier = Classifier(model, stride=args.stride, excerpt=(args.start, args.end))
    with progress("listening"):
        prediction = classifier.classify(args.recording)
    with open_audio(args.recording) as reader:
        heard = list(between(reader.blocks(), reader.sample_rate, *classifier.excerpt))
    frames = mel.melspectrogram(np.concatenate(heard), sample_rate=reader.sample_rate)
    plots.save(plots.spectrogram_and_scores(frames, prediction, title=args.recording.stem), args.output)
    return 0


def checkpoint_model(path: str) -> "Model":
    """A checkpoint's network as a model of the runtime, to listen with."""
    from runtime.dances import OTHER
    from runtime.model import Model, ModelInfo
    from runtime.segments import SEGMENT_FRAMES
    from training.evaluation.evaluate import load_labelled_runner

    run, threshold, labels = load_labelled_runner(path)
    known = [i for i, label in enumerate(labels) if label != OTHER]
    info = ModelInfo(
        name=Path(path).stem,
        version="",
        labels=tuple(labels[i] for i in known),
        segment_frames=SEGMENT_FRAMES,
        normalisation="",
        training_data="",
        licence="",
        created_by="",
        reject_threshold=threshold,
    )

    class Network:
        """The engine: scores of the dances alone."""

        def run(self, batch: "Float32") -> "Float32":
            return run(batch.copy())[:, known]  # PyTorch takes no views that cannot be written to

    return Model(info, Network())


def _beats(args: argparse.Namespace) -> int:
    from runtime import Classifier, mel
    from runtime.beat_activations import BeatModel, activations
    from runtime.beats import beats_of
    from runtime.command.plot import check_plot_path
    from runtime.dances import DANCES
    from runtime.errors import ParameterError
    from training.beats.pictures import bars
    from training.evaluation import plots

    check_plot_path(args.output)
    if args.dance is not None and args.dance not in DANCES:
        raise ParameterError(f"--dance: no dance {args.dance!r}; known are {', '.join(DANCES)}")
    samples, sample_rate = _excerpt(args.recording, args.start, args.end)
    frames = mel.melspectrogram(samples, sample_rate=sample_rate)
    evidence = {args.dance: 1.0} if args.dance else Classifier().classify_spectrogram(frames).scores
    heard = activations(BeatModel.load(args.network), frames, evidence)
    figure = bars(frames, heard, beats_of(heard, evidence), title=args.recording.stem)
    plots.save(figure, args.output)
    return 0


def _spectrogram(args: argparse.Namespace) -> int:
    from runtime.command.plot import check_plot_path
    from training.evaluation import plots

    check_plot_path(args.output)
    plots.save(plots.spectrograms(*_excerpt(args.recording, args.start, args.end)), args.output)
    return 0


def _noise(args: argparse.Namespace) -> int:
    from runtime.command.plot import check_plot_path
    from training.evaluation import degrade, plots

    check_plot_path(args.output)
    samples, sample_rate = _excerpt(args.recording, args.start, args.end)
    crowd = degrade.read_noise(args.crowd)(sample_rate)
    plots.save(plots.mixing(samples, crowd, args.alpha, sample_rate), args.output)
    return 0


def _excerpt(path: Path, start: float, end: float | None) -> "tuple[Float32, int]":
    from training.data.manifest import Recording, read_samples

    return read_samples(Recording(path, "", start=start, end=math.inf if end is None else end))
