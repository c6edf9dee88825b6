"""The pipeline put together: from a file, from samples, from a spectrogram, from a microphone."""

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from runtime import mel
from runtime.aggregate import RunningMean
from runtime.audio import open_audio
from runtime.dances import DANCE_KEYS, DANCES
from runtime.errors import AudioError, ParameterError
from runtime.mel import FRAME_RATE, Float32, MelStream
from runtime.model import Model
from runtime.segments import DEFAULT_STRIDE, MIN_SECONDS, SegmentStream, check_stride, padded
from runtime.tempo import TempoTracker

LIVE_STRIDE = 43  # frames: an update every second
BATCH_SEGMENTS = 16  # segments per run of the network: bounds memory at small strides
PREFETCH_BLOCKS = 1  # decoded blocks waiting for the front end


@dataclass(frozen=True)
class Prediction:
    """What a recording was taken for.

    Attributes
    ----------
    dance : str or None
        Key of the dance, or None where the model is not sure (its confidence is below the model's
        reject threshold).
    confidence : float
        Score of `best`, 0 to 1.
    best : str
        The dance with the highest score, even where `dance` is None.
    scores : dict of str to float
        Mean score of each of the ten dances, in class order. A model that knows 'none of the ten'
        gives scores that sum to less than one; the rest is the score of none of them.
    segment_times : tuple of float
        Start of each segment, s.
    segment_scores : ndarray, shape (n_segments, 10), float32
    segment_seconds : float
        Length of a segment, s.
    duration : float
        Length of the recording, s.
    padded : bool
        True where the recording was shorter than one segment and was repeated to fill it.
    tempo_bpm, tempo_mpm : float or None
        Beats per minute, and measures (bars) per minute, as `dance` is counted. None where `dance` is
        None or the recording is too short (4 s) to tell.
    metre : str or None
        Time signature of `dance`.
    """

    dance: str | None
    confidence: float
    best: str
    scores: dict[str, float]
    segment_times: tuple[float, ...]
    segment_scores: Float32
    segment_seconds: float
    duration: float
    padded: bool = False
    tempo_bpm: float | None = None
    tempo_mpm: float | None = None
    metre: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain Python objects that `json` accepts."""
        segments = [
            {"start": t, "end": t + self.segment_seconds, "scores": dict(zip(DANCE_KEYS, row, strict=True))}
            for t, row in zip(self.segment_times, self.segment_scores.tolist(), strict=True)
        ]
        return {
            "dance": self.dance,
            "confidence": self.confidence,
            "best": self.best,
            "scores": dict(self.scores),
            "duration": self.duration,
            "padded": self.padded,
            "tempo_bpm": self.tempo_bpm,
            "tempo_mpm": self.tempo_mpm,
            "metre": self.metre,
            "segments": segments,
        }


class _Session:
    """One recording on its way through the pipeline: frames in, Prediction out."""

    def __init__(self, model: Model, stride: int) -> None:
        self.model = model
        self.segments = SegmentStream(model.info.segment_frames, stride)
        self.mean = RunningMean(len(DANCE_KEYS))
        self.tempo = TempoTracker()
        self.times: list[float] = []
        self.scores: list[Float32] = []

    def push(self, frames: Float32) -> int:
        """Classify the segments that these frames complete; return how many."""
        self.tempo.push(frames)
        windows, times = self.segments.push(frames)
        for first in range(0, len(windows), BATCH_SEGMENTS):
            self._add(windows[first : first + BATCH_SEGMENTS])
        self.times += times
        return len(times)

    def _add(self, windows: Float32) -> None:
        scores = self.model.run(windows)
        self.mean.update(scores)
        self.scores.append(scores)

    def prediction(self, duration: float) -> Prediction:
        """The state so far; a recording shorter than one segment is classified from one padded segment."""
        short = not self.times
        if short:
            if duration < MIN_SECONDS:
                raise AudioError(
                    f"the recording is {duration:.2f} s long; it must be at least {MIN_SECONDS:g} s, "
                    "and a few bars more give a surer answer"
                )
            self._add(padded(self.segments.pending, self.segments.segment_frames).T[None, None])
            self.times.append(0.0)
        mean = self.mean.mean
        best = int(np.argmax(mean))
        confidence = float(mean[best])
        threshold = self.model.info.reject_threshold
        named = None if threshold is not None and confidence < threshold else DANCES[best]
        tempo = self.tempo.estimate(named) if named else None
        return Prediction(
            dance=named.key if named else None,
            confidence=confidence,
            best=DANCE_KEYS[best],
            scores=dict(zip(DANCE_KEYS, mean.tolist(), strict=True)),
            segment_times=tuple(self.times),
            segment_scores=np.concatenate(self.scores),
            segment_seconds=self.model.info.segment_frames / FRAME_RATE,
            duration=duration,
            padded=short,
            tempo_bpm=tempo.bpm if tempo else None,
            tempo_mpm=tempo.mpm if tempo else None,
            metre=named.metre if named else None,
        )


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
    ) -> None:
        self.stride = check_stride(stride)
        self.model = model if isinstance(model, Model) else Model.load(model, threads=threads)

    def classify(self, path: str | os.PathLike[str]) -> Prediction:
        """Classify a recording in a file; memory does not grow with its length.

        Raises
        ------
        AudioError
            If the file cannot be decoded, holds samples that are not finite, or is shorter than 2 s.
        """
        session = _Session(self.model, self.stride)
        n_samples = 0
        with open_audio(path) as reader:
            stream = MelStream(reader.sample_rate)
            for block in _prefetched(reader.blocks()):
                n_samples += len(block)
                session.push(stream.push(block))
        session.push(stream.flush())
        try:
            return session.prediction(n_samples / reader.sample_rate)
        except AudioError as error:
            raise AudioError(f"{os.fspath(path)}: {error}") from error

    def classify_samples(self, samples: ArrayLike, sample_rate: int) -> Prediction:
        """Classify mono samples, shape (n_samples,), nominally -1 to 1, at `sample_rate` Hz."""
        samples = np.asarray(samples, dtype=np.float32)
        if samples.ndim != 1:
            raise ParameterError(f"samples must be mono, of shape (n_samples,), got shape {samples.shape}")
        if not np.isfinite(samples).all():
            bad = int(np.flatnonzero(~np.isfinite(samples))[0])
            raise AudioError(f"samples[{bad}] is not a finite number")
        session = _Session(self.model, self.stride)
        session.push(mel.melspectrogram(samples, sample_rate=sample_rate))
        return session.prediction(len(samples) / sample_rate)

    def classify_spectrogram(self, frames: Float32) -> Prediction:
        """Classify mel power as `mel.melspectrogram` gives it, shape (n_frames, 224)."""
        frames = np.asarray(frames, dtype=np.float32)
        if frames.ndim != 2 or frames.shape[1] != mel.N_MELS:
            raise ParameterError(f"frames must have shape (n_frames, {mel.N_MELS}), got {frames.shape}")
        session = _Session(self.model, self.stride)
        session.push(frames)
        return session.prediction(len(frames) / FRAME_RATE)


class LiveClassifier:
    """Tells the dance while the music plays: the incremental mean of the thesis, section 3.4.

    Parameters
    ----------
    sample_rate : int
        Hz, of the samples that will be pushed.
    model, threads :
        As for `Classifier`.
    stride : int
        Frames from one segment to the next; 43 gives an update every second.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        model: str | os.PathLike[str] | Model | None = None,
        threads: int | None = None,
        stride: int = LIVE_STRIDE,
    ) -> None:
        self.sample_rate = sample_rate
        self._stream = MelStream(sample_rate)
        self.stride = check_stride(stride)
        self.model = model if isinstance(model, Model) else Model.load(model, threads=threads)
        self.reset()

    def reset(self) -> None:
        """Forget the music so far: a new dance begins."""
        self._stream.reset()
        self._session = _Session(self.model, self.stride)
        self._seconds_before = 0.0  # of the recording, up to the last gap
        self._n_samples = 0  # since then

    def gap(self, seconds: float = 0.0, *, sample_rate: int | None = None) -> None:
        """Tell that sound is missing here: no segment will span the gap, and the mean goes on.

        Parameters
        ----------
        seconds : float
            How much is missing, at least 0; counts as part of the recording's duration.
        sample_rate : int, optional
            Hz, of the samples that follow, where another microphone takes over.
        """
        self._seconds_before += self._n_samples / self.sample_rate + seconds
        self._n_samples = 0
        self.sample_rate = self.sample_rate if sample_rate is None else sample_rate
        self._stream = MelStream(self.sample_rate)
        self._session.segments.reset(round(self._seconds_before * FRAME_RATE))
        self._session.tempo.gap()

    def push(self, samples: ArrayLike) -> Prediction | None:
        """Take the next samples from the microphone.

        Parameters
        ----------
        samples : array_like, shape (n_samples,)
            Mono, nominally -1 to 1; any number of them.

        Returns
        -------
        Prediction or None
            The updated prediction if these samples complete a segment, else None. The first comes
            after 5.2 s.
        """
        samples = np.asarray(samples, dtype=np.float32)
        if not np.isfinite(samples).all():
            raise AudioError("the microphone gave samples that are not finite numbers")
        frames = self._stream.push(samples)
        self._n_samples += len(samples)
        if not self._session.push(frames):
            return None
        return self._session.prediction(self._seconds_before + self._n_samples / self.sample_rate)


def classify(
    path: str | os.PathLike[str],
    *,
    stride: int = DEFAULT_STRIDE,
    model: str | os.PathLike[str] | Model | None = None,
) -> Prediction:
    """Which dance is this recording for? One call for one file; keep a `Classifier` for many.

    Parameters
    ----------
    path : path-like
        Any audio file.
    stride : int
        Frames (23.2 ms) from one segment to the next.
    model : path-like, str or Model, optional
        The default shipped model if None.
    """
    return Classifier(model, stride=stride).classify(path)


def _prefetched(blocks: Iterable[Float32]) -> Iterator[Float32]:
    """The same blocks, decoded in a thread while the caller works on the one before."""
    done = object()
    stop = threading.Event()
    waiting: queue.Queue[Any] = queue.Queue(PREFETCH_BLOCKS)

    def put(item: Any) -> None:
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def decode() -> None:
        try:
            for block in blocks:
                put(block)
                if stop.is_set():
                    return
            put(done)
        except BaseException as error:  # handed on to the caller's thread
            put(error)

    thread = threading.Thread(target=decode, name="whichdance-decode", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not done:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
