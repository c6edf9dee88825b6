"""How the app looks and what it is called there: theme, words, the dances' names and colours."""

import gc

from kivy.event import EventDispatcher
from kivy.properties import DictProperty, ObjectProperty

from mobile_app.core import danced
from mobile_app.core.history import Heard
from mobile_app.core.interfaces import System
from mobile_app.core.settings import TEXT_SCALE, Preferences
from mobile_app.core.translations import Translator, mark, supported
from mobile_app.ui.theme import Theme, dance_colour
from runtime.dances import DANCES, OTHER, dance

MOST_NAMES = 2  # of dances, where a choice of them is told in words
NO_DANCE = "#8a7f85"
NONE_OF_THESE = mark("None of these")


def clear_away() -> None:
    """Let go of widgets that are no longer used, before what all of them show changes.

    Closed sheets and cards that were made anew follow theme and words until Python's collector comes. Were it
    to come in the middle of such a rule, Kivy would write to a widget that is gone, and the app would end.
    """
    gc.collect()


class Look(EventDispatcher):
    """Follows the settings and the device.

    Attributes
    ----------
    theme : Theme
    tr : Translator
    dance_names : dict of str to str
        Every dance that we know of, and 'other', in the present language.
    """

    theme = ObjectProperty()
    tr = ObjectProperty()
    dance_names = DictProperty()

    def __init__(self, system: System, settings: Preferences) -> None:
        super().__init__()
        self._system = system
        self.theme = Theme(dark=self._dark(settings), scale=TEXT_SCALE[settings.text_size])
        self.translate(settings)

    def _dark(self, settings: Preferences) -> bool:
        return self._system.prefers_dark() if settings.theme == "system" else settings.theme == "dark"

    def apply(self, settings: Preferences) -> bool:
        """Take over colours and type sizes; True where it turned from light to dark or back."""
        before, dark, scale = self.theme.dark, self._dark(settings), TEXT_SCALE[settings.text_size]
        if (dark, scale) != (before, self.theme.scale):
            clear_away()
            self.theme.apply(dark=dark, scale=scale)
        return bool(before != dark)

    def translate(self, settings: Preferences) -> None:
        """Take over the language."""
        clear_away()
        system = supported(self._system.language())
        self.tr = Translator(system if settings.language == "system" else settings.language)
        names = {key: self.tr(facts.name) for key, facts in DANCES.items()}
        self.dance_names = names | {OTHER: self.tr(NONE_OF_THESE)}

    def dance_name(self, key: str | None) -> str:
        """A dance's name in the present language; '' of none."""
        return str(self.dance_names.get(key) or dance(key).name) if key else ""

    def dances(self, keys: tuple[str, ...]) -> str:
        """One name, or several that fit alike: 'Cha Cha Cha or Rumba'."""
        names = [self.dance_name(key) for key in keys]
        if len(names) < 2:
            return "".join(names)
        return self.either.format(several=", ".join(names[:-1]), last=names[-1])

    @property
    def either(self) -> str:
        """How either of several is told in the present language."""
        return str(self.tr("{several} or {last}"))

    def guess(self, line: Heard) -> str:
        """The two dances that came closest to a song that was not recognised; '' of one that was."""
        if line.dance or line.truth or not line.best:
            return ""
        return str(self.tr("{dances}?", dances=self.dances((line.best, *line.also[:1]))))

    def danced(self, settings: Preferences, known: tuple[str, ...]) -> str:
        """What is danced here, in a few words: a group's name, a few dances, or how many."""
        keys = danced.chosen(settings.danced, known)
        if settings.danced in danced.groups(known):
            told = self.tr(danced.NAMES[settings.danced])
        elif len(keys) > MOST_NAMES:
            told = self.tr.plural("{count} dance", "{count} dances", len(keys))
        else:
            told = ", ".join(self.dance_name(key) for key in keys)
        return str(self.tr("{dances}, nothing else", dances=told) if settings.nothing_else else told)

    def dance_colour(self, key: str | None) -> str:
        """A dance's colour; grey of none."""
        return dance_colour(key, dark=self.theme.dark) if key and key != OTHER else NO_DANCE
