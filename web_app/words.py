"""The page's words in four languages: the app's own where it has them, the page's beside them."""

import gettext
import tomllib
from pathlib import Path

from runtime.dances import dance
from runtime.errors import WhichdanceError

OWN = Path(__file__).with_name("words.toml")
APP = Path(__file__).parents[1] / "mobile_app" / "locale"  # read as files: the page needs none of its code
DOMAIN = "whichdance"
LANGUAGES = ("en", "de", "cs", "es")


def words(language: str, labels: tuple[str, ...]) -> dict[str, str]:
    """Everything that the page says in one language.

    Parameters
    ----------
    language : str
        One of `LANGUAGES`.
    labels : tuple of str
        Dances whose names are wanted.

    Returns
    -------
    dict of str to str
        Key → text; names of dances as 'dance.KEY'.

    Raises
    ------
    WhichdanceError
        If a text is not translated.
    """
    app = _catalogue(language)
    found = {}
    for key, entry in tomllib.loads(OWN.read_text("utf-8")).items():
        try:
            found[key] = app.gettext(entry["app"]) if "app" in entry else entry[language]
        except KeyError:
            where = f"the app's catalogue lacks {entry['app']!r}" if "app" in entry else "no text of its own"
            raise WhichdanceError(f"{OWN}: {key} is not translated to {language}: {where}") from None
    for label in labels:
        name = dance(label).name
        try:
            found[f"dance.{label}"] = app.gettext(name)
        except KeyError:
            found[f"dance.{label}"] = name  # most names are the same everywhere
    return found


class _Missing(gettext.NullTranslations):
    """Says what a catalogue lacks, where gettext itself answers with the text asked for."""

    def gettext(self, message: str) -> str:
        raise KeyError(message)


def _catalogue(language: str) -> gettext.GNUTranslations:
    path = APP / language / "LC_MESSAGES" / f"{DOMAIN}.mo"
    try:
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
    except (OSError, UnicodeError) as error:
        raise WhichdanceError(
            f"{path}: the app's words cannot be read ({error}); is the checkout whole?"
        ) from error
    catalogue.add_fallback(_Missing())
    return catalogue
