"""The one thread that turns a session's sound into scores, lines of the history, and kept sound.

    audio callback → ring buffer → this thread (front end, inference, saving) → `tell` → screen

Everything here belongs to the thread, from the session's start to its end: the screen puts messages into
its inbox and reads `news`, which is replaced as a whole. If inference falls behind, the ring buffer drops
the oldest sound, the segments that would have spanned the gap are skipped, and the log says so.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mobile_app.core.beating import Beating
from mobile_app.core.count import Pulse
from mobile_app.core.danced import chosen
from mobile_app.core.history import MICROPHONE, Draft, Heard, History
from mobile_app.core.problems import Notice, Problem, SourceError, StorageError
from mobile_app.core.recording import TOLERANCE, WavWriter
from mobile_app.core.records import song_of
from mobile_app.core.ring import RingBuffer, Samples
from mobile_app.core.setlist import Pauses, SetList
from mobile_app.core.storage import LEFT_FREE_BYTES, free_bytes, remove
from mobile_app.core.teacher import Teacher
from mobile_app.core.timeline import Timeline
from runtime import Answer, LiveClassifier, Model, Prediction, WhichdanceError
from runtime.beat_activations import BeatModel
from runtime.corrections import Memory
from runtime.dances import ALL, OTHER
from runtime.live import Level
from runtime.mel import FRAME_RATE

log = logging.getLogger(__name__)

CHUNK_SECONDS = 0.1  # what is taken from the ring at a time, so that the level meter lives
WAIT_SECONDS = 0.5  # beyond the length of a chunk, for a source that gives nothing
SAVE_SECONDS = 5.0  # between two saves of a session that goes on
NOTICE_SECONDS = 8.0  # how long the screen says that music was skipped

NOT_YET = Answer.of(None)


@dataclass(frozen=True)
class Options:
    """How a session listens; from the settings.

    Attributes
    ----------
    stride : int
        Frames between updates; of the session as it starts.
    min_confidence : float or None
        Probability from which a dance is named; the model's own where None. As the session starts.
    danced : str
        What is danced here, as the settings keep it (`danced`). As the session starts.
    nothing_else : bool
        And nothing else is played. As the session starts.
    keep_audio : bool
        Keep the sound beside the history; may change at any time.
    audio_limit : int
        Bytes that all kept sound may take.
    chunk_seconds : float
        Of sound taken at a time, and from one change on the screen to the next; of sources that start later.
    beats : bool
        Follow the beats of a microphone's sound. As the session starts.
    lead : float
        s by which beats are told before their sound comes in; may change at any time.
    """

    stride: int
    min_confidence: float | None = None
    danced: str = ALL
    nothing_else: bool = False
    keep_audio: bool = False
    audio_limit: int = 500_000_000
    chunk_seconds: float = CHUNK_SECONDS
    beats: bool = False
    lead: float = 0.0


@dataclass(frozen=True)
class Ears:
    """What a session hears with. The models are loaded in the listener's thread, once.

    Attributes
    ----------
    load_model : callable
        What tells dances.
    load_beats : callable
        What tells beats, or None.
    teacher : Teacher or None
        Who remembers what songs are like, and learns from what the user says of them.
    """

    load_model: Callable[[], Model]
    load_beats: Callable[[], BeatModel | None] = lambda: None
    teacher: Teacher | None = None


@dataclass(frozen=True)
class News:
    """What the listener found last; replaced as a whole, so that the screen never sees half of it.

    Attributes
    ----------
    prediction : Prediction or None
    answer : Answer
    lines : tuple of Heard
        The dances so far; the last one may go on.
    level : Level
    elapsed : float
        Seconds of sound heard.
    first_after : float
        Seconds of sound until the first result; 0 while the model is loading.
    skipped : int
        Segments lost because inference fell behind.
    saved : int or None
        The session's row in the history.
    pulse : Pulse or None
        The next beat, where one is sure.
    problem, notice
        What went wrong, or is worth knowing.
    """

    prediction: Prediction | None = None
    answer: Answer = NOT_YET
    lines: tuple[Heard, ...] = ()
    level: Level = field(default_factory=Level)
    elapsed: float = 0.0
    first_after: float = 0.0
    skipped: int = 0
    saved: int | None = None
    pulse: Pulse | None = None
    problem: Problem | None = None
    notice: Notice | None = None


class Feed:
    """A ring buffer that a source fills, until one of the two ends it.

    `ended` is written by the source's thread, `left` by the screen's, and both are read by the listener's.
    """

    def __init__(self, ring: RingBuffer, sample_rate: int) -> None:
        self.ring = ring
        self.sample_rate = sample_rate
        self.ended: tuple[SourceError | None] | None = None
        self.left = False
        self.done = threading.Event()  # set by the listener

    def end(self, error: SourceError | None) -> None:
        """The source has no more, or can't go on: what is in the ring is still heard."""
        self.ended = (error,)
        self.ring.close()

    def leave(self) -> None:
        """The screen wants no more; waits until the chunk at hand is done."""
        self.left = True
        self.ring.close()
        self.done.wait()


class Listener:
    """Hears one session, from its first source to its last.

    Parameters
    ----------
    ears : Ears
    history : History
    options : Options
    source : str
        'microphone', or the name of a file.
    on_news : callable
        Called from the thread when `news` is new; not again before `take`.
    on_end : callable
        Called from the thread with a feed that has ended by itself, and why.
    on_answer : callable
        Called from the thread with every answer.
    on_pulse : callable
        Called from the thread with the next beat, again and again.
    """

    def __init__(
        self,
        ears: Ears,
        history: History,
        options: Options,
        source: str,
        *,
        on_news: Callable[[], None],
        on_end: Callable[[Feed, SourceError | None], None],
        on_answer: Callable[[Answer], None] = lambda _: None,
        on_pulse: Callable[[Pulse | None], None] = lambda _: None,
    ) -> None:
        self._ears = ears
        self._teacher = ears.teacher
        self._memory: Memory | None = None  # of the segments, where somebody may learn from them
        self._on_pulse = on_pulse
        self._history = history
        self._on_news = on_news
        self._on_end = on_end
        self._on_answer = on_answer
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="whichdance-listener", daemon=True)
        self.options = options  # replaced as a whole by the screen
        self.news = News()
        self.draft = Draft(started=datetime.now(UTC), source=source)
        self._live = source == MICROPHONE
        self._classifier: LiveClassifier | None = None
        self._beating: Beating | None = None  # where beats are followed
        self._n_parts = 0  # of the prediction
        self._writer: WavWriter | None = None
        self._audio_full = False
        self._set_list = SetList()
        self._pauses = Pauses()
        self._taught: dict[float, str] = {}  # what was learnt of the songs, by their starts
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()  # by the user, of what plays now
        self._ones: queue.SimpleQueue[float] = queue.SimpleQueue()  # when the user tapped on the one
        self._kept_elsewhere = 0  # bytes
        self._pieces = 0  # of news; raised by the thread
        self._seen = 0  # of those, by the screen
        self._saved_at = -math.inf

    # Called by the screen

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def hear(self, feed: Feed) -> None:
        """Listen to a source, once the one before is done."""
        self._inbox.put(lambda: self._hear_out(feed))

    def take(self) -> News:
        """What there is to show; the next piece of news is told anew."""
        self._seen = self._pieces
        return self.news

    def say(self, truth: str) -> None:
        """The user says what plays now."""
        self._told.put(truth)

    def this_is_the_one(self, moment: float) -> None:
        """The user tapped on the one, at a moment of `time.monotonic`."""
        self._ones.put(moment)

    def finish(self, *, forget: bool = False) -> News:
        """Save and end, or forget all and end; waits for it. The draft is the caller's from then on."""
        self._inbox.put(lambda: self._finish(forget))
        self._inbox.put(None)
        self._thread.join()
        return self.news

    # The thread

    def _run(self) -> None:
        while (message := self._inbox.get()) is not None:
            try:
                message()
            except Exception:  # a message is the last thing that may end the thread
                log.exception("listening failed")
                self.tell(problem=Problem.UNEXPECTED)

    def _hear_out(self, feed: Feed) -> None:
        error: SourceError | None = None
        try:
            hearing = _Hearing(self, feed.sample_rate)
            self._set_list.clock(self.news.elapsed, datetime.now(UTC))
            seconds = self.options.chunk_seconds
            chunk = round(seconds * feed.sample_rate)
            while not feed.left and not feed.ring.exhausted:
                samples, dropped = feed.ring.read(chunk, timeout=seconds + WAIT_SECONDS)
                if dropped:
                    # All of it goes, not only the oldest: a little lost again and again would leave no
                    # stretch as long as a segment.
                    hearing.skip(dropped + len(samples) + feed.ring.clear())
                elif len(samples):
                    hearing.hear(samples)
                    self._follow_beats(feed)
                if not self._told.empty():
                    self._hear_truth()
                if self._seen == self._pieces:
                    self._pieces += 1
                    self._on_news()
            if feed.ended:
                error = feed.ended[0]
        except WhichdanceError as failure:
            log.error("listening failed: %s", failure)
            error = SourceError(Problem.MODEL_UNUSABLE, str(failure))
        except Exception as failure:
            log.exception("listening failed")
            error = SourceError(Problem.UNEXPECTED, str(failure))
        finally:
            self.tell(problem=self._save(), notice=None, pulse=None)
            feed.done.set()
        if not feed.left:
            self._on_end(feed, error)

    def _hear_truth(self) -> None:
        while not self._told.empty():
            self._set_list.tell(self.news.elapsed, self._told.get())
        self.draft.lines = list(self._set_list.lines)
        self._teach()
        self.tell(lines=tuple(self.draft.kept()), problem=self._save())

    def _teach(self, *, over: bool = False) -> None:
        """Remember what the songs are like; learn what the user has said of them.

        Parameters
        ----------
        over : bool
            Whether the last song is over, too.
        """
        if self._teacher is None or self._memory is None:
            return
        for line in self.draft.kept()[-2:]:  # those before are remembered
            song = song_of(self.draft.uid, line)
            self._teacher.hear(song, self._memory.between(line.start, line.end))
        for line in self.draft.kept():
            new = line.truth and self._taught.get(line.start) != line.truth
            if new and self._teacher.correct(song_of(self.draft.uid, line), line.truth):
                self._taught[line.start] = line.truth or ""
        ended = self.draft.kept() if over else self.draft.kept()[:-1]
        self._teacher.keep([song_of(self.draft.uid, line) for line in ended if not line.truth])

    def _follow_beats(self, feed: Feed) -> None:
        if self._beating is None:
            return
        lead = self.options.lead
        held, came = feed.ring.newest()
        pulse = self._beating.pulse(held / feed.sample_rate, came, lead)
        while not self._ones.empty():
            self._beating.this_is_the_one(self._ones.get(), lead)
            pulse = self._beating.pulse(held / feed.sample_rate, came, lead)
        self.tell(pulse=pulse)
        self._on_pulse(pulse)

    def _finish(self, forget: bool) -> None:
        self._close_audio()
        self.draft.duration = self.news.elapsed
        if forget:
            try:
                self._history.forget(self.draft)
            except StorageError as error:
                log.error("session not taken back: %s", error)
            if self.draft.audio:
                remove(self._history.audio_folder / self.draft.audio)
            self.draft = Draft(started=self.draft.started, source=self.draft.source)
            self.news = replace(News(), elapsed=self.news.elapsed)
            return
        self._set_list.finish()
        self._hear_truth()
        self._teach(over=True)
        self.draft.lines = list(self._set_list.lines)
        problem = self._save()
        if problem:
            self._history.entrust(self.draft)
        elif self.draft.id is None and self.draft.audio:  # nothing but silence: no line leads to its sound
            remove(self._history.audio_folder / self.draft.audio)
        self.tell(problem=problem, lines=tuple(self.draft.kept()))

    # What the hearing of a source calls, in the same thread

    def classifier(self, sample_rate: int) -> LiveClassifier:
        """The classifier of this session; after a pause the same one, so that the evidence goes on."""
        if self._classifier is None:
            model = self._ears.load_model()
            options = self.options
            beats = self._beats() if options.beats and self._live else None
            if self._teacher is not None:
                self._memory = Memory(model)
            self._classifier = LiveClassifier(
                sample_rate,
                model=self._memory.model if self._memory else model,
                stride=options.stride,
                min_confidence=options.min_confidence,
                dances=chosen(options.danced, model.info.labels),
                nothing_else=options.nothing_else,
                beats=beats or False,
            )
            self._beating = Beating(self._classifier) if beats else None
            self.draft.model = f"{model.info.name} {model.info.version}"
            self.draft.timeline = Timeline((*self._classifier.labels, OTHER))
            self._set_list = SetList(self.draft.timeline.keys)
            self.tell(first_after=model.info.segment_frames / FRAME_RATE)
        else:
            self._classifier.gap(sample_rate=sample_rate)
            if self._beating:
                self._beating.begin()
        return self._classifier

    def _beats(self) -> BeatModel | None:
        try:
            return self._ears.load_beats()
        except WhichdanceError as error:  # costs the count, not the evening
            log.error("no beats: %s", error)
            return None

    def lost(self) -> None:
        """Sound is missing."""
        if self._beating:
            self._beating.lost()

    def _new_song(self) -> None:
        if self._beating:
            self._beating.new_song()

    def note(self, prediction: Prediction) -> None:
        """Take over a prediction: what is said, the lines, the timeline; save now and then."""
        draft = self.draft
        draft.timeline.extend(prediction.segment_times, prediction.segment_scores)
        if self._memory:
            self._memory.stamp(prediction.segment_times)
        draft.duration = prediction.duration
        self._set_list.note(prediction)
        if self._n_parts and len(prediction.parts) > self._n_parts:
            self._new_song()
        self._n_parts = len(prediction.parts)
        draft.lines = list(self._set_list.lines)
        answer = Answer.of(prediction)
        self.tell(prediction=prediction, answer=answer, lines=tuple(draft.kept()))
        self._on_answer(answer)
        now = time.monotonic()
        if now - self._saved_at >= SAVE_SECONDS or len(draft.lines) != len(draft.written):
            self._saved_at = now
            self._teach()
            self.tell(problem=self._save())

    def _save(self) -> Problem | None:
        try:
            self._history.save(self.draft)
        except StorageError as error:
            log.error("session not saved: %s", error)
            return error.problem
        if self.draft.id != self.news.saved:
            self.tell(saved=self.draft.id, lines=tuple(self.draft.kept()))  # deleted, it begins anew
        return None

    def heard_level(self, level: Level, seconds: float) -> None:
        """How loud the newest sound was."""
        if self._pauses.push(level, seconds):
            self._set_list.pause()
            self._new_song()

    def keep(self, samples: Samples, sample_rate: int) -> None:
        """Append to the kept sound, where the user wants that, and there is room."""
        options = self.options
        if not (options.keep_audio and self._live):
            self._close_audio()
            self._audio_full = False
            return
        if self._audio_full:
            return
        try:
            folder, draft = self._history.audio_folder, self.draft
            if draft.audio and not (folder / draft.audio).exists():  # the user has deleted it
                self._close_audio()
                draft.audio = None
                draft.stretches.clear()
            if self._writer is None:  # the first, or switched on again: one file for a session
                path = folder / draft.audio if draft.audio else self._history.new_audio_path(draft.started)
                writer = WavWriter(path, sample_rate)
                self._kept_elsewhere = self._history.audio_bytes() - writer.path.stat().st_size
                self._writer, draft.audio = writer, path.name
            free = free_bytes(folder)
            if free is not None and free < LEFT_FREE_BYTES + 2 * len(samples):
                log.warning("the storage is almost full: no more sound is kept")
                self._stop_keeping(Notice.AUDIO_DISK_FULL)
                return
            if self._kept_elsewhere + self._writer.n_bytes + 2 * len(samples) > options.audio_limit:
                log.warning("the limit for kept sound is reached")
                self._stop_keeping(Notice.AUDIO_LIMIT)
                return
            self._note_stretch(self._writer.seconds, self.news.elapsed - len(samples) / sample_rate)
            self._writer.write(samples, sample_rate)
        except OSError as error:
            log.error("sound can't be kept any longer: %s", error)
            self._stop_keeping(Notice.AUDIO_DISK_FULL)

    def _note_stretch(self, position: float, start: float) -> None:
        """Sound that was kept until `position`, s, goes on with what begins at `start` of the session."""
        stretches = self.draft.stretches
        if not stretches or abs(start - position - (stretches[-1][0] - stretches[-1][1])) > TOLERANCE:
            stretches.append((start, position))

    def _stop_keeping(self, notice: Notice) -> None:
        self._close_audio()
        self._audio_full = True
        self.tell(notice=notice)

    @property
    def audio_notice(self) -> bool:
        """Sound was to be kept, and could not."""
        return self._audio_full

    def _close_audio(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None

    def tell(self, **changes: object) -> None:
        self.news = replace(self.news, **changes)  # type: ignore[arg-type]


class _Hearing:
    """What is known of one source: its level, its silences, and what of it was skipped."""

    def __init__(self, listener: Listener, sample_rate: int) -> None:
        self._listener = listener
        self._rate = sample_rate
        self._classifier = listener.classifier(sample_rate)
        self._skipped_at = -math.inf  # s of sound

    def skip(self, dropped: int) -> None:
        """Sound was lost: the ring ran over."""
        listener = self._listener
        tell, news = listener.tell, listener.news
        seconds = dropped / self._rate
        segments = max(1, round(seconds * FRAME_RATE / self._classifier.judging.stride))
        log.warning("inference fell behind: %d segment(s) skipped, %.1f s of sound", segments, seconds)
        self._classifier.gap(seconds)
        listener.lost()
        self._skipped_at = news.elapsed + seconds
        tell(
            skipped=news.skipped + segments,
            elapsed=news.elapsed + seconds,
            notice=Notice.FALLING_BEHIND,
        )

    def hear(self, samples: Samples) -> None:
        """The next chunk."""
        listener = self._listener
        prediction = self._classifier.push(samples)
        level = self._classifier.level
        listener.tell(level=level, elapsed=listener.news.elapsed + len(samples) / self._rate)
        listener.heard_level(level, len(samples) / self._rate)
        listener.keep(samples, self._rate)
        news = listener.news
        if news.notice is Notice.FALLING_BEHIND and news.elapsed - self._skipped_at > NOTICE_SECONDS:
            listener.tell(notice=None)
        if news.notice in (Notice.AUDIO_LIMIT, Notice.AUDIO_DISK_FULL) and not listener.audio_notice:
            listener.tell(notice=None)  # switched off
        if self._classifier.muted:
            listener.tell(notice=Notice.SILENT)
        elif news.notice is Notice.SILENT:
            listener.tell(notice=None)
        if prediction is not None:
            listener.note(prediction)
