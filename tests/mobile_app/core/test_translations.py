"""The catalogues: complete, compiled, and with the same fields in every language."""

import re
import string
from pathlib import Path

import pytest

from mobile_app import catalogues
from mobile_app.core.lessons import LESSONS
from mobile_app.core.problems import Notice, Problem
from mobile_app.core.spoken import ADVICE, GRADES, KINDS
from mobile_app.core.translations import LANGUAGES, Translator, supported
from mobile_app.devices.desktop import DesktopSystem
from runtime.dances import DANCE_KEYS, dance
from runtime.model import shipped

babel = pytest.importorskip("babel")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_is_complete_and_in_step_with_the_sources(language: str) -> None:
    from babel.messages.pofile import read_po

    catalogue = catalogues.merged(language)
    assert catalogues.untranslated(catalogue) == []
    with catalogues.po_path(language).open("rb") as file:
        stored = read_po(file, locale=language)
    assert {message.id for message in stored} == {message.id for message in catalogue}, (
        "run `python -m mobile_app.catalogues`"
    )
    for message in catalogue:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        for translation in strings if message.id else ():
            assert fields(translation) == fields(ids[-1]), message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogue_says_what_the_text_one_says(language: str) -> None:
    tr = Translator(language)
    for message in catalogues.merged(language):
        if message.id and not isinstance(message.id, tuple):
            assert tr(message.id) == message.string, "run `python -m mobile_app.catalogues`"


def test_languages_differ() -> None:
    said = {language: Translator(language) for language in LANGUAGES}
    assert {tr("Listen") for tr in said.values()} == {"Listen", "Zuhören", "Poslouchat", "Escuchar"}
    assert said["de"]("Viennese Waltz") == "Wiener Walzer"
    assert said["cs"].percent(0.931) == "93\N{NO-BREAK SPACE}%"


def test_plural_forms() -> None:
    one, many = "{count} result waits for free storage.", "{count} results wait for free storage."
    assert Translator("en").plural(one, many, 1).startswith("1 result waits")
    czech = {Translator("cs").plural(one, many, n).split(maxsplit=1)[1] for n in (1, 2, 5)}
    assert len(czech) == 3


def test_everything_that_can_be_said_is_in_the_catalogues() -> None:
    known = set(catalogues.texts())
    said = {problem.sentence for problem in Problem} | {notice.sentence for notice in Notice}
    said |= {*ADVICE.values(), *GRADES.values(), *KINDS.values()}
    said |= {dance(key).name for key in LESSONS}
    for lesson in LESSONS.values():
        said |= {lesson.listen, lesson.feel}
    assert said <= known


def test_every_problem_says_what_to_do() -> None:
    for situation in [*Problem, *Notice]:
        assert re.fullmatch(r"[A-Z].{25,}[.]", situation.sentence)


def test_every_dance_that_is_named_has_a_lesson_that_fills_bars() -> None:
    assert set(LESSONS) == {*DANCE_KEYS, *next(iter(shipped().values()))["classes"]}
    for key, lesson in LESSONS.items():
        half_bar = dance(key).beats_per_bar / 2
        assert lesson.beats % half_bar == 0 or (key, lesson.beats) == ("discofox", 3)  # against the bar


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("de_AT.UTF-8", "de"),
        ("cs", "cs"),
        ("es-MX", "es"),
        ("German_Germany", "de"),  # the names of Windows
        ("German_Austria.1252", "de"),
        ("Czech_Czechia.1250", "cs"),
        ("Czech_Czech Republic.1250", "cs"),
        ("Spanish_Spain", "es"),
        ("English_United Kingdom.utf8", "en"),
        ("French_France.1252", "en"),
        ("fr_FR", "en"),
        ("C", "en"),
        (None, "en"),
        ("", "en"),
    ],
)
def test_nearest_language(given: str | None, found: str) -> None:
    assert supported(given) == found


def test_a_windows_desktop_speaks_its_users_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python says there of LC_CTYPE, from the desktop's adapter to the app's words."""
    monkeypatch.setattr("locale.getlocale", lambda *_: ("German_Germany", "1252"))
    system = DesktopSystem(copy=lambda _: None, allow_sleep=lambda _: None, folder=tmp_path)
    assert Translator(supported(system.language()))("Settings") == "Einstellungen"
