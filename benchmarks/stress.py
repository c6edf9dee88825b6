"""Accuracy under stress, on any labelled recordings: noise, short recordings, strides, rates and codecs."""

import io
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import butter, resample_poly, sosfilt

from benchmarks import networks
from benchmarks.report import Chart, Column, Figures, Row, Section
from runtime import mel
from runtime.dances import DANCE_KEYS
from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import FRAME_RATE, Float32
from runtime.segments import DEFAULT_STRIDE, SEGMENT_FRAMES, padded, windows
from training.data.manifest import Recording, read_samples, read_selection
from training.evaluation.evaluate import Report, load_runner, statistics
from training.evaluation.noise import accuracy_curve
from training.evaluation.scoring import Run, score_windows
from training.synthesis import ambience

LENGTHS = (5.2, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 240.0)  # s
STRIDES = (25, 50, 100, 200, 400)  # frames; all multiples of the first
SAMPLE_RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000)  # Hz
ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
CROWD_SECONDS = 60
Change = Callable[[Float32, int], tuple[Float32, int]]


def run(
    *,
    manifest: str,
    model: str | None = None,
    noise: str | None = None,
    lengths: Sequence[float] = LENGTHS,
    strides: Sequence[int] = STRIDES,
    sample_rates: Sequence[int] = SAMPLE_RATES,
    alphas: Sequence[float] = ALPHAS,
) -> Section:
    """Measure the accuracy of a model on worse and worse versions of the same recordings.

    Parameters
    ----------
    manifest : str
        MANIFEST.csv, with @SPLIT or @all behind it if wished; the test split by default.
    model : str, optional
        The default shipped model if None.
    noise : str, optional
        A recording of a crowd; a generated one if None.
    lengths : sequence of float
        Of what is heard of each recording from its start, s; a recording must be that long to count.
    strides : sequence of int
        Frames between segments, all multiples of the first.
    sample_rates : sequence of int
        Hz.
    alphas : sequence of float
        Intensities of the noise, 0 to 1.
    """
    if any(stride % strides[0] for stride in strides):
        raise ParameterError(f"strides must all be multiples of the first, got {list(strides)}")
    recordings = [r for r in read_selection(manifest, split="test") if r.dance in DANCE_KEYS]
    if not recordings:
        raise WhichdanceError(f"manifest {manifest}: no recordings of the ten dances in it")
    labels = [r.dance for r in recordings]
    with tempfile.TemporaryDirectory(prefix="whichdance-") as folder:
        score, _ = load_runner(networks.model_file(model, Path(folder)))
        crowd = noise or _crowd(Path(folder) / "crowd.wav")
        curve = accuracy_curve(score, recordings, crowd, alphas=alphas)
    dense = _scores(score, recordings, _as_it_is, strides[0])
    tables = [
        _over_noise(curve["points"]),
        _over_length(labels, dense, strides[0], lengths),
        _over_stride(labels, dense, strides),
        _over_quality(score, recordings, labels, sample_rates),
    ]
    return Section(
        name="stress",
        title="Accuracy under stress",
        settings={
            "manifest": Path(manifest).name,
            "recordings": len(recordings),
            "model": networks.label_of(model),
            "noise": Path(noise).name if noise else "generated crowd",
        },
        tables=tables,
        notes=["Top-1 and top-2 of recordings, with the 95 % interval of top-1 after Wilson (1927)."],
    )


def _crowd(path: Path) -> str:
    rng = np.random.default_rng(0)
    samples = ambience.crowd(rng, CROWD_SECONDS * mel.SAMPLE_RATE, mel.SAMPLE_RATE)
    soundfile.write(path, samples / np.abs(samples).max(), mel.SAMPLE_RATE)
    return str(path)


def _scores(score: Run, recordings: Sequence[Recording], change: Change, stride: int) -> list[Float32]:
    """Scores of the segments of each recording, changed before it is heard."""
    segments = (_segments(*change(*read_samples(r)), stride) for r in recordings)
    return [s[:, : len(DANCE_KEYS)] for s in score_windows(score, segments)]


def _segments(samples: Float32, sample_rate: int, stride: int) -> Float32:
    frames = mel.melspectrogram(samples, sample_rate=sample_rate)
    return windows(frames if len(frames) >= SEGMENT_FRAMES else padded(frames), stride=stride)


ACCURACY = (
    Column("n", "recordings"),
    Column("top1", "top-1", "%"),
    Column("interval", "95 % interval"),
    Column("top2", "top-2", "%"),
    Column("segment_top1", "top-1 of segments", "%"),
)


def _accuracies(report: Report) -> Row:
    low, high = report.top1.interval
    return {
        "n": report.top1.total,
        "top1": report.top1.value,
        "interval": f"{100 * low:.0f}–{100 * high:.0f} %",
        "top2": report.top2.value,
        "segment_top1": report.segment_top1.value,
    }


def _over_noise(points: Sequence[dict[str, Any]]) -> Figures:
    rows: list[Row] = [
        {
            "alpha": point["alpha"],
            "snr": 10 * math.log10(point["snr"]) if 0 < point["snr"] < math.inf else None,
            **{key: point[key].value for key in ("top1", "top2", "segment_top1")},
        }
        for point in points
    ]
    columns = (
        Column("alpha", "noise α"),
        Column("snr", "SNR, dB"),
        *(column for column in ACCURACY if column.key not in ("n", "interval")),
    )
    return Figures("background noise of intensity α (thesis 4.7)", columns, rows, Chart("alpha", "top1"))


def _over_length(
    labels: Sequence[str], dense: list[Float32], stride: int, lengths: Sequence[float]
) -> Figures:
    """The thesis's aggregation curve: the mean over the first segments of a recording."""
    step = max(1, DEFAULT_STRIDE // stride)
    rows: list[Row] = []
    for seconds in lengths:
        heard = max(1, 1 + int(seconds * FRAME_RATE - SEGMENT_FRAMES) // stride)
        long_enough = [i for i, scores in enumerate(dense) if len(scores) >= heard]
        if long_enough:
            known = [labels[i] for i in long_enough]
            report = statistics(f"{seconds:g} s", known, [dense[i][:heard:step] for i in long_enough])
            rows.append({"seconds": seconds, **_accuracies(report)})
    columns = (Column("seconds", "seconds heard"), *ACCURACY)
    title = f"length of what is heard, segments {step * stride} frames apart"
    return Figures(title, columns, rows, Chart("seconds", "top1"))


def _over_stride(labels: Sequence[str], dense: list[Float32], strides: Sequence[int]) -> Figures:
    rows: list[Row] = []
    for stride in strides:
        report = statistics(f"stride {stride}", labels, [s[:: stride // strides[0]] for s in dense])
        rows.append({"stride": stride, **_accuracies(report)})
    columns = (Column("stride", "frames between segments"), *ACCURACY)
    return Figures("stride", columns, rows, Chart("stride", "top1"))


def _over_quality(
    score: Run, recordings: Sequence[Recording], labels: Sequence[str], sample_rates: Sequence[int]
) -> Figures:
    changes: dict[str, Change] = {"as it is": _as_it_is}
    for rate in sample_rates:
        changes[f"resampled to {rate / 1000:g} kHz"] = lambda x, sr, to=rate: (_resampled(x, sr, to), to)  # type: ignore[misc]
    changes["MP3 of 64 kbit/s"] = _mp3_64
    changes["telephone: 8 kHz, 300–3400 Hz, µ-law"] = _telephone
    rows: list[Row] = []
    for name, change in changes.items():
        report = statistics(name, labels, _scores(score, recordings, change, DEFAULT_STRIDE))
        rows.append({"what": name, **_accuracies(report)})
    return Figures(
        "sampling rate and codec", (Column("what", "recording"), *ACCURACY), rows, Chart("what", "top1")
    )


def _as_it_is(samples: Float32, sample_rate: int) -> tuple[Float32, int]:
    return samples, sample_rate


def _resampled(samples: Float32, sample_rate: int, to: int) -> Float32:
    common = math.gcd(sample_rate, to)
    return np.asarray(resample_poly(samples, to // common, sample_rate // common), np.float32)


def _mp3_64(samples: Float32, sample_rate: int) -> tuple[Float32, int]:
    """Through MP3 of 64 kbit/s, constant, at 44.1 kHz."""
    rate = 44_100
    lowest, highest = 32, 320  # kbit/s; libsndfile's compression level runs from the highest to the lowest
    file = io.BytesIO()
    soundfile.write(
        file,
        np.clip(_resampled(samples, sample_rate, rate), -1, 1),
        rate,
        format="MP3",
        bitrate_mode="CONSTANT",
        compression_level=(highest - 64) / (highest - lowest),
    )
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0], rate


def _telephone(samples: Float32, sample_rate: int) -> tuple[Float32, int]:
    """Through a telephone: ITU-T G.711 µ-law of 300 to 3400 Hz at 8 kHz."""
    rate = 8_000
    band = butter(4, (300, 3400), "bandpass", fs=rate, output="sos")
    heard = np.clip(sosfilt(band, _resampled(samples, sample_rate, rate)), -1, 1)
    file = io.BytesIO()
    soundfile.write(file, heard, rate, format="WAV", subtype="ULAW")
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0], rate
