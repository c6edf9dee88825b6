"""The baseline (thesis 4.3): 72 hand-crafted features of a recording and a support vector machine."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from runtime.errors import WhichdanceError
from runtime.mel import FRAME_RATE, HOP_LENGTH, N_FFT, SAMPLE_RATE
from training.data.manifest import Recording, read_samples
from training.parallel import results

N_MFCC = 20
ROLL_OFF = 0.85  # share of the energy below the roll-off frequency
FEATURE_NAMES = tuple(
    f"{name} {statistic}"
    for name in (
        "zero crossing rate",
        *(f"chroma {pitch}" for pitch in ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")),
        "spectral centroid",
        "spectral bandwidth",
        "spectral roll-off",
        *(f"MFCC {i}" for i in range(N_MFCC)),
    )
    for statistic in ("mean", "deviation")
)


def features(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """The 72 features of thesis 4.3.1, in the order of `FEATURE_NAMES`.

    Mean and standard deviation over windows of 2048 samples, 512 apart, at 22 050 Hz of: zero crossing
    rate, 12 chroma, spectral centroid, bandwidth and 85 % roll-off, 20 MFCCs.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Mono.
    sample_rate : int
        Hz; other rates than 22 050 are resampled.
    """
    import librosa

    if sample_rate != SAMPLE_RATE:
        samples = librosa.resample(samples, orig_sr=sample_rate, target_sr=SAMPLE_RATE)
    magnitude = np.abs(librosa.stft(samples, n_fft=N_FFT, hop_length=HOP_LENGTH))
    power = magnitude**2
    db = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=SAMPLE_RATE))
    rows = np.concatenate(
        [
            librosa.feature.zero_crossing_rate(samples, frame_length=N_FFT, hop_length=HOP_LENGTH),
            librosa.feature.chroma_stft(S=power, sr=SAMPLE_RATE, tuning=0.0),
            librosa.feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE),
            librosa.feature.spectral_bandwidth(S=magnitude, sr=SAMPLE_RATE),
            librosa.feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE, roll_percent=ROLL_OFF),
            librosa.feature.mfcc(S=db, n_mfcc=N_MFCC),
        ]
    )
    return np.column_stack([rows.mean(axis=1), rows.std(axis=1)]).ravel().astype(np.float64)


def features_of(recording: Recording) -> NDArray[np.float64] | str:
    """Features of a recording's part of its file; why there are none, where it cannot be read."""
    try:
        samples, sample_rate = read_samples(recording)
    except WhichdanceError as error:
        return str(error)
    if len(samples) < sample_rate / FRAME_RATE:
        return f"{recording.path}: too short for features"
    try:
        found = features(samples, sample_rate)
    except Exception as error:  # librosa has its own; one file must not take hours of others with it
        return f"{recording.path}: no features ({error})"
    return found if np.isfinite(found).all() else f"{recording.path}: its features are not finite"


def feature_table(
    recordings: Sequence[Recording],
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Recording], NDArray[np.float64], list[str]]:
    """Features of many recordings: those that can be read, their features (n, 72), and what went wrong."""
    found = []
    for features in results(features_of, ((r,) for r in recordings), jobs):
        found.append(features)
        progress(len(found), len(recordings))
    read = [(r, f) for r, f in zip(recordings, found, strict=True) if not isinstance(f, str)]
    failures = [f for f in found if isinstance(f, str)]
    table = np.stack([f for _, f in read]) if read else np.empty((0, len(FEATURE_NAMES)))
    return [r for r, _ in read], table, failures


def train(table: NDArray[np.float64], dances: Sequence[str]) -> Any:
    """A scikit-learn pipeline: standardisation and an SVM with radial basis functions (thesis 4.3.2)."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    if len(set(dances)) < 2:
        raise WhichdanceError("the baseline needs training recordings of at least two dances")
    # Balanced weights compensate class imbalance as the networks' sampling does (thesis 3.2.2).
    model = make_pipeline(StandardScaler(), SVC(kernel="rbf", class_weight="balanced"))
    return model.fit(table, list(dances))


def scores(model: Any, table: NDArray[np.float64], labels: Sequence[str]) -> NDArray[np.float64]:
    """Decision values in the order of `labels`, the lowest of all where a class was never trained."""
    decision = np.atleast_2d(model.decision_function(table))
    if len(model.classes_) == 2:
        decision = np.column_stack([-decision.ravel(), decision.ravel()])
    result = np.full((len(table), len(labels)), decision.min() - 1)
    for column, label in enumerate(model.classes_):
        result[:, list(labels).index(label)] = decision[:, column]
    return result


def save(model: Any, path: str | Path) -> None:
    """Write the pipeline, standardisation and SVM, by joblib."""
    from runtime.atomic import replacing

    with replacing(path) as temporary:
        joblib.dump(model, temporary)
