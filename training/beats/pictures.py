"""Pictures of beats: what the network hears, what the bar pointer makes of it, and the sound."""

from typing import TYPE_CHECKING

import numpy as np

from runtime.beats import Beats
from runtime.mel import FRAME_RATE, N_MELS, Float32
from training.evaluation.plots import mel_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEAT, ONE = "#56B4E9", "#D55E00"  # Okabe and Ito


def bars(
    frames: Float32, heard: Float32, beats: Beats, *, title: str, truth: Beats | None = None
) -> "Figure":
    """A mel spectrogram with the bars on it, above the activations with the counted beats.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, 224)
        Mel power.
    heard : ndarray, shape (n_frames, 2)
        Activations of beat and downbeat.
    beats : Beats
        As decoded.
    title : str
    truth : Beats, optional
        Marked above where given.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True)
    mel_image(top, frames)
    top.set_title(title, loc="left")
    for one in beats.downbeats:
        top.axvline(one, color="white", linewidth=1)
    time = np.arange(len(heard)) / FRAME_RATE
    bottom.plot(time, heard[:, 0], color=BEAT, label="activation of a beat")
    bottom.plot(time, heard[:, 1], color=ONE, label="activation of a downbeat")
    for at, position in zip(beats.times, beats.positions, strict=True):
        colour = ONE if position == 1 else BEAT
        bottom.axvline(at, ymax=0.87, color=colour, linewidth=0.8, linestyle="-" if position == 1 else ":")
        bottom.text(at, 1.06, str(position), color=colour, ha="center", va="center", fontsize=8, clip_on=True)
    if truth is not None:
        for at, position in zip(truth.times, truth.positions, strict=True):
            top.plot(
                [at], [N_MELS - 6], "v", color=ONE if position == 1 else BEAT, markersize=7, clip_on=True
            )
    bottom.set_ylim(0, 1.15)
    bottom.set_xlim(0, len(frames) / FRAME_RATE)
    bottom.set_yticks([0, 0.5, 1])
    bottom.set_xlabel("seconds")
    bottom.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, -0.18), frameon=False)
    return figure
