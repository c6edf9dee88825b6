"""Keeps the gettext catalogues in step with the sources; for developers, not part of the phone's app.

`python -m mobile_app.catalogues` collects all texts, merges them into `locale/*/LC_MESSAGES/whichdance.po`
and compiles the `.mo` files beside them. It exits with 1 where translations are missing. Needs Babel.
"""

import ast
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_app.core.translations import DEFAULT_LANGUAGE, DOMAIN, LANGUAGES, LOCALE_DIR
from runtime.dances import DANCES

if TYPE_CHECKING:
    from babel.messages import Catalog

FOLDER = Path(__file__).parent
Text = str | tuple[str, str]  # a text, or its singular and plural
IN_KV = re.compile(r"app\.tr\('((?:[^'\\]|\\.)*)'")
FIXED_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # catalogues change only with their texts


@cache
def texts() -> dict[Text, set[str]]:
    """All texts that are shown, and the files where they stand."""
    found: dict[Text, set[str]] = {}
    for folder in (FOLDER, FOLDER / "core", FOLDER / "devices", FOLDER / "ui"):
        for path in sorted(folder.iterdir()):
            source = path.read_text(encoding="utf-8") if path.suffix in (".py", ".kv") else ""
            inside = _in_python(source) if path.suffix == ".py" else IN_KV.findall(source)
            for text in inside:
                found.setdefault(text, set()).add(path.relative_to(FOLDER).as_posix())
    for dance in DANCES.values():
        found.setdefault(dance.name, set()).add("runtime/dances.py")
    return found


def _in_python(source: str) -> Iterator[Text]:
    """First arguments of tr(...), mark(...), and the two of .plural(...), where they are literal."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = [
            arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
        if name in ("tr", "mark") and words:
            yield words[0]
        elif name == "plural" and len(words) == 2:
            yield words[0], words[1]


def merged(language: str) -> "Catalog":
    """A language's catalogue: its translations that are still needed, and gaps for new texts."""
    from babel.messages import Catalog
    from babel.messages.pofile import read_po

    path = po_path(language)
    if path.exists():
        with path.open("rb") as file:
            old = read_po(file, locale=language)
    else:
        old = Catalog(locale=language)
    new = Catalog(
        locale=language,
        project="whichdance",
        version="1",
        header_comment=f"# {LANGUAGES[language]}. Kept in step by `python -m mobile_app.catalogues`.",
        msgid_bugs_address="the issue tracker",
        last_translator="The whichdance founders",
        language_team="whichdance",
        creation_date=FIXED_DATE,
        revision_date=FIXED_DATE,
        charset="utf-8",
        fuzzy=False,
    )
    new.mime_headers = [("Plural-Forms", old.plural_forms)]  # which translators filled; Babel's change
    for text, files in texts().items():
        known = old.get(text)
        string = text if language == DEFAULT_LANGUAGE else known.string if known else None
        new.add(text, string, locations=[(file, 0) for file in sorted(files)])
    return new


def po_path(language: str) -> Path:
    """Where a language's catalogue lies; the compiled one is beside it."""
    return LOCALE_DIR / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def untranslated(catalogue: "Catalog") -> list[str]:
    """Texts that have no translation."""
    missing = []
    for message in catalogue:
        strings = message.string if isinstance(message.string, tuple | list) else [message.string]
        if message.id and not all(strings):
            missing.append(str(message.id))
    return missing


def main() -> int:
    """Update all catalogues."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import write_po

    status = 0
    for language in LANGUAGES:
        catalogue, path = merged(language), po_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalogue, include_lineno=False, sort_output=True, width=100)
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalogue)
        for text in untranslated(catalogue):
            print(f"{language}: no translation of {text!r}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
