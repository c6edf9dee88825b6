"""From a checkpoint to a folder of verified model files with their papers: all of it, or nothing."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from export import card, from_samples, graph, ort_format, quantise, registry, rehearsal, segments, verify
from export.deployed import Deployable
from export.features import with_features
from export.kept import Kept, kept_in
from export.progress import Watch, unwatched
from export.report import ExportReport, ModelFile, Quantisation
from export.segments import Segments
from export.shortcuts import with_shortcuts
from runtime.atomic import locked
from runtime.errors import ModelError, ParameterError
from runtime.model import Model
from runtime.rehearsal import FIELD

WORKSHOP = ".export-"  # how the folder of an unfinished export begins
N_MADE_UP = 64  # segments that show parity where no recordings are given
N_CALIBRATION = 600  # segments
N_VERIFICATION = 1300  # segments: a thousand labelled ones, and music for none of the ten besides
N_EXCERPTS = 32  # segments of samples
MIN_LABELLED = 1000  # segments; fewer could not tell a lost half point from chance


@dataclass(frozen=True)
class Plan:
    """What to make beside the float file, and with which recordings.

    Attributes
    ----------
    precisions : sequence of str
        Out of 'float16' and 'int8'.
    calibration : sequence of str
        Recordings that calibrate int8, as `segments.read` takes them; the validation split of manifests.
    verification : sequence of str
        Recordings that verify; the test split of manifests. Made-up segments if empty.
    evaluations : sequence of Path
        report.json files of `python -m training evaluate` for the model card.
    ort : bool
        Also write every file in onnxruntime's own format, with its list of operators.
    rehearsal : sequence of str
        Manifests for the statistics of features that the float file carries, so that it can be taught; none
        of them if empty.
    waveform : int or None
        Also write a file from samples at this rate in Hz to scores.
    default : bool
        List the model first: the one that `runtime` takes unasked.
    int8_weights : bool
        Of int8 store the weights alone so, and compute in single precision.
    """

    precisions: Sequence[str] = ()
    calibration: Sequence[str] = ()
    verification: Sequence[str] = ()
    evaluations: Sequence[Path] = ()
    ort: bool = False
    waveform: int | None = None
    rehearsal: Sequence[str] = ()
    default: bool = False
    int8_weights: bool = False

    def __post_init__(self) -> None:
        if self.waveform:
            from_samples.check_rate(self.waveform)
        if self.int8_layers and not (self.calibration and self.verification):
            raise ParameterError(
                "int8 needs recordings that the network was not trained on, to calibrate and others to "
                "verify; make them by `python -m training corpus` with two new seeds and give the "
                "manifests as --calibrate and --verify; or take --int8 weights, which needs none"
            )

    @property
    def int8_layers(self) -> bool:
        """Whether layers are to compute in int8, which recordings decide."""
        return "int8" in self.precisions and not self.int8_weights


def publish(
    deployable: Deployable,
    folder: Path,
    plan: Plan,
    *,
    command: str,
    progress: Watch = unwatched,
) -> ExportReport:
    """Make, verify and write the model files, the card, the report and the entry in models.toml.

    Everything is made in a temporary folder beside the targets and moved when all of it is there. Where it is
    interrupted, the same export goes on from the scores that it had (`export.kept`).

    Parameters
    ----------
    deployable : Deployable
    folder : Path
        Made where it does not exist.
    plan : Plan
    command : str
        For the card.
    progress : Watch

    Returns
    -------
    ExportReport
        As in NAME.json.

    Raises
    ------
    VerificationError
        If a file is not the same model within its bounds.
    ModelError
        If something given cannot be read, an evaluation is of another model, or the folder cannot be
        written to.
    """
    evaluations = _evaluations(deployable, plan)
    dances = deployable.fields["labels"].split(",")
    with workshop_in(folder) as workshop, kept_in(folder) as kept:
        listed = registry.read(folder)
        progress("reading segments")
        sets = _verification(deployable, plan, dances)

        models, quantisation = _models(deployable, plan, dances, workshop, progress)
        paths = {precision: workshop / _file_name(deployable.name, precision) for precision in models}
        for precision, path in paths.items():
            path.write_bytes(graph.to_bytes(models[precision]))
        for source, evaluation in zip(plan.evaluations, evaluations, strict=True):
            card.check_model(source, evaluation, deployable, files=list(paths.values()))
        made = list(paths.items())
        if plan.ort:
            progress("ONNX to ORT")
            made += _in_ort_format(paths, workshop / f"{deployable.name}.required_operators.config")

        files = [
            _described(item, models[item.precision], quantisation)
            for item in _verified(deployable, made, sets, progress, kept, plan)
        ]
        if plan.waveform:
            progress("samples to scores")
            files.append(_from_samples(deployable, plan, workshop))
        report = _written(workshop, deployable, files, command, evaluations)
        entries = _entries(deployable, paths, dances)
        registry.write(workshop, registry.merged(listed, entries, default=plan.default))
        move(workshop, folder)
    return report


def _evaluations(deployable: Deployable, plan: Plan) -> Sequence[Mapping[str, Any]]:
    """The reports for the card, each of this model."""
    found = [card.read_evaluation(path) for path in plan.evaluations]
    for path, evaluation in zip(plan.evaluations, found, strict=True):
        card.check_model(path, evaluation, deployable)
    return found


def _models(
    deployable: Deployable,
    plan: Plan,
    dances: Sequence[str],
    workshop: Path,
    progress: Watch,
) -> tuple[dict[str, onnx.ModelProto], Quantisation | None]:
    """By precision, and how int8 came about."""
    progress("PyTorch to ONNX")
    floating = graph.to_onnx(deployable.network, frames=deployable.context_frames, fields=deployable.fields)
    models, quantisation = {"float": floating}, None
    if "float16" in plan.precisions:
        models["float16"] = quantise.to_float16(floating)
    if plan.int8_weights and "int8" in plan.precisions:
        models["int8"] = quantise.to_int8_weights(with_shortcuts(floating))
    elif plan.int8_layers:
        models["int8"], quantisation = _int8(floating, plan, deployable.segment_frames, dances, progress)
    models["float"] = _teachable(floating, deployable, plan, workshop, progress)
    return models, quantisation


def _described(item: ModelFile, model: onnx.ModelProto, quantisation: Quantisation | None) -> ModelFile:
    """A verified file with what is inside it; of ORT's files that is not known."""
    if not item.file.endswith(".onnx"):
        return item
    return replace(
        item,
        opset=graph.OPSET,
        operators=_operators(model),
        quantisation=quantisation if item.precision == "int8" else None,
    )


def _entries(
    deployable: Deployable, paths: Mapping[str, Path], dances: Sequence[str]
) -> list[dict[str, Any]]:
    """The files for models.toml."""
    return [
        registry.entry(
            path,
            name=deployable.name if precision == "float" else f"{deployable.name}-{precision}",
            precision=precision,
            architecture=deployable.architecture,
            classes=dances,
        )
        for precision, path in paths.items()
    ]


def _verification(deployable: Deployable, plan: Plan, dances: Sequence[str]) -> list[Segments]:
    """Segments of all the lengths that the network takes, recorded or made up."""
    widths = sorted({deployable.segment_frames, deployable.context_frames[-1]})
    sets = [
        segments.read(given, split="test", n_wanted=N_VERIFICATION, segment_frames=frames, dances=dances)
        for given in plan.verification
        for frames in widths
    ] or [segments.made_up(N_MADE_UP, segment_frames=frames) for frames in deployable.context_frames]
    n_labelled = sum(int(part.labelled.sum()) for part in sets)
    if plan.int8_layers and n_labelled < MIN_LABELLED:
        raise ModelError(
            f"{', '.join(plan.verification)}: {n_labelled} labelled segments; verifying int8 takes at "
            f"least {MIN_LABELLED}. Make a longer corpus"
        )
    return sets


def _from_samples(deployable: Deployable, plan: Plan, workshop: Path) -> ModelFile:
    """The file that takes samples, verified."""
    assert plan.waveform
    path = workshop / f"{deployable.name}.waveform.onnx"
    fixed = graph.to_onnx(deployable.network, frames=(deployable.segment_frames,), fields=deployable.fields)
    model = from_samples.with_front_end(fixed, plan.waveform)
    path.write_bytes(graph.to_bytes(model))
    verified = _verified_waveform(deployable, path, plan)
    return replace(verified, opset=graph.OPSET, operators=_operators(model))


def _written(
    workshop: Path,
    deployable: Deployable,
    files: Sequence[ModelFile],
    command: str,
    evaluations: Sequence[Mapping[str, Any]],
) -> ExportReport:
    """The report, as NAME.json, and the card, in the workshop."""
    report = ExportReport(
        name=deployable.name,
        architecture=deployable.architecture,
        options=deployable.options,
        classes=tuple(deployable.labels),
        temperature=deployable.network.temperature,
        metadata=deployable.fields,
        command=command,
        machine=card.machine(),
        confident_from=verify.CONFIDENT,
        files=tuple(files),
    )
    (workshop / f"{report.name}.json").write_text(json.dumps(report.to_dict(), indent=1) + "\n", "utf-8")
    (workshop / f"{report.name}.md").write_text(card.markdown(report, evaluations), "utf-8")
    return report


def _teachable(
    floating: onnx.ModelProto,
    deployable: Deployable,
    plan: Plan,
    workshop: Path,
    progress: Watch,
) -> onnx.ModelProto:
    """The float file with its features as second output and, where asked for, with their statistics."""
    head = rehearsal.last_layer(deployable)
    if head is None:
        if plan.rehearsal:
            raise ModelError("--rehearse needs a network whose last layer is linear, which this one lacks")
        return floating
    model = with_features(floating, deployable.fields)
    if not plan.rehearsal:
        return model
    path = workshop / "features.onnx"
    path.write_bytes(graph.to_bytes(model))
    found = rehearsal.statistics(
        Model.load(path), head, plan.rehearsal, labels=deployable.labels, progress=progress
    )
    path.unlink()
    return with_features(floating, {**deployable.fields, FIELD: found.to_json()})


def _int8(
    floating: onnx.ModelProto,
    plan: Plan,
    segment_frames: int,
    dances: Sequence[str],
    progress: Watch,
) -> tuple[onnx.ModelProto, Quantisation]:
    """The quantised model and how it came about."""
    calibration = segments.joined(
        [
            segments.read(
                given,
                split="validation",
                n_wanted=N_CALIBRATION,
                segment_frames=segment_frames,
                dances=dances,
            )
            for given in plan.calibration
        ]
    )
    quantised = quantise.to_int8(floating, calibration, progress=progress)
    return quantised.model, Quantisation(
        calibrated_on=calibration.source,
        calibration_segments=len(calibration),
        ranges=quantised.ranges,
        layers=quantised.n_layers,
        kept_float={name: quantised.noise[name] for name in quantised.kept_float},
    )


def _verified(
    deployable: Deployable,
    made: Sequence[tuple[str, Path]],
    sets: Sequence[Segments],
    progress: Watch,
    kept: Kept,
    plan: Plan,
) -> list[ModelFile]:

    def counted(what: str) -> verify.Progress:
        return lambda done, total: progress(what, done, total)

    references = [
        kept.scores(
            f"{deployable.sha256} {deployable.network.temperature:g} {deployable.fields}",
            part.mel,
            lambda part=part: verify.torch_scores(deployable.network, part.mel, counted("PyTorch's scores")),  # type: ignore[misc]
        )
        for part in sets
    ]
    compared: list[tuple[verify.Parity, ...]] = []
    for precision, path in made:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shown = counted(f"verifying {path.name}")
        scores = [
            kept.scores(digest, part.mel, lambda p=path, m=part.mel, s=shown: verify.file_scores(p, m, s))  # type: ignore[misc]
            for part in sets
        ]
        comparisons = tuple(map(verify.compare, sets, references, scores))
        broken = [
            f"on {comparison.source} {violation}"
            for comparison in comparisons
            for violation in verify.violations(comparison, verify.BOUNDS[_bounds(precision, plan)])
        ]
        if broken:
            remedy = "; calibrate with more, and more typical, recordings, or use --float16"
            raise verify.VerificationError(
                f"{path.name} is not the checkpoint's model: {'; '.join(broken)}"
                f"{remedy if precision == 'int8' and plan.int8_layers else ''}"
            )
        compared.append(comparisons)
    progress("timing")
    torch_seconds, *seconds = verify.one_thread_latencies(
        deployable.network, [path for _, path in made], sets[0].mel[:1]
    )
    return [
        ModelFile(
            file=path.name,
            precision=precision,
            size=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            comparisons=comparisons,
            milliseconds=1e3 * taken,
            torch_milliseconds=1e3 * torch_seconds,
        )
        for (precision, path), comparisons, taken in zip(made, compared, seconds, strict=True)
    ]


def _bounds(precision: str, plan: Plan) -> str:
    return "int8 weights" if precision == "int8" and plan.int8_weights else precision


def _verified_waveform(deployable: Deployable, path: Path, plan: Plan) -> ModelFile:
    """Excerpts of samples through the file, and through `runtime.mel` and PyTorch."""
    assert plan.waveform
    width, dances = deployable.segment_frames, deployable.fields["labels"].split(",")
    found = [
        from_samples.read(
            given, n_wanted=N_EXCERPTS, segment_frames=width, sample_rate=plan.waveform, dances=dances
        )
        for given in plan.verification
    ]
    sets = [excerpts for excerpts in found if excerpts] or [
        from_samples.made_up(N_EXCERPTS, segment_frames=width, sample_rate=plan.waveform)
    ]
    file = from_samples.WaveformFile(path)
    comparisons = tuple(
        verify.compare(
            part.segments,
            verify.torch_scores(deployable.network, part.segments.mel),
            file.run(part.samples),
        )
        for part in sets
    )
    for comparison in comparisons:
        if broken := verify.violations(comparison, verify.BOUNDS["waveform"]):
            raise verify.VerificationError(
                f"{path.name} is not the checkpoint's model: on {comparison.source} {'; '.join(broken)}"
            )
    torch_seconds, seconds = verify.waveform_latencies(
        deployable.network, file.run, sets[0].samples[:1], width, plan.waveform
    )
    return ModelFile(
        file=path.name,
        precision="waveform",
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        comparisons=comparisons,
        milliseconds=1e3 * seconds,
        torch_milliseconds=1e3 * torch_seconds,
    )


def _file_name(name: str, precision: str) -> str:
    return f"{name}.onnx" if precision == "float" else f"{name}.{precision}.onnx"


def _in_ort_format(paths: dict[str, Path], operators: Path) -> list[tuple[str, Path]]:
    converted = []
    for precision, path in paths.items():
        target = path.with_suffix(".ort")
        ort_format.convert(path, target, keep_float16=precision == "float16")
        converted.append((precision, target))
    ort_format.write_required_operators([target for _, target in converted], operators)
    return converted


def _operators(model: onnx.ModelProto) -> dict[str, int]:
    """How often each operator occurs."""
    operators: dict[str, int] = {}
    for node in model.graph.node:
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    return dict(sorted(operators.items()))


@contextmanager
def workshop_in(folder: Path) -> Iterator[Path]:
    """A temporary folder inside the target folder; neither stays behind if the export fails.

    Of an export that was killed it does: the next one removes what no process holds any more.
    """
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{WORKSHOP}*"):
            with suppress(OSError), locked(left):
                shutil.rmtree(left)
        workshop = Path(tempfile.mkdtemp(prefix=WORKSHOP, dir=folder))
    except OSError as error:
        raise ModelError(f"{folder}: models cannot be written there ({error.strerror})") from error
    try:
        with locked(workshop):
            yield workshop
    finally:
        shutil.rmtree(workshop)
        if not existed and not any(folder.iterdir()):
            folder.rmdir()


def move(workshop: Path, folder: Path) -> None:
    """Move the finished files; a list of models comes last, so that it never names a missing file."""
    for path in sorted(workshop.iterdir(), key=lambda path: path.suffix == ".toml"):
        path.chmod(0o644)
        os.replace(path, folder / path.name)
