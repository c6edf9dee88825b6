"""The synthetic noisy test set over noise intensity α, and the accuracy on it (thesis 4.7)."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from runtime.atomic import replacing
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError
from runtime.mel import Float32, melspectrogram
from runtime.segments import DEFAULT_STRIDE, SEGMENT_FRAMES, padded, windows
from training.data.manifest import Recording, read_samples
from training.evaluation import degrade
from training.evaluation.evaluate import statistics
from training.evaluation.scoring import Run, score_windows

ALPHAS = tuple(round(0.1 * i, 1) for i in range(11))


def readable(recordings: Sequence[Recording]) -> list[Recording]:
    """Those whose audio is there still, which a stored spectrogram does not promise.

    Raises
    ------
    WhichdanceError
        If there is none.
    """
    found = [r for r in recordings if r.path.exists()]
    if not found:
        raise WhichdanceError("noise is mixed into audio, and of none of the test recordings it is there")
    return found


def accuracy_curve(
    run: Run,
    recordings: Sequence[Recording],
    noise: str | Path,
    *,
    alphas: Sequence[float] = ALPHAS,
    stride: int = DEFAULT_STRIDE,
    labels: Sequence[str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Accuracy with noise mixed into every recording at growing intensity.

    Parameters
    ----------
    run : callable
        Segments to scores.
    recordings : sequence of Recording
        Of the ten dances; others are left out.
    noise : str or Path
        A recording of a crowd, or any other noise.
    alphas : sequence of float
        Intensities, 0 to 1.
    stride : int
    labels : sequence of str, optional
        Of the scores' columns, as for `training.evaluation.evaluate.evaluate`.
    progress : callable
        Called with (recordings done, recordings in all).

    Returns
    -------
    dict
        'rms_noise', 'rms_signal' (mean over recordings) of the peak-normalised signals, and 'points': per
        α its 'snr' and the accuracies 'top1', 'top2', 'segment_top1'.
    """
    recordings = [r for r in recordings if r.dance in DANCE_KEYS]
    if not recordings:
        raise WhichdanceError("no recordings of the ten dances to mix noise into")
    noise_at = degrade.read_noise(noise)
    rms_noise = 0.0
    rms_signals: list[float] = []

    def mixed() -> Iterator[Float32]:
        nonlocal rms_noise
        for done, recording in enumerate(recordings, 1):
            samples, sample_rate = read_samples(recording)
            noise_samples = noise_at(sample_rate)
            rms_noise = degrade.rms(degrade.peak_normalise(noise_samples))
            rms_signals.append(degrade.rms(degrade.peak_normalise(samples)))
            for alpha in alphas:
                yield _segments(degrade.mix(samples, noise_samples, alpha), sample_rate, stride)
            progress(done, len(recordings))

    scores = score_windows(run, mixed())
    rms_signal = float(np.mean(rms_signals))
    points = []
    for i, alpha in enumerate(alphas):
        report = statistics(
            f"α = {alpha}", [r.dance for r in recordings], scores[i :: len(alphas)], columns=labels
        )
        points.append(
            {
                "alpha": alpha,
                "snr": degrade.signal_to_noise(rms_signal, rms_noise, alpha),
                "top1": report.top1,
                "top2": report.top2,
                "segment_top1": report.segment_top1,
            }
        )
    return {"rms_noise": rms_noise, "rms_signal": rms_signal, "points": points}


def write_noisy_set(
    recordings: Sequence[Recording],
    noise: str | Path,
    folder: Path,
    *,
    alphas: Sequence[float],
    progress: Callable[[int, int], None] = lambda done, total: None,
    failed: Callable[[Recording, str], None] = lambda recording, reason: None,
) -> list[Recording]:
    """The synthetic noisy test set as FLAC files, the parts of files that count, in a folder per α.

    Parameters
    ----------
    recordings : sequence of Recording
    noise : str or Path
        A recording of a crowd.
    folder : Path
        Files go to `alpha-0.5/0001-NAME.flac` and so on.
    alphas : sequence of float
        Intensities, 0 to 1.
    progress : callable
        Called with (recordings done, recordings in all).
    failed : callable
        Called with a recording that cannot be read, and why.

    Returns
    -------
    list of Recording
        Of all files, with the split and the group of what they were made from.
    """
    noise_at = degrade.read_noise(noise)
    written = []
    for number, recording in enumerate(recordings, 1):
        try:
            samples, sample_rate = read_samples(recording)
        except WhichdanceError as error:
            failed(recording, str(error))
            continue
        for alpha in alphas:
            path = folder / f"alpha-{alpha:g}" / f"{number:04}-{recording.path.stem}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                mixed = degrade.mix(samples, noise_at(sample_rate), alpha)
                soundfile.write(temporary, mixed, sample_rate, format="FLAC")
            written.append(
                replace(recording, path=path, start=0.0, end=math.inf, source=f"noise at α = {alpha:g}")
            )
        progress(number, len(recordings))
    return written


def _segments(samples: Float32, sample_rate: int, stride: int) -> Float32:
    frames = melspectrogram(samples, sample_rate=sample_rate)
    return windows(frames if len(frames) >= SEGMENT_FRAMES else padded(frames), stride=stride)
