"""Tells the dance without the screen: a buzz, the spoken name, the notification.

Called by the listener's thread, since the screen's thread stands still while the app is in the background.
What the device can't do just now costs that buzz, never the evening.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mobile_app.core.buzz import pattern
from mobile_app.core.interfaces import System
from runtime.answer import Answer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manner:
    """How it is told; from settings and language, replaced as a whole.

    Attributes
    ----------
    vibrate, speak : bool
    language : str
        Of the spoken name.
    names : mapping of str to str
        Dances' names by key, in that language.
    either : str
        How either of two dances is told: '{several} or {last}'.
    listening : str
        What the notification says while no dance is named.
    """

    vibrate: bool = True
    speak: bool = False
    language: str = "en"
    names: Mapping[str, str] = field(default_factory=dict)
    either: str = "{several} / {last}"
    listening: str = ""


class Announcer:
    """Remembers what was told last, so that each dance is told once.

    Parameters
    ----------
    system : System
    manner : callable
        How it is to be told now.
    """

    def __init__(self, system: System, manner: Callable[[], Manner]) -> None:
        self._system = system
        self._manner = manner
        self._shown: str | None = None  # in the notification
        self._named: str | None = None  # that was buzzed for and said

    def hear(self, answer: Answer) -> None:
        """An answer has come; tells the dance where it is another one than before."""
        dance, manner = answer.dance, self._manner()
        names = [manner.names.get(key, key) for key in answer.dances]
        name = manner.listening
        if answer.kind == "two":
            name = manner.either.format(several=names[0], last=names[1])
        elif dance:
            name = names[0]
        if name != self._shown:
            self._shown = name
            self._try(lambda: self._system.tell_background("whichdance", name))
        if dance is None or dance == self._named:  # not sure for a moment is no change
            return
        self._named = dance
        if manner.vibrate:
            self._try(lambda: self._system.vibrate(pattern(dance)))
        if manner.speak:
            self._try(lambda: self._system.speak(name, manner.language))

    def _try(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception:  # whatever Java throws: a dead service, a revoked permission, a voice that is gone
            log.exception("a dance could not be told")
