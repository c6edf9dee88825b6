"""Beats that are followed live: what the network, the bar pointer, and both with a screen cost."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.report import Column, Figures, Row, Section, Target
from benchmarks.sounds import music
from runtime.bar_pointer import BarFilter
from runtime.beat_activations import BeatActivations, BeatModel
from runtime.beats import BeatTracker
from runtime.mel import FRAME_RATE, SAMPLE_RATE, melspectrogram

BLOCK_FRAMES = 4  # of a block of sound, 93 ms
LOOKS = 60 / (FRAME_RATE / BLOCK_FRAMES)  # of a screen of 60 Hz a block
TARGET = 0.1  # of a core
EVIDENCE = {"rumba": 0.4, "cha_cha_cha": 0.3, "slow_foxtrot": 0.2, "other": 0.1}  # unsure: more bars


def run(*, seconds: float = 60.0) -> Section:
    """Follow music in blocks, faster than it sounds.

    Parameters
    ----------
    seconds : float
        Length of the music.
    """
    frames = melspectrogram(music(seconds, SAMPLE_RATE)[:, 0])
    model = BeatModel.load()
    stream, bars, tracker = BeatActivations(model), BarFilter(), BeatTracker(model)
    for part in (stream, bars, tracker):
        part.believe(EVIDENCE)
    heard = []

    def network(first: int) -> None:
        heard.append(stream.push(frames[first : first + BLOCK_FRAMES]))

    def pointer(first: int) -> None:
        bars.push(heard[first // BLOCK_FRAMES])

    def tracked(first: int) -> None:
        tracker.push(frames[first : first + BLOCK_FRAMES])
        for look in np.arange(LOOKS):
            tracker.beat((first + look) / FRAME_RATE)

    ways: dict[str, Callable[[int], None]] = {
        "network": network,
        "bar pointer": pointer,
        "both, and a screen that asks 60 times a second": tracked,
    }
    duration = len(frames) / FRAME_RATE
    rows: list[Row] = []
    for what, step in ways.items():
        begun = time.process_time()
        for first in range(0, len(frames), BLOCK_FRAMES):
            step(first)
        rows.append({"what": what, "share": (time.process_time() - begun) / duration})
    share = rows[-1]["share"]
    assert isinstance(share, float)
    return Section(
        name="beats",
        title="Beats, live: what following them costs",
        settings={"seconds": seconds, "block_frames": BLOCK_FRAMES, "model": model.name},
        tables=[
            Figures(
                "CPU time over the music's", (Column("what", "what"), Column("share", "of a core", "%")), rows
            )
        ],
        targets=[Target("share of a core", share, TARGET, False)],
        notes=["The mel spectrogram is not counted: who listens for the dance has it already."],
    )
