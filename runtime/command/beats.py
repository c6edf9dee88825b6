"""`--beats` and `--click`: the beats of a recording as a file, and as clicks in its music."""

import os
from pathlib import Path

import numpy as np

from runtime import audio, beat_files
from runtime.atomic import replacing
from runtime.beats import Beats
from runtime.errors import ParameterError, WhichdanceError
from runtime.prediction import Outcome

NO_BEAT = "has no beat that could be told"


class BeatFile:
    """Writes the beats of one recording.

    Parameters
    ----------
    path : path-like
        Its suffix says how, see `runtime.beat_files.write`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def add(self, outcome: Outcome) -> None:
        """Write the file; WhichdanceError where there is no beat."""
        if outcome.prediction is not None:
            beat_files.write(self.path, _found(outcome, self.path))

    def finish(self) -> None:
        """Nothing is left to do."""


class ClickTrack:
    """Writes one recording, or the excerpt that was heard, with clicks at the beats, to check them by ear.

    Parameters
    ----------
    path : path-like
        A .wav file.
    excerpt : (float, float or None)
        From where to where the recording was heard, s.
    """

    def __init__(self, path: str | os.PathLike[str], excerpt: tuple[float, float | None]) -> None:
        self.path, self._excerpt = Path(path), excerpt

    def add(self, outcome: Outcome) -> None:
        """Write the file; WhichdanceError where there is no beat."""
        if outcome.prediction is None:
            return
        import soundfile

        beats = _found(outcome, self.path)
        with audio.open_audio(outcome.path) as reader:
            if reader.state != outcome.state:
                raise WhichdanceError(outcome.changed)
            rate = reader.sample_rate
            blocks = list(audio.between(reader.blocks(), rate, *self._excerpt))
        mixed = beat_files.with_clicks(np.concatenate(blocks), rate, beats.moved(-self._excerpt[0]))
        with replacing(self.path) as temporary:
            soundfile.write(temporary, mixed, rate, format="WAV", subtype="PCM_16")

    def finish(self) -> None:
        """Nothing is left to do."""


def _found(outcome: Outcome, path: Path) -> Beats:
    beats = outcome.prediction.beats if outcome.prediction else None
    if not beats or not beats.times:
        raise WhichdanceError(f"{path}: not written; {outcome.path} {NO_BEAT}")
    return beats


def check_click_path(path: str) -> None:
    """ParameterError unless it is a .wav."""
    if Path(path).suffix.lower() != ".wav":
        raise ParameterError(f"{path}: --click writes WAV; give the file a name that ends in .wav")
