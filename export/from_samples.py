"""A graph from samples to scores: the front end of `runtime.mel` before the network, in one file.

For programs that have no numpy: framing is a `Gather`, the Fourier transform the `DFT` operator, the mel
bands a `MatMul`, all of them standard ONNX operators. The file is made for one sampling rate, and takes
exactly the samples that a segment's frames reach: half a window before the first frame's centre to half a
window behind the last one's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper
from scipy.signal import resample_poly

from export.graph import finished
from export.segments import UNLABELLED, Segments, brief
from runtime import mel
from runtime.errors import ParameterError
from runtime.mel import Float32
from runtime.model import INPUT, OUTPUT
from training.data.manifest import manifest_path, read_samples, read_selection

SAMPLES = "samples"  # float32 (batch, n_samples), mono, nominally -1 to 1
BATCH = "batch"


# Where the transform's length is a power of two. At others onnxruntime's DFT is a chirp transform in float32,
# which is slow, and puts quiet bands off by more than the network should be asked to bear.
SAMPLE_RATES = (11_025, 22_050, 44_100, 88_200, 176_400)


def check_rate(sample_rate: int) -> None:
    """ParameterError unless a file can be made for this sampling rate."""
    if sample_rate not in SAMPLE_RATES:
        raise ParameterError(
            f"--waveform makes files for {', '.join(map(str, SAMPLE_RATES))} Hz, "
            f"got {sample_rate!r}; resample to one of them"
        )


def hop_length(sample_rate: int) -> int:
    """Samples from frame to frame, a whole number at `SAMPLE_RATES`."""
    return mel.HOP_LENGTH * sample_rate // mel.SAMPLE_RATE


def n_samples(segment_frames: int, sample_rate: int) -> int:
    """Samples that the frames of a segment reach, from the first to the last."""
    return (segment_frames - 1) * hop_length(sample_rate) + mel.front_end(sample_rate).win_length


def fields_of(fields: Mapping[str, str], sample_rate: int) -> dict[str, str]:
    """The metadata of a model, with the front end as it is at this sampling rate."""
    lengths = mel.front_end(sample_rate)
    width = int(fields["segment_frames"])
    return dict(fields) | {
        "input": SAMPLES,
        "sample_rate": str(sample_rate),
        "n_samples": str(n_samples(width, sample_rate)),
        "win_length": str(lengths.win_length),
        "n_fft": str(lengths.n_fft),
        "hop_length": str(hop_length(sample_rate)),
    }


def with_front_end(model: onnx.ModelProto, sample_rate: int = mel.SAMPLE_RATE) -> onnx.ModelProto:
    """The model with the front end before it, so that it takes samples.

    Parameters
    ----------
    model : ModelProto
        From `export.graph.to_onnx`: mel power (batch, 1, 224, segment_frames) to scores.
    sample_rate : int
        One of `SAMPLE_RATES`, in Hz.

    Returns
    -------
    ModelProto
        Samples (batch, n_samples) at that rate to scores. Frame t of the segment is centred on sample
        win_length / 2 + t·hop_length.

    Raises
    ------
    ParameterError
        If the rate is another one.
    """
    check_rate(sample_rate)
    fields = {entry.key: entry.value for entry in model.metadata_props}
    width = model.graph.input[0].type.tensor_type.shape.dim[3].dim_value
    nodes, constants = _front_end(width, sample_rate)
    combined = onnx.ModelProto()
    combined.CopyFrom(model)
    graph = combined.graph
    network = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*nodes, *network])
    graph.initializer.extend(constants)
    shape: list[str | int | None] = [BATCH, n_samples(width, sample_rate)]
    graph.input.append(helper.make_tensor_value_info(SAMPLES, TensorProto.FLOAT, shape))
    return finished(combined, fields_of(fields, sample_rate))


def _front_end(segment_frames: int, sample_rate: int) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """The steps of `runtime.mel` in their order, from `SAMPLES` to the network's input."""
    lengths = mel.front_end(sample_rate)
    constants: dict[str, ArrayLike] = {
        "starts": np.arange(segment_frames)[:, None] * hop_length(sample_rate),
        "window_samples": np.arange(lengths.win_length),
        "window": mel.hann(lengths.win_length),
        "n_fft": np.int64(lengths.n_fft),
        "last_axis": np.array([-1]),
        "filters": mel.mel_filters(sample_rate),
        "channel": np.array([1]),
    }
    steps: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = [
        ("Add", ("starts", "window_samples"), "reach", {}),
        ("Gather", (SAMPLES, "reach"), "frames", {"axis": 1}),  # (batch, T, win_length)
        ("Mul", ("frames", "window"), "windowed", {}),
        ("Unsqueeze", ("windowed", "last_axis"), "real", {}),
        ("DFT", ("real", "n_fft"), "spectrum", {"axis": 2, "onesided": 1}),  # (batch, T, bins, 2)
        ("ReduceSumSquare", ("spectrum", "last_axis"), "power", {"keepdims": 0}),
        ("MatMul", ("power", "filters"), "bands", {}),  # (batch, T, 224)
        ("Transpose", ("bands",), "image", {"perm": [0, 2, 1]}),
        ("Unsqueeze", ("image", "channel"), INPUT, {}),
    ]

    def named(tensor: str) -> str:
        return tensor if tensor in (SAMPLES, INPUT) else f"front_end.{tensor}"

    nodes = [
        helper.make_node(
            operator, [named(i) for i in inputs], [named(output)], named(operator + output), **how
        )
        for operator, inputs, output, how in steps
    ]
    return nodes, [numpy_helper.from_array(np.asarray(v), named(name)) for name, v in constants.items()]


@dataclass(frozen=True)
class SampleExcerpts:
    """Samples of segments, and what the runtime's front end makes of them.

    Attributes
    ----------
    samples : ndarray, shape (n, n_samples), float32
        For a file that takes samples.
    segments : Segments
        The same for a file that takes mel power.
    """

    samples: Float32
    segments: Segments


def read(
    given: str, *, n_wanted: int, segment_frames: int, sample_rate: int, dances: Sequence[str]
) -> SampleExcerpts | None:
    """One excerpt from the middle of each of so many recordings of a manifest.

    Parameters
    ----------
    given : str
        As for `export.segments.read`; the test split by default.
    n_wanted : int
        At most so many recordings, spread evenly over the manifest.
    segment_frames : int
    sample_rate : int
        Hz; recordings of another rate are resampled.
    dances : sequence of str
        The model's, in the order of its outputs.

    Returns
    -------
    SampleExcerpts or None
        None for spectrograms, which have no samples any more, and where no recording is long enough.
    """
    if given.endswith(".npz"):
        return None
    selection = given if manifest_path(given) != Path(given) else f"{given}@test"
    chosen = sorted(read_selection(selection), key=lambda r: (r.dance, str(r.path), r.start))
    n = min(n_wanted, len(chosen))
    found = []
    for recording in (chosen[i * len(chosen) // n] for i in range(n)):
        samples, rate = read_samples(recording)
        if rate != sample_rate:
            samples = resample_poly(samples, sample_rate, rate).astype(np.float32)
        excerpt = _middle(samples, segment_frames, sample_rate)
        if excerpt is not None:
            label = dances.index(recording.dance) if recording.dance in dances else UNLABELLED
            found.append((*excerpt, label))
    return _joined(f"samples of {brief(selection)}", found) if found else None


def made_up(n: int, *, segment_frames: int, sample_rate: int, seed: int = 0) -> SampleExcerpts:
    """Beats in noise, that show whether two files compute the same and nothing else."""
    generator = np.random.default_rng(seed)
    time = np.arange(4 * n_samples(segment_frames, sample_rate)) / sample_rate
    found = []
    for _ in range(n):
        beats = np.exp(-8 * ((time * generator.uniform(80, 220) / 60) % 1))
        tone = np.sin(2 * np.pi * generator.uniform(100, 2000) * time)
        samples = 0.1 * beats * (generator.normal(size=len(time)) + tone)
        excerpt = _middle(samples.astype(np.float32), segment_frames, sample_rate)
        assert excerpt is not None
        found.append((*excerpt, UNLABELLED))
    return _joined(f"{n} made-up excerpts of samples", found)


def _middle(samples: Float32, segment_frames: int, sample_rate: int) -> tuple[Float32, Float32] | None:
    """Samples and frames (T, 224) of a segment in the middle of a recording; None if it is too short."""
    lengths = mel.front_end(sample_rate)
    padded = np.concatenate([np.zeros(lengths.win_length // 2, np.float32), samples])  # as `mel.MelStream`
    length = n_samples(segment_frames, sample_rate)
    if len(padded) < length:
        return None
    first = (len(padded) - length) // 2 // hop_length(sample_rate)
    start = lengths.centre(first)
    frames = mel.melspectrogram(samples, sample_rate=sample_rate)[first : first + segment_frames]
    return padded[start : start + length], frames


def _joined(source: str, found: Sequence[tuple[Float32, Float32, int]]) -> SampleExcerpts:
    samples, frames, labels = zip(*found, strict=True)
    power = np.stack(frames).transpose(0, 2, 1)[:, None]
    return SampleExcerpts(np.stack(samples), Segments(source, np.ascontiguousarray(power), np.array(labels)))


class WaveformFile:
    """A file that takes samples, in plain onnxruntime.

    Parameters
    ----------
    path : Path
    threads : int
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, samples: Float32) -> Float32:
        """Scores (n, n_labels) of samples (n, n_samples)."""
        each = [self._session.run([OUTPUT], {SAMPLES: s[None]})[0] for s in samples]
        return np.concatenate(each)
