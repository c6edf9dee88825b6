"""One act of listening, from the tap on the button to the saved result.

A state machine on the screen's thread: it opens and closes sources, and shows what the `Listener` tells.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from mobile_app.core.count import Pulse
from mobile_app.core.history import MICROPHONE, History
from mobile_app.core.interfaces import AudioSource
from mobile_app.core.listener import Ears, Feed, Listener, News, Options
from mobile_app.core.problems import Notice, Problem, SourceError
from mobile_app.core.ring import RingBuffer
from mobile_app.core.timeline import Timeline
from runtime import Answer
from runtime.live import Level

log = logging.getLogger(__name__)

RING_SECONDS = 8.0  # one segment and a half: what inference may be late before sound is dropped
RETRY_SECONDS = 5.0  # a microphone that is lost again sooner is not replaced a second time


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
class Snapshot(News):
    """All that a screen needs to draw a session: what the listener told, and where the session stands.

    Attributes
    ----------
    state : State
    progress : float or None
        Of a file, 0 to 1.
    """

    state: State = State.IDLE
    progress: float | None = None

    @property
    def tempo_mpm(self) -> float | None:
        """Measures per minute of the dance that plays now."""
        return self.prediction.tempo_mpm if self.prediction else None


def _told(news: News) -> dict[str, object]:
    """What of the listener's news a snapshot shows."""
    names = ("prediction", "answer", "lines", "elapsed", "first_after", "skipped", "saved", "pulse")
    return {name: getattr(news, name) for name in names}


class Session:
    """Listens to one source until it ends or is stopped; may be paused and resumed meanwhile.

    All methods belong to the screen's thread.

    Parameters
    ----------
    open_source : callable
        A new audio source; called again on resume, and once more when the source is lost.
    ears : Ears
    history : History
    options : Options
    post : callable
        Runs a function on the screen's thread, soon.
    on_change : callable
        Told, on the screen's thread, that `snapshot` has changed.
    on_answer, on_pulse : callable
        Called in the listener's thread with every answer, and with the next beat.
    source_name : str
        'microphone', or the name of the file.
    """

    def __init__(
        self,
        open_source: Callable[[], AudioSource],
        ears: Ears,
        history: History,
        options: Options,
        *,
        post: Callable[[Callable[[], None]], None],
        on_change: Callable[[], None],
        on_answer: Callable[[Answer], None] = lambda _: None,
        on_pulse: Callable[[Pulse | None], None] = lambda _: None,
        source_name: str = MICROPHONE,
    ) -> None:
        self._open_source = open_source
        self._history = history
        self._on_change = on_change
        self.source_name = source_name
        self.live = source_name == MICROPHONE
        self._source: AudioSource | None = None
        self._feed: Feed | None = None
        self._lost_at = -math.inf
        self._lasting_notice: Notice | None = None
        self._listener = Listener(
            ears,
            history,
            options,
            source_name,
            on_news=lambda: post(self._news),
            on_end=lambda feed, error: post(lambda: self._ended(feed, error)),
            on_answer=on_answer,
            on_pulse=on_pulse,
        )
        self.snapshot = Snapshot()

    @property
    def timeline(self) -> Timeline:
        """All segments so far."""
        return self._listener.draft.timeline

    def change(self, options: Options) -> None:
        """Take over what may change while it listens: whether sound is kept, how early beats are told."""
        self._listener.options = options

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
        self._listener.start()
        self._open()

    def refuse(self, problem: Problem) -> None:
        """End before the start: the user does not want the microphone to be used."""
        self._move(Event.START)
        self._move(Event.FINISH, problem=problem)

    def pause(self, problem: Problem | None = None) -> None:
        """Give the microphone back, save, and keep the evidence. Does nothing unless listening."""
        if self.snapshot.state in (State.STARTING, State.LISTENING):
            unsaved = self._close()
            self._move(Event.PAUSE, problem=problem or unsaved)

    def resume(self) -> None:
        """Go on after a pause, with the evidence there was. Does nothing unless paused."""
        if self.snapshot.state is State.PAUSED:
            self._lasting_notice = None
            self._move(Event.RESUME, problem=None, notice=None)
            self._open()

    def stop(self, problem: Problem | None = None) -> None:
        """Stop for good and save the result. Does nothing where it has stopped."""
        if self.snapshot.state in (State.IDLE, State.FINISHED):
            return
        self._close()
        news = self._listener.finish()
        if problem is None and not news.lines:
            if not news.first_after or news.elapsed < news.first_after:
                problem = Problem.TOO_SHORT
            elif news.prediction is None or news.answer.kind == "silence":
                problem = Problem.NO_MUSIC
        self._move(Event.FINISH, **_told(news), problem=news.problem or problem, notice=None, level=Level())

    def stop_soon(self) -> None:
        """From any thread: the microphone stops now, the session when the screen's thread runs again.

        What was heard is saved at once; in the background the screen's thread stands still.
        """
        source, feed = self._source, self._feed
        if source:
            source.stop()
        if feed:
            feed.end(None)

    def cancel(self) -> None:
        """Stop and forget: nothing of this session stays in the history."""
        if self.snapshot.state not in (State.IDLE, State.FINISHED):
            self._close()
            news = self._listener.finish(forget=True)
            self._move(Event.FINISH, **_told(news), problem=None, notice=None)

    def tell(self, truth: str) -> None:
        """The user says what plays now; the song's line says so as soon as it has one."""
        if self.snapshot.state is State.LISTENING:
            self._listener.say(truth)

    def this_is_the_one(self, moment: float) -> None:
        """The user tapped on the one, at a moment of `time.monotonic`."""
        if self.snapshot.state is State.LISTENING:
            self._listener.this_is_the_one(moment)

    # Source and listener

    def _open(self) -> None:
        source = self._open_source()

        def ring(sample_rate: int) -> RingBuffer:
            self._feed = Feed(RingBuffer(round(RING_SECONDS * sample_rate)), sample_rate)
            return self._feed.ring

        def on_end(error: SourceError | None) -> None:
            if feed := self._feed:
                feed.end(error)

        try:
            source.start(ring, on_end)
        except SourceError as error:
            log.error("source can't start: %s", error)
            source.stop()
            self._feed = None
            # A session that has heard something waits for the user; one that has not is over.
            if self.live and self.snapshot.elapsed:
                self._move(Event.PAUSE, problem=error.problem)
            else:
                self._listener.finish()
                self._move(Event.FINISH, problem=error.problem)
            return
        self._source = source
        assert self._feed is not None, "a source asks for its ring before start returns"
        self._listener.hear(self._feed)

    def _close(self) -> Problem | None:
        """Close the source and wait until what it gave is heard and saved; what stood in the way of that."""
        source, self._source = self._source, None
        feed, self._feed = self._feed, None
        if source:
            source.stop()
        if feed is None:
            return None
        feed.leave()
        news = self._listener.take()  # the last of it may not have reached the screen yet
        self.snapshot = replace(self.snapshot, **_told(news))  # type: ignore[arg-type]
        return news.problem

    # Posted by the listener to the screen's thread

    def _news(self) -> None:
        """There is something new to show."""
        news = self._listener.take()
        if self._feed is None or self.snapshot.state not in (State.STARTING, State.LISTENING):
            return
        if self.snapshot.state is State.STARTING:  # the model is loaded
            self._move(Event.READY)
        self._show(
            **_told(news),
            level=news.level,
            progress=self._source.progress() if self._source else None,
            problem=news.problem,
            notice=news.notice or self._lasting_notice,
        )

    def _ended(self, feed: Feed, error: SourceError | None) -> None:
        """The source has ended, or failed. A source that has been replaced is not listened to."""
        if feed is not self._feed:
            return
        self._news()
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
        elif self.live and self.snapshot.elapsed:
            self.pause(error.problem)
        else:
            self.stop(error.problem)
