"""The network for beats as files: exported, verified against PyTorch whole and in chunks, with its card.

int8 is written where it tells the same beats; the float file is small enough for every phone.
"""

import hashlib
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from torch import Tensor, nn

from export import card, graph, registry, segments
from export.deployed import versions
from export.publish import move, workshop_in
from export.verify import VerificationError
from runtime import mel
from runtime.beat_activations import (
    ACTIVATIONS,
    BEAT_REGISTRY,
    DANCES,
    FEATURE_BANDS,
    FEATURES,
    FORMAT_VERSION,
    HARMONY_BANDS,
    LOOK_AHEAD,
    N_FEATURES,
    NEW_STATE,
    STATE,
    BeatActivations,
    BeatFeatures,
    BeatModel,
    activations,
)
from runtime.beats import Beats, find_beats
from runtime.errors import ModelError
from runtime.mel import FRAME_RATE, Float32
from training.beats.evaluate import Excerpt, generated_excerpts, score
from training.beats.learn import load
from training.beats.network import DANCES_TOLD, BeatNetwork
from training.data.croissant import front_matter, licence_entries
from training.data.manifest import manifest_path
from training.markdown import table

MAX_BYTES = 2_000_000
FLOAT_BOUND = 1e-4  # of any activation
INT8_AGREEMENT = 0.98  # F-measure of the beats of int8 against those of the float file, and of downbeats
CHUNK = 4  # frames of a block of sound, 93 ms
PURPOSE = """\
Tells beats and downbeats of dance music, as activations that a bar pointer model decodes (`runtime.beats`,
docs/beats.md): for a count on the screen, a beat grid, a click track. It is told which dance it may be.

Not for: music without a steady beat, where nothing is told; transcription; any judgement about people."""


class Activations(nn.Module):
    """The network with what makes probabilities of its logits."""

    def __init__(self, network: BeatNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, dances: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        logits, new_state = self.network(features, dances, state)
        return torch.sigmoid(logits), new_state


@dataclass(frozen=True)
class Compared:
    """A file against PyTorch.

    Attributes
    ----------
    file : str
    size : int
        Bytes.
    sha256 : str
    whole, chunks : float
        Largest difference of an activation from PyTorch's, in one piece and in chunks of four frames.
    beats, downbeats : float
        F-measure of what is decoded from the file against what is decoded from the float file.
    core : float
        Share of a core that it takes live.
    """

    file: str
    size: int
    sha256: str
    whole: float
    chunks: float
    beats: float
    downbeats: float
    core: float


def excerpts(given: str, split: str) -> list[Excerpt]:
    """Recordings of a manifest with `.beats` beside them; of `split` where none is named."""
    path = manifest_path(given)
    selection = given if path != Path(given) else f"{given}@{split}"
    return generated_excerpts(selection, path.parent / "features")


def made_up(n: int = 8, seconds: float = 12.0) -> list[Excerpt]:
    """Beats in noise: they show whether two files compute the same, not how well."""
    power = segments.made_up(n, segment_frames=round(seconds * FRAME_RATE)).mel[:, 0]
    return [Excerpt("slow_waltz", np.ascontiguousarray(one.T), Beats()) for one in power]


def is_beat_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint of `python -m training beats-train`."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever else it is, the other loader says what is wrong with it
        return False
    return isinstance(loaded, dict) and "beats_format" in loaded


@dataclass(frozen=True)
class Papers:
    """What the file says of itself.

    Attributes
    ----------
    name, version, licence, training_data : str
    command : str
        That made it, for the card.
    """

    name: str
    version: str
    licence: str
    training_data: str
    command: str

    def fields(self, network: BeatNetwork) -> dict[str, str]:
        """The metadata (see `runtime.beat_activations`)."""
        fields: dict[str, object] = {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "version": self.version,
            "sample_rate": mel.SAMPLE_RATE,
            "n_fft": mel.N_FFT,
            "hop_length": mel.HOP_LENGTH,
            "n_mels": mel.N_MELS,
            "feature_bands": FEATURE_BANDS,
            "harmony_bands": HARMONY_BANDS,
            "look_ahead": LOOK_AHEAD,
            "dances": ",".join(DANCES_TOLD),
            "state_size": network.state_size,
            "training_data": self.training_data,
            "licence": self.licence,
            "created_by": f"python -m export, {versions('whichdance', 'torch', 'onnxscript')}",
        }
        return {key: str(value) for key, value in fields.items()}


def publish(
    checkpoint: Path,
    folder: Path,
    papers: Papers,
    *,
    calibration: Sequence[Excerpt],
    verification: Sequence[Excerpt],
    evaluations: Sequence[Path],
    progress: Callable[[str], None] = lambda step: None,
) -> list[Compared]:
    """Write NAME.onnx, its card and report and the entry in beats.toml; NAME.int8.onnx where it agrees.

    Parameters
    ----------
    checkpoint, folder : Path
    papers : Papers
    calibration : sequence of Excerpt
        For int8's ranges; without them there is no int8.
    verification : sequence of Excerpt
        What the files are compared on.
    evaluations : sequence of Path
        JSON files of `python -m training beats-evaluate -o`.
    progress : callable

    Raises
    ------
    VerificationError
        If the float file is not the same network, or too large.
    """
    network, settings = load(checkpoint)
    if settings.kind == "gru":  # torch.export 2.13 unrolls its loop into one whose strides it then refuses
        raise ModelError(
            f"{checkpoint}: PyTorch cannot export recurrent units for any number of frames; "
            "train with --kind tcn"
        )
    measured = [_evaluation(path) for path in evaluations]
    name, fields = papers.name, papers.fields(network)
    with workshop_in(folder) as workshop:
        listed = registry.read(folder, BEAT_REGISTRY)
        progress("PyTorch to ONNX")
        floating = to_onnx(network, fields)
        path = workshop / f"{name}.onnx"
        path.write_bytes(graph.to_bytes(floating))
        progress("verifying")
        compared = [compare(network, path, path, verification)]
        _check(compared[0])
        if calibration:
            progress("int8")
            quantised = workshop / f"{name}.int8.onnx"
            to_int8(path, quantised, calibration, fields)
            candidate = compare(network, quantised, path, verification)
            if min(candidate.beats, candidate.downbeats) >= INT8_AGREEMENT:
                compared.append(candidate)
            else:
                quantised.unlink()
                progress(f"int8 tells other beats (F {candidate.beats:.3f}): not written")
        _write(workshop, papers, network, settings.kind, compared, measured)
        entries = _entries(workshop, name, settings.kind, compared)
        registry.write(workshop, registry.merged(listed, entries, default=True), BEAT_REGISTRY)
        move(workshop, folder)
    return compared


def _write(
    workshop: Path,
    papers: Papers,
    network: BeatNetwork,
    kind: str,
    compared: Sequence[Compared],
    measured: Sequence[Sequence[Mapping[str, Any]]],
) -> None:
    """The report and the card."""
    report = {
        "name": papers.name,
        "kind": kind,
        "parameters": sum(p.numel() for p in network.parameters()),
        "metadata": papers.fields(network),
        "command": papers.command,
        "machine": card.machine(),
        "files": [vars(item) for item in compared],
    }
    (workshop / f"{papers.name}.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    (workshop / f"{papers.name}.md").write_text(markdown(report, compared, measured), "utf-8")


def _entries(workshop: Path, name: str, kind: str, compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """The files for beats.toml, the float one first."""
    return [
        registry.entry(
            workshop / item.file,
            name=name if item is compared[0] else f"{name}-int8",
            precision="float" if item is compared[0] else "int8",
            architecture=kind,
            classes=["beat", "downbeat"],
        )
        for item in compared
    ]


def to_onnx(network: BeatNetwork, fields: Mapping[str, str]) -> onnx.ModelProto:
    """The network with its metadata; any number of frames at once."""
    example = (
        torch.zeros(1, N_FEATURES, 50),
        torch.zeros(1, len(DANCES_TOLD)),
        network.initial_state(1),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about torch
        program = torch.onnx.export(
            Activations(network).eval(),
            example,
            input_names=[FEATURES, DANCES, STATE],
            output_names=[ACTIVATIONS, NEW_STATE],
            dynamic_shapes=({2: torch.export.Dim.DYNAMIC}, {}, {}),
            opset_version=graph.OPSET,
            dynamo=True,
            optimize=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return graph.finished(program.model_proto, fields)


class _Calibration(CalibrationDataReader):
    """Features of excerpts, from silence on."""

    def __init__(self, excerpts: Sequence[Excerpt], state_size: int) -> None:
        self._inputs: Iterator[dict[str, Float32]] = iter(
            [
                {
                    FEATURES: BeatFeatures().push(one.frames).T[None].copy(),
                    DANCES: _told(one.dance),
                    STATE: np.zeros((1, state_size), np.float32),
                }
                for one in excerpts
            ]
        )

    def get_next(self) -> dict[str, Float32] | None:
        return next(self._inputs, None)


def _told(dance: str) -> Float32:
    return np.array([[float(key == dance) for key in DANCES_TOLD]], np.float32)


def to_int8(source: Path, target: Path, excerpts: Sequence[Excerpt], fields: Mapping[str, str]) -> None:
    """Convolutions in int8, per output channel; recurrent units stay float."""
    with tempfile.TemporaryDirectory() as folder:
        quantised = Path(folder) / "quantised.onnx"
        quantize_static(
            source,
            quantised,
            _Calibration(excerpts, int(fields["state_size"])),
            op_types_to_quantize=["Conv"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
        model = graph.finished(onnx.load(quantised), fields)
    target.write_bytes(graph.to_bytes(model))


def compare(network: BeatNetwork, path: Path, floating: Path, excerpts: Sequence[Excerpt]) -> Compared:
    """A file against PyTorch, and its beats against those of the float file."""
    model, reference = BeatModel.load(path), BeatModel.load(floating)
    whole = chunks = 0.0
    agreement = []
    seconds = heard = 0.0
    for one in excerpts:
        evidence = {one.dance: 1.0}
        stream = BeatActivations(model)
        stream.believe(evidence)
        begun = time.perf_counter()
        parts = [stream.push(one.frames[i : i + CHUNK]) for i in range(0, len(one.frames), CHUNK)]
        seconds += time.perf_counter() - begun
        heard += len(one.frames) / FRAME_RATE
        expected = _by_torch(network, one)
        chunks = max(chunks, float(np.abs(np.concatenate([*parts, stream.flush()]) - expected).max()))
        whole = max(whole, float(np.abs(activations(model, one.frames, evidence) - expected).max()))
        truth, told = (find_beats(one.frames, evidence, model=m) for m in (reference, model))
        if truth.times:
            agreement.append(score(truth, told, after=0.0))
    data = path.read_bytes()
    return Compared(
        path.name,
        len(data),
        hashlib.sha256(data).hexdigest(),
        whole,
        chunks,
        float(np.mean([s.f for s in agreement])) if agreement else 1.0,
        float(np.mean([s.downbeat_f for s in agreement])) if agreement else 1.0,
        seconds / heard,
    )


def _by_torch(network: BeatNetwork, one: Excerpt) -> Float32:
    ahead = np.repeat(one.frames[-1:], LOOK_AHEAD, axis=0)
    features = BeatFeatures().push(np.concatenate([one.frames, ahead]))
    with torch.no_grad():
        logits, _ = network(
            torch.from_numpy(features.T[None].copy()),
            torch.from_numpy(_told(one.dance)),
            network.initial_state(1),
        )
    result: Float32 = torch.sigmoid(logits)[0].T.numpy()[LOOK_AHEAD:]
    return result


def _check(item: Compared) -> None:
    if item.size > MAX_BYTES:
        raise VerificationError(f"{item.file} has {item.size} bytes, more than {MAX_BYTES}")
    worst = max(item.whole, item.chunks)
    if not worst <= FLOAT_BOUND:
        raise VerificationError(
            f"{item.file} is not the checkpoint's network: activations differ by up to {worst:.2g} "
            f"(bound {FLOAT_BOUND:g})"
        )


def _evaluation(path: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["beats"]
        return rows
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} cannot be read as a report of `python -m training beats-evaluate -o` ({error})"
        ) from error


def markdown(
    report: Mapping[str, Any], files: Sequence[Compared], evaluations: Sequence[Sequence[Mapping[str, Any]]]
) -> str:
    """The card."""
    fields = report["metadata"]
    parts = [
        "\n".join(
            front_matter(
                **licence_entries(fields["licence"]),
                library_name="onnx",
                tags=["music", "dance", "beat-tracking"],
            )
        ),
        f"# {report['name']}",
        "Written by `python -m export`; do not edit.",
        "## What it is for, and what not",
        PURPOSE,
        "## What it is",
        table(
            ("", ""),
            [
                ("network", f"{report['kind']}, {report['parameters']} parameters"),
                ("version", fields["version"]),
                (
                    "input",
                    f"log power of {FEATURE_BANDS} bands, and of the {HARMONY_BANDS} lowest ones unpooled, "
                    f"{FRAME_RATE:.2f} frames a second, and dances",
                ),
                ("look-ahead", f"{LOOK_AHEAD} frames, {1e3 * LOOK_AHEAD / FRAME_RATE:.0f} ms"),
                ("training data", fields["training_data"]),
                ("licence", fields["licence"]),
                ("made by", fields["created_by"]),
            ],
        ),
        "## Files",
        f"Made and verified by `{report['command']}` ({report['machine']}). Differences are of activations "
        "from PyTorch's, in one piece and in chunks of four frames; agreement is the F-measure of beats and "
        "downbeats against the float file's.",
        table(
            ("file", "size", "whole", "chunks", "beats", "downbeats", "of a core, live"),
            [
                (
                    f"`{item.file}`",
                    f"{item.size / 1e6:.2f} MB",
                    f"{item.whole:.1e}",
                    f"{item.chunks:.1e}",
                    f"{item.beats:.3f}",
                    f"{item.downbeats:.3f}",
                    f"{100 * item.core:.1f} %",
                )
                for item in files
            ],
        ),
    ]
    rows = [row for rows in evaluations for row in rows]
    if rows:
        header = ("set", "n", "told by", "", "beat F", "CMLt", "AMLt", "down F", "CMLt", "AMLt", "tempo")
        parts += [
            "## Evaluation",
            "`python -m training beats-evaluate`, mir_eval's measures (docs/beats.md).",
            table(
                header,
                [
                    (
                        row["set"],
                        str(row["n"]),
                        row["way"],
                        row["mode"],
                        *(f"{value:.2f}" for value in row["score"].values()),
                        f"{row['tempo']:.2f}",
                    )
                    for row in rows
                ],
            ),
        ]
    return "\n\n".join(parts) + "\n"
