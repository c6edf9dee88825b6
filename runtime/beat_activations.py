"""From mel power to activations: how much each frame is like a beat, and like the first beat of a bar.

A small causal network of its own, `beats.onnx`; like the others' its file says what it was made for. It
looks 93 ms ahead, and keeps of its past what it needs in one vector of state. It is told which dances it may
be: what is a beat, and which one is the first, is a matter of the dance.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from runtime import mel
from runtime.dances import OTHER
from runtime.errors import ModelError
from runtime.mel import N_MELS, Float32
from runtime.model import FOLDER, OnnxEngine

FEATURE_BANDS = 56  # neighbouring mel bands are pooled by four
HARMONY_BANDS = 72  # the lowest, to 1.1 kHz, one by one besides: 15 Hz apart they tell chords
N_FEATURES = FEATURE_BANDS + HARMONY_BANDS
DYNAMIC_RANGE = 1e-6  # what is 60 dB below the loudest so far is silence
LOOK_AHEAD = 4  # frames of future, 93 ms, that an activation needs
FORMAT_VERSION = "beats 2"
FEATURES, DANCES, STATE = "features", "dances", "state"  # inputs
ACTIVATIONS, NEW_STATE = "activations", "new_state"  # outputs
BEAT_REGISTRY = "beats.toml"  # of the shipped networks, the default first
CHUNK_FRAMES = 2048  # of a whole recording at once


class BeatFeatures:
    """Log power below the loudest so far of pooled bands and of the lowest ones one by one."""

    def __init__(self) -> None:
        self._loudest = np.float32(1e-30)

    def push(self, frames: Float32) -> Float32:
        """Take the next frames.

        Parameters
        ----------
        frames : ndarray, shape (n_frames, 224)
            Mel power.

        Returns
        -------
        ndarray, shape (n_frames, 128), float32
            Natural logarithm of power relative to the loudest pooled band so far, at least -13.8: of 56 bands
            that are pooled by four, then of the 72 lowest ones.
        """
        width = N_MELS // FEATURE_BANDS
        pooled = frames[:, ::width].copy()
        for i in range(1, width):
            pooled += frames[:, i::width]
        loudest = np.maximum.accumulate(np.maximum(pooled.max(axis=1), self._loudest))
        if len(loudest):
            self._loudest = loudest[-1]
        relative = np.concatenate([pooled, frames[:, :HARMONY_BANDS]], axis=1) / loudest[:, None]
        return np.log(np.maximum(relative, np.float32(DYNAMIC_RANGE)))


class BeatEngine(Protocol):
    """Whatever computes the network."""

    def compute(self, outputs: list[str], inputs: Mapping[str, Float32]) -> list[Float32]:
        """Outputs 'activations' (1, 2, T), 0 to 1, and 'new_state' (1, S).

        Of 'features' (1, 128, T), 'dances' (1, n_dances) and 'state' (1, S).
        """
        ...


@dataclass(frozen=True)
class BeatModel:
    """A checked network for beats.

    Attributes
    ----------
    name, version : str
    dances : tuple of str
        What the network is told the probabilities of; the last is 'other'.
    state_size : int
        S.
    engine : BeatEngine
    """

    name: str
    version: str
    dances: tuple[str, ...]
    state_size: int
    engine: BeatEngine

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> "BeatModel":
        """Load an .onnx file into onnxruntime, on one thread; the shipped one if None.

        Raises
        ------
        ModelError
            If the file is missing, no ONNX, or made for something else.
        """
        file = shipped_beats() if path is None else Path(path)
        if not file.is_file():
            raise ModelError(f"{file}: no such model file")
        engine = OnnxEngine(file, threads=1)
        return cls.of(file, engine.metadata, engine)

    @classmethod
    def of(cls, file: Path, fields: Mapping[str, str], engine: BeatEngine) -> "BeatModel":
        """A file that another engine has loaded, checked by its metadata; ModelError as `load`."""
        expected: dict[str, str | float] = {
            "format_version": FORMAT_VERSION,
            "sample_rate": mel.SAMPLE_RATE,
            "n_fft": mel.N_FFT,
            "hop_length": mel.HOP_LENGTH,
            "n_mels": N_MELS,
            "feature_bands": FEATURE_BANDS,
            "harmony_bands": HARMONY_BANDS,
            "look_ahead": LOOK_AHEAD,
        }
        for key, value in expected.items():
            if fields.get(key) != str(value):
                raise ModelError(
                    f"{file}: metadata field {key!r} is {fields.get(key)!r}, a network for beats needs "
                    f"{str(value)!r}; `python -m export` makes one of a checkpoint of `training beats-train`"
                )
        size = fields.get("state_size", "")
        if not size.isdecimal() or not 1 <= int(size) <= 1_000_000:
            raise ModelError(f"{file}: metadata field 'state_size' is {size!r}, not a number of values")
        dances = tuple(fields.get("dances", "").split(","))
        if dances[-1] != OTHER:
            raise ModelError(f"{file}: metadata field 'dances' does not end with {OTHER!r}")
        return cls(fields.get("name", ""), fields.get("version", ""), dances, int(size), engine)


def shipped_beats() -> Path:
    """The file that beats.toml names first, checked against its hash."""
    listing = FOLDER / BEAT_REGISTRY
    try:
        entry = tomllib.loads(listing.read_text("utf-8"))["models"][0]
        path, wanted = FOLDER / str(entry["file"]), str(entry["sha256"])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(
            f"{listing}: the shipped network for beats cannot be read ({error}); reinstall whichdance"
        ) from error
    if digest != wanted:
        raise ModelError(f"{path}: differs from the shipped model (SHA-256 {digest}); reinstall whichdance")
    return path


class BeatActivations:
    """Streaming activations: push mel power, get those of the frames that have future enough.

    Parameters
    ----------
    model : BeatModel
    """

    def __init__(self, model: BeatModel) -> None:
        self.model = model
        self.reset()
        self.believe({})

    def believe(self, evidence: Mapping[str, float]) -> None:
        """Take what is known from now on of which dance it is; dances that are new to it count as other."""
        told = dict.fromkeys(self.model.dances, 0.0)
        for key, probability in evidence.items():
            told[key if key in told else OTHER] += probability
        self._told = np.array([list(told.values())], np.float32)

    def reset(self) -> None:
        """A new recording begins, or sound is missing."""
        self._features = BeatFeatures()
        self._state = np.zeros((1, self.model.state_size), np.float32)
        self._early = LOOK_AHEAD  # outputs still to come that are of no frame
        self._last = np.zeros((0, N_FEATURES), np.float32)

    def push(self, frames: Float32) -> Float32:
        """Take the next frames of mel power, (n_frames, 224).

        Returns
        -------
        ndarray, shape (n, 2), float32
            Probability of a beat and of a downbeat, of the frames up to `LOOK_AHEAD` before the newest.
        """
        return self.push_features(self._features.push(frames))

    def push_features(self, features: Float32) -> Float32:
        """The same from what `BeatFeatures` made of the frames, (n_frames, 128)."""
        found = []
        for start in range(0, len(features), CHUNK_FRAMES):
            part = features[start : start + CHUNK_FRAMES]
            activations, self._state = self.model.engine.compute(
                [ACTIVATIONS, NEW_STATE], {FEATURES: part.T[None], DANCES: self._told, STATE: self._state}
            )
            found.append(activations[0].T)
        if not found:
            return np.zeros((0, 2), np.float32)
        self._last = features[-1:]
        together = np.concatenate(found)
        if not np.isfinite(together).all():
            raise ModelError(f"the model {self.model.name!r} gave activations that are not finite numbers")
        skipped = min(self._early, len(together))
        self._early -= skipped
        return together[skipped:]

    def flush(self) -> Float32:
        """The last frames' activations, as if the last sound went on; and reset."""
        rest = self.push_features(np.repeat(self._last, LOOK_AHEAD, axis=0))
        self.reset()
        return rest


def activations(model: BeatModel, frames: Float32, evidence: Mapping[str, float]) -> Float32:
    """Activations of a whole recording: mel power (n_frames, 224) to (n_frames, 2)."""
    stream = BeatActivations(model)
    stream.believe(evidence)
    return np.concatenate([stream.push(frames), stream.flush()])
