"""The public ways in: from a file, from samples, from a spectrogram. Music that plays is `runtime.live`'s."""

import math
import os
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from runtime import mel, parameters
from runtime.answer import clock
from runtime.atomic import FileState
from runtime.audio import between, open_audio, prefetched
from runtime.beat_activations import BeatModel
from runtime.dances import ALL, danced
from runtime.downmix import first_absurd
from runtime.errors import AudioError, ParameterError
from runtime.mel import FRAME_RATE, Float32, MelStream
from runtime.model import Model
from runtime.prediction import Prediction
from runtime.segments import DEFAULT_STRIDE, MIN_SECONDS, check_stride
from runtime.session import Aggregation, Dances, Judging, WholeRecording
from runtime.source import Source


class Classifier:
    """Tells dances, with a model loaded once.

    Parameters
    ----------
    model : path-like, str or Model, optional
        Path of an .onnx file, name of a shipped model, or a loaded `Model`; the default shipped one if None.
    threads : int, optional
        onnxruntime's threads within an operator; if None one for each core but one, which decodes.
    stride : int
        Frames (23.2 ms) from one segment to the next. Shorter is slower and a little more accurate
        (thesis 3.3).
    min_confidence : float, optional
        Probability from which a dance is named, 0 to 1; what the model was calibrated for if None.
    aggregation : {'evidence', 'mean'}
        From segments to the recording: evidence that follows the music (`runtime.evidence`), or the
        thesis's mean (3.3) over all of it.
    dances : str or sequence of str
        What is danced here: 'all' that the model knows, a group ('standard', 'latin', 'ten', 'social'), or
        dances ('tango', 'tango,rumba', ['tango', 'social']); whatever else it knows counts as none of them.
    nothing_else : bool
        Nothing else than `dances` is played here: 'none of these' is never the answer, and what the model
        gives to anything else is shared out among them.
    beats : bool
        Also tell when the beats are, and which are the ones: `Prediction.beats`.
    excerpt : (float, float or None)
        From where to where recordings in files are heard, s; to their ends if None. Times in a `Prediction`
        count from the beginning of the recording all the same.

    Examples
    --------
    >>> from runtime import Classifier
    >>> classifier = Classifier()
    >>> classifier.classify("examples/viennese_waltz.ogg").dance
    'viennese_waltz'
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model | None = None,
        *,
        threads: int | None = None,
        stride: int = DEFAULT_STRIDE,
        min_confidence: float | None = None,
        aggregation: Aggregation = "evidence",
        dances: Dances = ALL,
        nothing_else: bool = False,
        beats: bool = False,
        excerpt: tuple[float, float | None] = (0.0, None),
    ) -> None:
        try:
            first, last = excerpt
        except (TypeError, ValueError) as error:
            raise ParameterError(f"excerpt must be a beginning and an end, s, got {excerpt!r}") from error
        start = 0.0 if first is None else parameters.real("excerpt", first)
        end = None if last is None else parameters.real("excerpt", last)
        if not (0 <= start < math.inf and (end is None or start + MIN_SECONDS <= end < math.inf)):
            raise ParameterError(
                f"excerpt must begin at 0 s or later and end at least {MIN_SECONDS:g} s behind that, "
                f"got {start!r} to {end!r}"
            )
        self.excerpt = start, end
        self.judging = judging_for(
            model,
            threads,
            stride,
            min_confidence,
            aggregation,
            dances,
            nothing_else=nothing_else,
            beats=beats,
        )

    @property
    def model(self) -> Model:
        return self.judging.model

    @property
    def labels(self) -> tuple[str, ...]:
        """Keys of the dances that may be answered."""
        return self.judging.labels

    def classify(self, source: Source) -> Prediction:
        """Classify a recording; memory hardly grows with its length.

        Parameters
        ----------
        source : path-like, bytes or binary file object
            Any audio file, or its content.

        Raises
        ------
        AudioError
            If it cannot be decoded, holds samples that are not finite or absurdly large, or is shorter
            than 2 s.
        """
        return self.heard(source)[0]

    def heard(self, source: Source) -> tuple[Prediction, FileState | None]:
        """As `classify`, with the state of the file that was heard (`runtime.atomic.file_state`).

        Taken when it is opened; None of what is no file. Whoever does something to a file by its name
        compares.
        """
        session = WholeRecording(self.judging)
        n_samples = 0
        with open_audio(source, until=self.excerpt[1]) as reader:
            stream = MelStream(reader.sample_rate)
            for block in prefetched(between(reader.blocks(), reader.sample_rate, *self.excerpt)):
                n_samples += len(block)
                session.push(stream.push(block))
        session.push(stream.flush())
        session.warnings = tuple(reader.warnings)
        if not n_samples and self.excerpt[0]:
            raise AudioError(f"{reader.name}: ends before {clock(self.excerpt[0])}, where it was to be heard")
        seconds = n_samples / reader.sample_rate
        try:
            prediction = session.prediction(seconds)
        except AudioError as error:
            raise AudioError(f"{reader.name}: {error}") from error
        begin, end = self.excerpt
        to_the_end = end is None or begin + seconds < end - 1 / reader.sample_rate
        return prediction.within(begin, begin + seconds if to_the_end else reader.length), reader.state

    def classify_samples(self, samples: ArrayLike, sample_rate: int) -> Prediction:
        """Classify mono samples, shape (n_samples,), nominally -1 to 1, at `sample_rate` Hz."""
        samples, sample_rate = mono(samples), parameters.rate(sample_rate)
        session = WholeRecording(self.judging)
        session.push(mel.melspectrogram(samples, sample_rate=sample_rate))
        return session.prediction(len(samples) / sample_rate)

    def classify_spectrogram(self, frames: Float32) -> Prediction:
        """Classify mel power as `mel.melspectrogram` gives it, shape (n_frames, 224)."""
        frames = parameters.numbers("frames", frames)
        if frames.ndim != 2 or frames.shape[1] != mel.N_MELS:
            raise ParameterError(f"frames must have shape (n_frames, {mel.N_MELS}), got {frames.shape}")
        session = WholeRecording(self.judging)
        session.push(frames)
        return session.prediction(len(frames) / FRAME_RATE)


def classify(
    source: Source,
    *,
    stride: int = DEFAULT_STRIDE,
    model: str | os.PathLike[str] | Model | None = None,
) -> Prediction:
    """Which dance is this recording for? One call for one file; keep a `Classifier` for many.

    Parameters
    ----------
    source : path-like, bytes or binary file object
        Any audio file, or its content.
    stride : int
        Frames (23.2 ms) from one segment to the next.
    model : path-like, str or Model, optional
        The default shipped model if None.

    Raises
    ------
    AudioError
        If the file cannot be decoded or is too short.
    """
    return Classifier(model, stride=stride).classify(source)


def mono(samples: ArrayLike) -> Float32:
    """Samples as float32 (n_samples,); ParameterError for more axes, AudioError for absurd values."""
    array = parameters.numbers("samples", samples)
    if array.ndim == 2:
        axis = int(np.argmin(array.shape))
        raise ParameterError(
            f"samples must be mono, of shape (n_samples,), got shape {array.shape}; "
            f"if axis {axis} are channels, give samples.mean(axis={axis})"
        )
    if array.ndim != 1:
        raise ParameterError(f"samples must be mono, of shape (n_samples,), got shape {array.shape}")
    bad = first_absurd(array)
    if bad is not None:
        raise AudioError(f"samples[{bad}] is {array[bad]}, not a finite number of a sensible size")
    return array


def judging_for(
    model: str | os.PathLike[str] | Model | None,
    threads: int | None,
    stride: int,
    min_confidence: float | None,
    aggregation: Aggregation,
    dances: Dances,
    *,
    nothing_else: bool = False,
    beats: bool | BeatModel = False,
) -> Judging:
    """Check what a classifier was asked for, and load its model."""
    if min_confidence is not None:
        min_confidence = parameters.real("min_confidence", min_confidence)
        if not 0 <= min_confidence <= 1:  # nan is not, either
            raise ParameterError(f"min_confidence must be from 0 to 1, got {min_confidence!r}")
    threads = None if threads is None else parameters.integer("threads", threads, 1)
    stride = parameters.integer("stride", stride, 1)
    if aggregation not in get_args(Aggregation):
        known = ", ".join(get_args(Aggregation))
        raise ParameterError(f"aggregation must be one of {known}, got {aggregation!r}")
    loaded = model if isinstance(model, Model) else Model.load(model, threads=threads)
    chosen = danced(dances, loaded.info.labels)
    of_beats = beats if isinstance(beats, BeatModel) else BeatModel.load() if beats else None
    return Judging(loaded, check_stride(stride), min_confidence, aggregation, chosen, nothing_else, of_beats)
