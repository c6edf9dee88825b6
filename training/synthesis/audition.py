"""Recordings to check by ear and eye: one of each style, each with its spectrogram and onset curve."""

from pathlib import Path

import numpy as np

from runtime.atomic import replacing
from runtime.mel import HOP_LENGTH, SAMPLE_RATE, Float32, melspectrogram
from training.synthesis.arrangement import Performance
from training.synthesis.corpus import CorpusRow, CorpusSettings, record
from training.synthesis.styles import load_all

SECONDS_SHOWN = 12.0


def onset_curve(mel_power: Float32) -> Float32:
    """Onset strength: the mean positive change in dB over the bands.

    Parameters
    ----------
    mel_power : ndarray, shape (n_frames, n_mels)

    Returns
    -------
    ndarray, shape (n_frames,)
    """
    db = 10 * np.log10(np.maximum(mel_power, mel_power.max() * 1e-8) + 1e-12)
    curve: Float32 = np.maximum(np.diff(db, axis=0, prepend=db[:1]), 0).mean(axis=1)
    return curve


def picture(path: Path, samples: Float32, row: CorpusRow, performance: Performance) -> None:
    """Draw the spectrogram and onset curve of the first seconds, with the beats (bar lines heavier)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mel = melspectrogram(samples[: int(SECONDS_SHOWN * SAMPLE_RATE)])
    seconds = len(mel) * HOP_LENGTH / SAMPLE_RATE
    db = 10 * np.log10(np.maximum(mel, mel.max() * 1e-8) + 1e-12)
    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    top.imshow(
        db.T,
        origin="lower",
        aspect="auto",
        extent=(0, seconds, 0, mel.shape[1]),
        cmap="magma",
    )
    top.set_ylabel("mel band")
    top.set_title(
        f"{row.dance}, {row.style}: {row.tempo_bpm:g} beats per minute, {row.metre}, "
        f"{row.soundfonts}, {row.mix}"
    )
    bottom.plot(
        np.arange(len(mel)) * HOP_LENGTH / SAMPLE_RATE,
        onset_curve(mel),
        color="black",
        linewidth=0.8,
    )
    for i, beat in enumerate(performance.beat_times):
        bar_line = (i - performance.downbeat) % performance.style.beats_per_bar == 0
        bottom.axvline(beat, color="tab:red", linewidth=1.4 if bar_line else 0.4)
    bottom.set(xlim=(0, seconds), xlabel="seconds", ylabel="onset strength (dB)")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=80, format="png")


def write_audition(folder: Path, settings: CorpusSettings, dances: tuple[str, ...]) -> list[CorpusRow]:
    """Write FOLDER/<dance>_<style>.flac and .png, one recording of each style of the dances.

    Parameters
    ----------
    folder : Path
        Made if missing.
    settings : CorpusSettings
    dances : tuple of str

    Returns
    -------
    list of CorpusRow
        As in a corpus's manifest.
    """
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for dance in dances:
        for index, style in enumerate(load_all()[dance].styles):
            samples, row, performance = record(settings, dance, index, style=style.name)
            name = f"{dance}_{style.name}"
            with replacing(folder / f"{name}.flac") as temporary:
                soundfile.write(temporary, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
            if performance is not None:
                picture(folder / f"{name}.png", samples, row, performance)
            rows.append(row)
    return rows
