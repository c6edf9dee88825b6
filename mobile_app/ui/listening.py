"""Everything that leads to a session and away from it: permission, microphone, file, background."""

import logging
from collections.abc import Callable
from typing import TypeVar

from mobile_app.core.announcer import Announcer, Manner
from mobile_app.core.count import Pulse
from mobile_app.core.history import MICROPHONE, History
from mobile_app.core.interfaces import AudioSource, Permission, Platform
from mobile_app.core.listener import Ears
from mobile_app.core.metronome import BUZZ, Metronome
from mobile_app.core.problems import Problem
from mobile_app.core.session import Options, Session, State
from mobile_app.core.settings import MEGABYTE, Preferences
from mobile_app.core.teacher import Teacher
from mobile_app.core.translations import mark
from mobile_app.ui.look import Look
from runtime import Model, ModelError
from runtime.dances import DANCE_KEYS
from runtime.model import shipped

log = logging.getLogger(__name__)

Result = TypeVar("Result")

LISTENING_ON = mark("Listening…")
STOP = mark("Stop")
RUNNING = (State.STARTING, State.LISTENING)
NEXT_TIME = (
    "update_rate",
    "thrifty",
    "sensitivity",
    "model",
    "danced",
    "nothing_else",
    "beats",
    "learn",
)  # settings that a session keeps to its end


class Listening:
    """Starts, pauses and ends sessions, one at a time.

    Parameters
    ----------
    platform : Platform
    history : History
    look : Look
    settings : callable
        The settings as they are now.
    teacher : Teacher
    post : callable
        Runs a function on the screen's thread, soon.
    on_change : callable
        Told that the session, or its snapshot, has changed.
    recording : str, optional
        A file that plays as if it were the microphone.
    """

    def __init__(
        self,
        platform: Platform,
        history: History,
        look: Look,
        settings: Callable[[], Preferences],
        teacher: Teacher,
        *,
        post: Callable[[Callable[[], None]], None],
        on_change: Callable[[], None],
        recording: str | None = None,
    ) -> None:
        self.platform = platform
        self.teacher = teacher
        self.session: Session | None = None
        self.models: dict[str, Model] = {}
        self._history = history
        self._look = look
        self._settings = settings
        self._post = post
        self._on_change = on_change
        self._recording = recording
        self._manner = Manner()
        self._awake = False
        self._told_listening = False
        self._in_background = False
        self._metronome = Metronome(lambda: platform.system.vibrate((BUZZ,)))
        self.tell_again()

    # Starting

    def listen(self) -> None:
        """Start a new session with the microphone, asking for permission where that is needed."""
        if self.busy:
            return
        system = self.platform.system
        if self._recording or system.microphone_permission() is Permission.GRANTED:
            self._start(MICROPHONE, self._microphone)
        else:
            system.request_microphone(lambda answer: self._post(lambda: self._answered(answer)))

    def _answered(self, answer: Permission) -> None:
        if self.busy:
            return
        if answer is Permission.GRANTED:
            self._start(MICROPHONE, self._microphone)
        else:
            blocked = answer is Permission.BLOCKED
            self.session = self.new_session(MICROPHONE, self._microphone)
            self.session.refuse(Problem.PERMISSION_BLOCKED if blocked else Problem.PERMISSION_REFUSED)

    def _microphone(self) -> AudioSource:
        if self._recording:
            from mobile_app.devices.file_source import FileSource

            return FileSource(self._recording, speed=1.0)
        return self.platform.microphone()

    def open_file(self, path: str) -> None:
        """Listen to a recording, as fast as the device can."""
        if not self.busy:
            self._start(self.platform.system.name_of(path), lambda: self.platform.file(path))

    @property
    def busy(self) -> bool:
        """Is a session going on?"""
        return self.session is not None and self.session.snapshot.state in RUNNING

    def new_session(self, name: str, open_source: Callable[[], AudioSource]) -> Session:
        """A session that has not started; the one before ends."""
        if self.session:
            self.session.stop()
        teacher = self.teacher if self._settings().learn else None
        return Session(
            open_source,
            Ears(self.load_model, self.platform.load_beats, teacher),
            self._history,
            self._options(),
            post=self._post,
            on_change=self._changed,
            on_answer=Announcer(self.platform.system, lambda: self._manner).hear,
            on_pulse=self._buzz,
            source_name=name,
        )

    def _buzz(self, pulse: Pulse | None) -> None:
        """From the listener's thread."""
        if self._settings().buzz_one:
            self._metronome.hear(pulse)

    def _options(self) -> Options:
        settings = self._settings()
        return Options(
            settings.stride,
            settings.min_confidence,
            danced=settings.danced,
            nothing_else=settings.nothing_else,
            keep_audio=settings.keep_audio,
            audio_limit=int(settings.audio_limit) * MEGABYTE,
            chunk_seconds=settings.chunk_seconds,
            beats=settings.beats,
            lead=settings.count_delay / 1000,
        )

    def _start(self, name: str, open_source: Callable[[], AudioSource]) -> None:
        self.session = self.new_session(name, open_source)
        self.session.start()
        if self._settings().background and self.session.live and self.busy:
            # Now, while the app is in front: Android lets nobody start to use the microphone later.
            tr, stop_soon = self._look.tr, self.session.stop_soon
            told = ("whichdance", tr(LISTENING_ON), tr(STOP))
            self._in_background = bool(
                self._do(lambda: self.platform.system.start_background(*told, stop_soon))
            )

    def known_dances(self) -> tuple[str, ...]:
        """Those of the model that the settings name, as far as that is known without loading it."""
        name = self._settings().model
        if name in self.models:
            return tuple(self._taught(self.models[name]).info.labels)
        try:
            listed = shipped()
            entry = listed.get(name) or next(iter(listed.values()))
            learnt = self.teacher.dances(entry["sha256"]) if self._settings().learn else ()
            return learnt or tuple(entry["classes"])
        except (ModelError, KeyError, StopIteration) as error:
            log.warning("no list of dances: %s", error)
            return DANCE_KEYS

    def load_model(self) -> Model:
        """The model that the settings name, with what the user has taught it; in the listener's thread."""
        return self._taught(self.base_model())

    def _taught(self, base: Model) -> Model:
        return self.teacher.model(base) if self._settings().learn else base

    def base_model(self) -> Model:
        """The model that the settings name, else the standard one."""
        name = self._settings().model
        if name not in self.models:
            try:
                self.models[name] = self.platform.load_model(name)
            except ModelError:
                if not name:
                    raise
                log.warning("model %r can't be loaded; the standard one serves instead", name)
                return self.platform.load_model("")
        return self.models[name]

    # Going on

    def stop(self) -> None:
        """Stop, and keep the result."""
        if self.session:
            self.session.stop()

    def cancel(self) -> None:
        """Stop reading a file, and forget it."""
        if self.session:
            self.session.cancel()

    def resume(self) -> None:
        """Go on after a pause."""
        if self.session:
            self.session.resume()

    def to_background(self) -> None:
        """The app is no longer in front: it goes on where it may, else the microphone belongs to others."""
        goes_on = self.busy and self._in_background and self._do(self.platform.system.background_runs)
        if self.session and self.session.live and not goes_on:
            self.session.pause(Problem.PAUSED)

    def to_front(self) -> None:
        """The app is back: go on where it was interrupted, or begin where it was opened for that."""
        if self.session and self.session.snapshot.problem is Problem.PAUSED:
            self.session.resume()
        if self._in_background:  # now it is plain what the notification would have been good for
            self._do(self.platform.system.ask_to_notify)
        if self.platform.system.wants_to_listen():
            self.listen()

    def close(self) -> None:
        """The app ends: save what is going on."""
        if self.session:
            self.session.stop()
        self._changed()
        self.session = None

    def settings_changed(self, before: Preferences) -> str | None:
        """Take over new settings; what to tell the user where they don't take effect at once."""
        after, tr = self._settings(), self._look.tr
        self.tell_again()
        self._changed()
        if not self.busy or self.session is None:
            return None
        self.session.change(self._options())
        if any(getattr(before, name) != getattr(after, name) for name in NEXT_TIME):
            return str(tr("Takes effect when you listen again."))
        if self.session.live and before.keep_audio != after.keep_audio:
            if after.keep_audio:
                return str(tr("The sound is kept from now on."))
            return str(tr("No more sound is kept. What was kept so far is in the history."))
        return None

    def tell_again(self) -> None:
        """Settings or language have changed: tell dances that way from now on."""
        settings, look = self._settings(), self._look
        self._manner = Manner(
            settings.vibrate,
            settings.speak,
            look.tr.language,
            dict(look.dance_names),
            look.either,
            look.tr(LISTENING_ON),
        )

    def _changed(self) -> None:
        awake = self.busy and self._settings().keep_awake
        if awake != self._awake:
            self._awake = awake
            self._do(lambda: self.platform.system.keep_awake(awake))
        listening = self.busy and self.session is not None and self.session.live
        if listening != self._told_listening:
            self._told_listening = listening
            self._do(lambda: self.platform.system.show_listening(listening))
        if self._in_background and not self.busy:
            self._in_background = False
            self._do(self.platform.system.stop_background)
        self._on_change()

    def _do(self, ask: Callable[[], Result]) -> Result | None:
        """Ask something of the device that the evening does not hang on; None where it fails."""
        try:
            return ask()
        except Exception:  # whatever Java throws
            log.exception("the device refused")
            return None
