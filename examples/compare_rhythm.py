"""How real songs move beside generated ones: the autocorrelation of their onsets in quarters of a beat.

    python examples/compare_rhythm.py ARRAYS.npz MANIFEST.csv [MANIFEST.csv ...] [--dances A,B]

For every dance that both have it prints the means over recordings in three ranges of pitch. What happens in
sixteenths shows at odd quarters of a beat, what happens between the beats at half beats. Timbre and loudness
play no part: a style file (training/synthesis/styles) can be held against what is really played. The tempo is
the one within the dance's usual range, a tenth more on both sides, at which one, two and four beats are
alike.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from runtime.dances import dance
from runtime.evidence import Float64
from runtime.mel import FRAME_RATE
from training.commands.features import collect
from training.data.collections import dance_of
from training.data.manifest import read_selection
from training.markdown import table
from training.settings import Machine

RANGES = {"low": slice(0, 20), "middle": slice(70, 130), "high": slice(180, 224)}  # mel bands
QUARTERS = (1, 2, 3, 4, 6, 8, 16)  # of a beat
FRAMES = 672  # of a recording that are taken: 15.6 s


def autocorrelation(codes: np.ndarray) -> Float64:
    """Of the rising differences in each of `RANGES`, 1 at lag 0.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n_frames, n_mels)
        dB in equal steps.

    Returns
    -------
    ndarray, shape (n_ranges, n_frames - 1)
    """
    rises = np.maximum(np.diff(codes.astype(np.float32), axis=0), 0)
    onsets = np.stack([rises[:, bands].mean(axis=1) for bands in RANGES.values()])
    onsets -= onsets.mean(axis=1, keepdims=True)
    n = onsets.shape[1]
    spectrum = np.fft.rfft(onsets, 2 * n, axis=1)
    sums = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n] / np.arange(n, 0, -1)
    found: Float64 = sums / np.maximum(sums[:, :1], 1e-9)
    return found


def at_quarters(codes: np.ndarray, slowest: float, fastest: float) -> Float64:
    """The autocorrelation at `QUARTERS` of a beat, at the tempo that fits best, shape (n_ranges, n_quarters).

    Parameters
    ----------
    codes : ndarray, shape (n_frames, n_mels)
    slowest, fastest : float
        Beats per minute.
    """
    values = autocorrelation(codes)
    lags, total = np.arange(values.shape[1]), values.sum(axis=0)

    def alike(bpm: float) -> float:
        return float(np.interp(np.array([1, 2, 4]) * 60 * FRAME_RATE / bpm, lags, total).sum())

    beat = 60 * FRAME_RATE / max(np.arange(slowest, fastest, 0.5), key=alike)
    return np.stack([np.interp(np.array(QUARTERS) * beat / 4, lags, v) for v in values])


def means(name: str, recordings: Iterable[np.ndarray]) -> Float64 | None:
    """Mean of `at_quarters` over recordings of a dance; None without any."""
    known = dance(name)
    beats, least, most = known.beats_per_bar, known.mpm_min, known.mpm_max
    if not beats or not least or not most:
        return None
    found = [at_quarters(codes, 0.9 * least * beats, 1.1 * most * beats) for codes in recordings]
    return np.mean(found, axis=0) if found else None


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("arrays", type=Path)
    parser.add_argument("manifests", nargs="+")
    parser.add_argument("--dances", help="which, with commas between (default: all that both have)")
    args = parser.parse_args(argv)
    with np.load(args.arrays, allow_pickle=False) as arrays:
        labels = [dance_of(str(label)) for label in arrays["labels"]]
        excerpts = arrays["mel_db"]  # (n_songs, n_excerpts, n_mels, n_frames)
    generated: dict[str, list[np.ndarray]] = {}
    for manifest in args.manifests:
        selection = read_selection(f"{manifest}@all")
        store = Path(manifest).parent / "features"
        for one in collect(selection, store, Machine()).stored:
            if one.n_frames >= FRAMES:
                generated.setdefault(one.recording.dance, []).append(one.codes()[:FRAMES])
    rows = []
    for name in args.dances.split(",") if args.dances else sorted(set(labels) & set(generated)):
        real = [x.T for label, song in zip(labels, excerpts, strict=True) if label == name for x in song]
        both = means(name, real), means(name, generated.get(name, []))
        for i, pitch in enumerate(RANGES):
            for what, values in zip(("real", "generated"), both, strict=True):
                if values is not None:
                    rows.append([name, pitch, what, *(f"{v:.2f}" for v in values[i])])
    print(table(["dance", "range", "", *(f"{q / 4:g}" for q in QUARTERS)], rows))


if __name__ == "__main__":
    main()
