"""The app's words in other languages: gettext catalogues in `mobile_app/locale`."""

import gettext
from collections.abc import Callable
from pathlib import Path

from runtime.answer import percent

LOCALE_DIR = Path(__file__).parents[1] / "locale"
DOMAIN = "whichdance"
LANGUAGES = {"en": "English", "de": "Deutsch", "cs": "Čeština", "es": "Español"}  # each in its own words
DEFAULT_LANGUAGE = "en"


def mark(text: str) -> str:
    """The text itself: marks it for the catalogues where it is translated only later."""
    return text


class Translator:
    """Translates the app's texts into one language.

    Parameters
    ----------
    language : str
        One of `LANGUAGES`.
    """

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        self.language = language
        self._catalogue = gettext.translation(DOMAIN, LOCALE_DIR, [language])
        self.gettext: Callable[[str], str] = self._catalogue.gettext
        self.ngettext: Callable[[str, str, int], str] = self._catalogue.ngettext

    def __call__(self, text: str, /, **values: object) -> str:
        """The text in this language, `{name}` fields filled with `values`."""
        translated = self.gettext(text) if text else ""  # gettext("") is the catalogue's header
        return translated.format(**values) if values else translated

    def plural(self, one: str, many: str, count: int) -> str:
        """The form that fits `count`, with `{count}` filled in."""
        return self.ngettext(one, many, count).format(count=count)

    def percent(self, fraction: float) -> str:
        """A probability in percent, the way this language writes it."""
        space = "" if self.language == "en" else "\N{NO-BREAK SPACE}"
        return f"{percent(fraction)}{space}%"

    def decimal(self, value: float, digits: int = 1) -> str:
        """A number with this language's decimal sign."""
        text = f"{value:.{digits}f}"
        return text if self.language == "en" else text.replace(".", ",")


WINDOWS_NAMES = {"english": "en", "german": "de", "czech": "cs", "spanish": "es"}


def supported(language: str | None) -> str:
    """The nearest language there is: 'de_AT.UTF-8' gives 'de', what is not there gives English.

    Windows says the name instead of the code: 'German_Germany.1252'.
    """
    code = (language or "").replace("-", "_").split("_")[0].split(".")[0].strip().lower()
    code = WINDOWS_NAMES.get(code, code)
    return code if code in LANGUAGES else DEFAULT_LANGUAGE
