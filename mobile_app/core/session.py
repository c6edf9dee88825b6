"""One act of listening, from the tap on the button to the saved result.

    audio callback → ring buffer → one worker thread (front end, inference, saving) → `post` to the screen

Everything the screen does and reads happens on the screen's thread. The worker computes, and hands what
it found to `post`; it never waits for the screen. If inference falls behind, the ring buffer drops the
oldest sound, the segments that would have spanned the gap are skipped, and the log says so.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum

import numpy as np

from mobile_app.core.history import MICROPHONE, Draft, History
from mobile_app.core.interfaces import AudioSource
from mobile_app.core.level import Level, LevelMeter
from mobile_app.core.problems import Notice, Problem, SourceError, StorageError
from mobile_app.core.recording import WavWriter
from mobile_app.core.ring import RingBuffer, Samples
from mobile_app.core.timeline import Timeline
from mobile_app.core.verdict import Verdict, threshold, verdict
from runtime import LiveClassifier, Model, Prediction, WhichdanceError
from runtime.dances import DANCE_KEYS
from runtime.mel import FRAME_RATE

log = logging.getLogger(__name__)

RING_SECONDS = 8.0  # one segment and a half: what inference may be late before sound is dropped
CHUNK_SECONDS = 0.1  # what the worker takes at a time, so that the level meter lives
SAVE_SECONDS = 5.0  # between two saves of a session that goes on
SILENT_SECONDS = 3.0  # nothing but zeros for so long: somebody else has the microphone
NOTICE_SECONDS = 8.0  # how long the screen says that music was skipped
RETRY_SECONDS = 5.0  # a microphone that is lost again sooner is not replaced a second time

LISTENING = verdict(None, threshold=0)


class State(Enum):
    """Where a session stands."""

    IDLE = "idle"  # never started
    STARTING = "starting"  # the model is loading, the microphone opening
    LISTENING = "listening"
    PAUSED = "paused"  # the source is closed, the evidence is kept
    FINISHED = "finished"


class Event(Enum):
    """What moves a session on."""

    START = "start"
    READY = "ready"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.IDLE, Event.START): State.STARTING,
    (State.STARTING, Event.READY): State.LISTENING,
    (State.STARTING, Event.PAUSE): State.PAUSED,
    (State.STARTING, Event.FINISH): State.FINISHED,
    (State.LISTENING, Event.PAUSE): State.PAUSED,
    (State.LISTENING, Event.FINISH): State.FINISHED,
    (State.PAUSED, Event.RESUME): State.STARTING,
    (State.PAUSED, Event.FINISH): State.FINISHED,
}


@dataclass(frozen=True)
class Snapshot:
    """All that a screen needs to draw a session.

    Attributes
    ----------
    state : State
    prediction : Prediction or None
    verdict : Verdict
    level : Level
    elapsed : float
        Seconds of sound heard.
    first_after : float
        Seconds of sound until the first result.
    progress : float or None
        Of a file, 0 to 1.
    problem : Problem or None
        Why it stopped, or what could not be done.
    notice : Notice or None
    skipped : int
        Segments lost because inference fell behind.
    tempo_mpm : float or None
        Measures per minute, where the runtime offers it.
    """

    state: State = State.IDLE
    prediction: Prediction | None = None
    verdict: Verdict = LISTENING
    level: Level = field(default_factory=Level)
    elapsed: float = 0.0
    first_after: float = 0.0
    progress: float | None = None
    problem: Problem | None = None
    notice: Notice | None = None
    skipped: int = 0
    tempo_mpm: float | None = None


@dataclass(frozen=True)
class Options:
    """How a session listens; from the settings.

    Attributes
    ----------
    stride : int
        Frames between updates.
    sensitivity : str
        As in `verdict.threshold`.
    keep_audio : bool
        Keep the sound beside the history.
    """

    stride: int
    sensitivity: str = "balanced"
    keep_audio: bool = False


class Session:
    """Listens to one source until it ends or is stopped; may be paused and resumed meanwhile.

    All methods belong to the screen's thread.

    Parameters
    ----------
    open_source : callable
        A new audio source; called again on resume, and once more when the source is lost.
    load_model : callable
        The model; called in the worker thread.
    history : History
    options : Options
    post : callable
        Runs a function on the screen's thread, soon.
    on_change : callable
        Told, on the screen's thread, that `snapshot` has changed.
    source_name : str
        'microphone', or the name of the file.
    """

    def __init__(
        self,
        open_source: Callable[[], AudioSource],
        load_model: Callable[[], Model],
        history: History,
        options: Options,
        *,
        post: Callable[[Callable[[], None]], None],
        on_change: Callable[[], None],
        source_name: str = MICROPHONE,
    ) -> None:
        self._open_source = open_source
        self._load_model = load_model
        self._history = history
        self._options = options
        self.post = post
        self._on_change = on_change
        self._live = source_name == MICROPHONE
        self._source: AudioSource | None = None
        self._worker: _Worker | None = None
        self._classifier: LiveClassifier | None = None
        self._lost_at = -math.inf
        self._keep_audio = options.keep_audio and self._live
        self._writer: WavWriter | None = None
        self._lasting_notice: Notice | None = None
        self.draft = Draft(started=datetime.now(UTC), source=source_name)
        self.snapshot = Snapshot()

    @property
    def timeline(self) -> Timeline:
        """All segments so far."""
        return self.draft.timeline

    # Moving on

    def _move(self, event: Event, **changes: object) -> None:
        state = TRANSITIONS[self.snapshot.state, event]
        log.info("session: %s, %s → %s", self.snapshot.state.value, event.value, state.value)
        self._show(state=state, **changes)

    def _show(self, **changes: object) -> None:
        self.snapshot = replace(self.snapshot, **changes)  # type: ignore[arg-type]
        self._on_change()

    def start(self) -> None:
        """Open the source and listen. What goes wrong is told by `snapshot.problem`."""
        self._move(Event.START)
        self._open()

    def refuse(self, problem: Problem) -> None:
        """End before the start: the user does not want the microphone to be used."""
        self._move(Event.START)
        self._move(Event.FINISH, problem=problem)

    def pause(self, problem: Problem | None = None) -> None:
        """Give the microphone back, keep the evidence. Does nothing unless listening."""
        if self.snapshot.state in (State.STARTING, State.LISTENING):
            self._close()
            self._move(Event.PAUSE, problem=problem)

    def resume(self) -> None:
        """Go on after a pause, with the evidence there was. Does nothing unless paused."""
        if self.snapshot.state is State.PAUSED:
            self._lasting_notice = None
            self._move(Event.RESUME, problem=None, notice=None)
            self._open()

    def stop(self, problem: Problem | None = None) -> None:
        """Stop for good and save the result. Does nothing where it has stopped."""
        if self.snapshot.state not in (State.IDLE, State.FINISHED):
            self._close()
            if not len(self.timeline) and problem is None:
                problem = Problem.TOO_SHORT
            self._close_audio()
            self.draft.duration = self.snapshot.elapsed
            self._move(Event.FINISH, problem=self.save() or problem, notice=None, level=Level())

    def cancel(self) -> None:
        """Stop and forget: nothing of this session stays in the history."""
        if self.snapshot.state not in (State.IDLE, State.FINISHED):
            self._close()
            self._history.forget(self.draft)
            self.draft = Draft(started=self.draft.started, source=self.draft.source)
            self._close_audio()
            self._move(Event.FINISH, problem=None, notice=None, prediction=None, verdict=LISTENING)

    def _close_audio(self) -> None:
        if self._writer:
            self._writer.close()
            if self.draft.id is None and not len(self.timeline):
                self._writer.path.unlink(missing_ok=True)
            self._writer = None

    # Source and worker

    def _open(self) -> None:
        source = self._open_source()

        def ring(sample_rate: int) -> RingBuffer:
            buffer = RingBuffer(round(RING_SECONDS * sample_rate))
            self._worker = _Worker(self, buffer, sample_rate)
            return buffer

        def on_end(error: SourceError | None) -> None:
            if worker := self._worker:
                worker.end(error)

        try:
            source.start(ring, on_end)
        except SourceError as error:
            log.error("source can't start: %s", error)
            source.stop()
            self._worker = None
            # A session that has heard something waits for the user; one that has not is over.
            if self._live and self.snapshot.elapsed:
                self._move(Event.PAUSE, problem=error.problem)
            else:
                self._move(Event.FINISH, problem=error.problem)
            return
        self._source = source
        assert self._worker is not None, "a source asks for its ring before start returns"
        self._worker.start()

    def _close(self) -> None:
        source, self._source = self._source, None
        worker, self._worker = self._worker, None
        if source:
            source.stop()
        if worker:
            worker.stop()
            news = worker.news  # the last of it may not have reached the screen yet
            self.snapshot = replace(
                self.snapshot,
                prediction=news.prediction,
                verdict=news.verdict,
                elapsed=news.elapsed,
                skipped=news.skipped,
            )

    # Posted by the worker to the screen's thread. A worker that has been replaced is not listened to.

    def worker_ready(self, worker: "_Worker", first_after: float) -> None:
        """The model is loaded."""
        if worker is self._worker and self.snapshot.state is State.STARTING:
            self._move(Event.READY, first_after=first_after)

    def worker_news(self, worker: "_Worker") -> None:
        """There is something new to show."""
        if worker is not self._worker or self.snapshot.state is not State.LISTENING:
            return
        news = worker.take()
        self._show(
            prediction=news.prediction,
            verdict=news.verdict,
            level=news.level,
            elapsed=news.elapsed,
            skipped=news.skipped,
            tempo_mpm=self.draft.tempo_mpm,
            progress=self._source.progress() if self._source else None,
            problem=news.problem,
            notice=news.notice or self._lasting_notice,
        )

    def worker_ended(self, worker: "_Worker", error: SourceError | None) -> None:
        """The source has ended, or failed."""
        if worker is not self._worker:
            return
        self.worker_news(worker)
        if error is None:
            self.stop()
        elif error.problem is Problem.MICROPHONE_LOST and time.monotonic() - self._lost_at > RETRY_SECONDS:
            # Unplugged: perhaps another microphone is there. Tried once, or it would go round for ever.
            self._lost_at = time.monotonic()
            self.pause(error.problem)
            self.resume()
            if self.snapshot.state is State.STARTING:
                self._lasting_notice = Notice.OTHER_MICROPHONE
                self._show(notice=Notice.OTHER_MICROPHONE)
            else:
                self._show(problem=error.problem)
        elif self._live and self.snapshot.elapsed:
            self.pause(error.problem)
        else:
            self.stop(error.problem)

    # Called by the worker, in its own thread

    def classifier(self, sample_rate: int) -> LiveClassifier:
        """The classifier of this session; after a pause the same one, so that the mean goes on."""
        if self._classifier is None:
            model = self._load_model()
            self.draft.model = f"{model.info.name} {model.info.version}"
            self._classifier = LiveClassifier(sample_rate, model=model, stride=self._options.stride)
        else:
            self._classifier.gap(sample_rate=sample_rate)
        return self._classifier

    def judge(self, prediction: Prediction, model: Model) -> Verdict:
        """Note a prediction in the draft; return what to say about it."""
        draft = self.draft
        limit = threshold(self._options.sensitivity, model.info.reject_threshold)
        judged = verdict(prediction, threshold=limit)
        draft.timeline.extend(prediction.segment_times, prediction.segment_scores[:, : len(DANCE_KEYS)])
        draft.duration, draft.dance, draft.best = prediction.duration, judged.dance, prediction.best
        draft.confidence, draft.scores = prediction.confidence, dict(prediction.scores)
        draft.tempo_mpm = getattr(prediction, "tempo_mpm", None)  # only some runtimes tell the tempo
        return judged

    def save(self) -> Problem | None:
        """Save what there is; the problem, where that fails."""
        if not len(self.timeline):
            return None
        try:
            self._history.save(self.draft)
        except StorageError as error:
            log.error("session not saved: %s", error)
            return error.problem
        return None

    def keep(self, samples: Samples, sample_rate: int) -> None:
        """Append to the kept sound, where the user wants that and there is room."""
        if not self._keep_audio:
            return
        try:
            if self._writer is None:
                path = self._history.new_audio_path(self.draft.started)
                self._writer = WavWriter(path, sample_rate)
                self.draft.audio = path.name
            self._writer.write(samples, sample_rate)
        except OSError as error:
            log.error("sound can't be kept any longer: %s", error)
            self._keep_audio = False
            self._lasting_notice = Notice.AUDIO_DISK_FULL


@dataclass(frozen=True)
class _News:
    """What the worker found last; replaced as a whole, so that the screen never sees half of it."""

    prediction: Prediction | None = None
    verdict: Verdict = LISTENING
    level: Level = field(default_factory=Level)
    elapsed: float = 0.0
    skipped: int = 0
    problem: Problem | None = None
    notice: Notice | None = None


class _Worker:
    """The one thread that turns sound into scores, for as long as one source is open."""

    def __init__(self, session: Session, ring: RingBuffer, sample_rate: int) -> None:
        self._session = session
        self._ring = ring
        self._rate = sample_rate
        self._meter = LevelMeter(sample_rate)
        self._end: tuple[SourceError | None] | None = None
        self._stopping = False
        self._posted = False
        self._skipped_at = -math.inf  # s of sound
        self._silent = 0  # samples of nothing but zeros, not yet told to the classifier
        self._saved_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="whichdance-worker", daemon=True)
        now = session.snapshot
        self.news = _News(now.prediction, now.verdict, elapsed=now.elapsed, skipped=now.skipped)

    def start(self) -> None:
        """Begin to read the ring."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the chunk at hand and end; waits until it has."""
        self._stopping = True
        self._ring.close()
        self._thread.join()

    def end(self, error: SourceError | None) -> None:
        """The source has ended: read what is left in the ring, then tell the session."""
        self._end = (error,)
        self._ring.close()

    def take(self) -> _News:
        """What there is to show; the next piece of news is posted anew."""
        self._posted = False
        return self.news

    def _run(self) -> None:
        session = self._session
        error: SourceError | None = None
        try:
            classifier = session.classifier(self._rate)
            first_after = classifier.model.info.segment_frames / FRAME_RATE
            session.post(lambda: session.worker_ready(self, first_after))
            chunk = round(CHUNK_SECONDS * self._rate)
            while not self._stopping and not self._ring.exhausted:
                samples, dropped = self._ring.read(chunk, timeout=0.5)
                if dropped:
                    # All of it goes, not only the oldest: a little lost again and again would leave no
                    # stretch as long as a segment.
                    self._skip(classifier, dropped + len(samples) + self._ring.clear())
                elif len(samples):
                    self._hear(classifier, samples)
                if not self._posted:
                    self._posted = True
                    session.post(lambda: session.worker_news(self))
            if self._end:
                error = self._end[0]
        except WhichdanceError as failure:
            log.error("listening failed: %s", failure)
            error = SourceError(Problem.MODEL_UNUSABLE, str(failure))
        except Exception as failure:
            log.exception("listening failed")
            error = SourceError(Problem.UNEXPECTED, str(failure))
        if not self._stopping:
            session.post(lambda: session.worker_ended(self, error))

    def _tell(self, **changes: object) -> None:
        self.news = replace(self.news, **changes)  # type: ignore[arg-type]

    def _skip(self, classifier: LiveClassifier, dropped: int) -> None:
        seconds = dropped / self._rate
        segments = max(1, round(seconds * FRAME_RATE / classifier.stride))
        log.warning("inference fell behind: %d segment(s) skipped, %.1f s of sound", segments, seconds)
        classifier.gap(seconds)
        self._skipped_at = self.news.elapsed + seconds
        self._tell(
            skipped=self.news.skipped + segments,
            elapsed=self.news.elapsed + seconds,
            notice=Notice.FALLING_BEHIND,
        )

    def _hear(self, classifier: LiveClassifier, samples: Samples) -> None:
        level = self._meter.push(samples)
        self._tell(level=level, elapsed=self.news.elapsed + len(samples) / self._rate)
        self._session.keep(samples, self._rate)
        busy = self.news.notice is Notice.FALLING_BEHIND
        if busy and self.news.elapsed - self._skipped_at > NOTICE_SECONDS:
            self._tell(notice=None)
        if not samples.any():
            # No microphone hears perfect silence: it is muted, or another app holds it. Scores of
            # nothing would only spoil the mean.
            self._silent += len(samples)
            if self._silent >= SILENT_SECONDS * self._rate:
                self._tell(notice=Notice.SILENT)
            return
        if self._silent >= SILENT_SECONDS * self._rate:
            classifier.gap(self._silent / self._rate)
            self._tell(notice=None)
        elif self._silent:
            classifier.push(np.zeros(self._silent, np.float32))
        self._silent = 0
        prediction = classifier.push(samples)
        if prediction is not None:
            self._tell(prediction=prediction, verdict=self._session.judge(prediction, classifier.model))
            if time.monotonic() - self._saved_at >= SAVE_SECONDS or self._session.draft.id is None:
                self._saved_at = time.monotonic()
                self._tell(problem=self._session.save())
