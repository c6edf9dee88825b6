"""`calibrate`: choose temperature, reject threshold and evidence parameters of a trained network."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.dances import OTHER
from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.commands.machine import add_device, device_of
from training.settings import Data, Machine

if TYPE_CHECKING:
    from runtime.evidence import EvidenceSettings
    from training.data.store import Stored
    from training.evaluation.scoring import Run
    from training.following.evidence_fit import EvidenceFit

UNNAMED = 0.7  # see --unnamed-cost
MAX_ERROR = 0.1
PRIOR = "uniform"


def add_parser(commands: Any) -> None:
    """Arguments of `calibrate`."""
    command = commands.add_parser(
        "calibrate",
        help="choose temperature and reject threshold on recordings that the network never saw",
        description="Writes a copy of the checkpoint with a calibration that `python -m export` puts into "
        "the model. The manifest should hold other instruments and mixes than the training data, and "
        "music to none of the ten dances ('other') in the share that the threshold is to hold for. The "
        "evidence parameters are fitted on sequences of the same recordings, which should last a minute. Of "
        "an exported model they alone are fitted, to how that file hears, and its own are kept where others "
        "cost no less; -o is a JSON file then, which `python -m export FILE.onnx --evidence` puts into it.",
    )
    command.add_argument("checkpoint", type=Path, help="checkpoint, or an exported model (.onnx)")
    command.add_argument(
        "manifest",
        nargs="+",
        help="MANIFEST.csv[@SPLIT]; without @SPLIT all recordings; several are taken together",
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    add_device(command)
    add_store(command)
    command.add_argument(
        "--max-error",
        type=float,
        help="largest share of errors among accepted recordings, kept with 90 %% probability (default: 0.1)",
    )
    command.add_argument(
        "--prior",
        choices=("uniform", "collected", "ballroom"),
        help="how common the dances are, in the sequences too: all alike, as in the thesis's collections, or "
        "each of the ten twice as common as another dance (default: uniform)",
    )
    command.add_argument("--stride", type=int, default=200, help="frames between segments (default: 200)")
    command.add_argument(
        "--sequences",
        type=int,
        default=240,
        metavar="N",
        help="sequences of recordings that the evidence parameters are fitted and measured on, half and "
        "half; 0 leaves the parameters at their defaults (default: 240)",
    )
    command.add_argument(
        "--unnamed-cost",
        type=float,
        default=UNNAMED,
        metavar="X",
        help="what a second without the name of the dance that plays costs, where a wrong name costs 1: "
        f"lower is more careful (default: {UNNAMED:g})",
    )
    command.add_argument(
        "--anew",
        action="store_true",
        help="of an exported model take what was fitted, even where the file's own costs no more",
    )
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    data, machine = given(Data, vars(args)), given(Machine, vars(args))
    if args.checkpoint.suffix == ".onnx":
        from runtime.errors import ParameterError

        for option, value in (("max-error", args.max_error), ("prior", args.prior)):
            if value is not None:
                alone = "of an exported model the evidence alone is fitted"
                raise ParameterError(f"{args.checkpoint}: {alone}; leave out --{option}")
        return _refit(
            args.checkpoint, args.manifest, args.output, data, machine,
            n_sequences=args.sequences, unnamed=args.unnamed_cost, anew=args.anew,
        )  # fmt: skip
    if args.anew:
        from runtime.errors import ParameterError

        raise ParameterError(f"{args.checkpoint}: --anew is for an exported model")
    from training.data import provenance
    from training.data.manifest import manifest_path, read_selection
    from training.evaluation import calibrate
    from training.evaluation.scoring import calibrated_runner, learnt_frames, network_runner, score_recordings
    from training.networks import models

    max_error = MAX_ERROR if args.max_error is None else args.max_error
    prior_of = args.prior or PRIOR
    selected = [(name, read_selection(name)) for name in args.manifest]
    device = device_of(machine)
    network, checkpoint = models.load_checkpoint(args.checkpoint)
    shares = None if prior_of == PRIOR else calibrate.shares_of(prior_of, checkpoint["labels"])
    stored: list[Stored] = []
    for name, recordings in selected:
        collected = collect(recordings, data.store_of(manifest_path(name)), machine).stored
        calibrate.check_unseen(checkpoint, collected, name)
        stored += collected
    with progress("scores") as bar:
        context = learnt_frames(checkpoint)
        run = network_runner(network.to(device), device, context_frames=context)
        scores = score_recordings(run, stored, stride=args.stride, progress=bar)
    truth = [s.recording.dance for s in stored]
    calibration = calibrate.calibrate(
        scores, truth, max_error=max_error, labels=checkpoint["labels"], shares=shares
    )
    prior = calibrate.log_prior(shares, calibration.temperature) if shares else ()
    found = calibration.to_dict() | {"prior": prior_of, "log_prior": prior}
    if args.sequences:
        labels = [label for label in checkpoint["labels"] if label != OTHER]
        run = calibrated_runner(network, found, device, context_frames=context)
        fit, groups = _fit_evidence(run, stored, labels, args.sequences, args.unnamed_cost, shares=shares)
        temperatures = {group: [f.settings.temperature for f in pair] for group, pair in groups.items()}
        found |= {"evidence": asdict(fit.settings), "group_temperatures": temperatures}
    network.to("cpu")
    kept = {k: v for k, v in checkpoint.items() if k in ("training", "optimizer")}
    training = kept.setdefault("training", {})
    used = provenance.joined([training.get("recordings") or {}, {"calibration": provenance.hashes(stored)}])
    kept["training"] = training | {"recordings": used}
    models.save_checkpoint(
        args.output,
        network,
        checkpoint["architecture"],
        checkpoint["options"],
        calibration=found,
        **kept,
    )
    for name, value in calibration.to_dict().items():
        if isinstance(value, int | float):
            print(f"{name}: {value:.4g}")
    if calibration.unproved:
        print(f"no reject threshold, temperature and evidence all the same: {calibration.unproved}")
    if args.sequences:
        _tell(fit, groups)
    return 0


def _refit(
    path: Path,
    manifests: "Sequence[str]",
    output: Path,
    data: Data,
    machine: Machine,
    *,
    n_sequences: int,
    unnamed: float,
    anew: bool,
) -> int:
    """Fit the evidence of an exported model, and nothing else."""
    from runtime.errors import ParameterError
    from runtime.model import Model
    from training.data.manifest import manifest_path, read_selection
    from training.evaluation.evaluate import load_labelled_runner
    from training.following.fitted import FittedEvidence

    if not n_sequences:
        raise ParameterError(f"{path}: with --sequences 0 there is nothing to fit")
    if output.suffix != ".json":
        raise ParameterError(f"{output}: the evidence of an exported model is written as .json")
    info = Model.load(path).info
    run, *_ = load_labelled_runner(path)
    stored: list[Stored] = []
    for name in manifests:
        stored += collect(read_selection(name), data.store_of(manifest_path(name)), machine).stored
    own = None if anew else info.evidence
    fit, groups = _fit_evidence(run, stored, info.labels, n_sequences, unnamed, own=own)
    temperatures = {
        group: (a.settings.temperature, b.settings.temperature) for group, (a, b) in groups.items()
    }
    FittedEvidence(fit.settings, temperatures).write(output)
    if fit.settings == own:
        print(
            "the file's own evidence costs no more than what was fitted: only temperatures of groups change"
        )
    _tell(fit, groups)
    return 0


def _tell(fit: "EvidenceFit", groups: Mapping[str, "tuple[EvidenceFit, EvidenceFit]"]) -> None:
    print(f"evidence: {fit.settings.to_json()}")
    print(
        f"on {fit.sequences} other sequences, at a cost of {fit.cost:.3f} a second of music: "
        f"the dance that plays is named in {fit.right:.1%} of the time, another one in "
        f"{fit.wrong:.1%}, a dance in {fit.others_named:.1%} of other music; "
        f"calibration error of the dance that is named {fit.calibration_error:.3f}; with two dances, and "
        f"the closest beside 'none of these', it is on the screen in {fit.shown:.1%}, others in "
        f"{fit.wrongly_shown:.1%}"
    )
    for group, pair in groups.items():
        for one, also in zip(pair, ("", " and nothing else"), strict=True):
            print(
                f"{group}{also}: temperature {one.settings.temperature:.2f}, rightly named in "
                f"{one.right:.1%}, wrongly in {one.wrong:.1%}, calibration error "
                f"{one.calibration_error:.3f}"
            )


def _fit_evidence(
    run: "Run",
    stored: "Sequence[Stored]",
    labels: "Sequence[str]",
    n_sequences: int,
    unnamed: float,
    *,
    shares: "Sequence[float] | None" = None,
    own: "EvidenceSettings | None" = None,
) -> "tuple[EvidenceFit, dict[str, tuple[EvidenceFit, EvidenceFit]]]":
    """Parameters and temperatures of groups; a model's own parameters where others cost no less."""
    from training.following.evidence_fit import SideBySide, fit_evidence, measure
    from training.following.group_fit import fit_groups
    from training.following.sequences import drawn

    with progress("sequences") as bar:
        sequences = drawn(run, stored, labels, n_sequences, shares=shares, progress=bar)
    with progress("evidence parameters") as bar:
        fit = fit_evidence(sequences, unnamed=unnamed, progress=bar)
    if own is not None:
        before = measure(own, SideBySide.of(sequences[1::2]), unnamed)  # neither was fitted to those
        fit = before if before.cost <= fit.cost else fit
    return fit, fit_groups(fit.settings, sequences, labels, unnamed=unnamed)
