"""The app itself, drawn without a screen: taps, what can then be read, sizes and contrasts."""

import gc
import json
import os
import sqlite3
import wave
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from kivy.core.text import Label as CoreLabel
from kivy.core.window import Window
from kivy.metrics import dp
from kivy.uix.label import Label

from mobile_app.core.buzz import PATTERNS
from mobile_app.core.history import Draft
from mobile_app.core.interfaces import Permission
from mobile_app.core.problems import Notice, Problem, SourceError, StorageError
from mobile_app.core.settings import CHOICES
from mobile_app.core.timeline import Timeline
from mobile_app.core.translations import LANGUAGES
from mobile_app.devices.file_source import FileSource
from mobile_app.ui import theme
from mobile_app.ui.app import SCREENS
from mobile_app.ui.danced import DancedSheet
from mobile_app.ui.drawings import MAX_COLUMNS, CountView, TimelineView
from mobile_app.ui.files import FileRow
from mobile_app.ui.glyphs import drawable
from mobile_app.ui.history import LineRow
from mobile_app.ui.listen import TapSheet, TempoBox
from mobile_app.ui.shown import facts
from mobile_app.ui.widgets import (
    Bar,
    ChoiceChip,
    ConfirmSheet,
    DanceRow,
    FitLabel,
    IconButton,
    LineInput,
    NavItem,
    Sheet,
    SwitchRow,
    TextButton,
    Touchable,
)
from runtime import Model
from runtime.colour import contrast, ink_on
from runtime.dances import DANCE_KEYS, DANCES, OTHER, TEN, WDSF
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import RATE, HandSource
from tests.mobile_app.core.test_history import draft
from tests.mobile_app.hand import SIZES, Hand

# The way of a beginner


def test_tap_hear_a_viennese_waltz_see_the_name(hand: Hand, tone: ToneMaker) -> None:
    assert {"Listen", "Tap, and hold the phone up to the music."} <= hand.texts()
    hand.press()
    hand.hear(tone("viennese_waltz", 3.0))
    assert "Listening…" in hand.texts()
    assert "Good level" in hand.texts()
    assert not hand.reads("Viennese")
    hand.hear(tone("viennese_waltz", 3.5))
    assert {"Probably", "Viennese Waltz"} <= hand.texts()
    hand.hear(tone("viennese_waltz", 6.0))
    assert "Quite sure" in hand.texts()
    assert hand.phone.buzzed == [PATTERNS["waltz"]]  # once, not with every update
    assert hand.phone.awake[-1]
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    assert {"Viennese Waltz", "Was that right?", "Listen again"} <= hand.texts()
    assert not hand.phone.awake[-1]
    assert hand.listen.timeline.n_columns > 3


def test_ranking_has_names_bars_and_percentages(hand: Hand, tone: ToneMaker) -> None:
    hand.press()
    hand.hear(tone("tango", 7.0) + tone("jive", 7.0) * 0.3)
    rows = hand.listen.view.ids.candidates.rows
    assert [row.text for row in rows][:2] == ["Tango", "Jive"]
    assert "None of these" in {row.text for row in rows}
    values = [row.value for row in rows]
    assert values[:3] == sorted(values[:3], reverse=True)
    for row in rows:
        assert row.percent == ("<1%" if row.value < 0.01 else f"{round(100 * row.value)}%")
        assert any(isinstance(child, Bar) for child in row.walk(restrict=True))


def test_tap_tempo_beside_the_measured_one(
    hand: Hand, tone: ToneMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tapped before any dance is named: beats; while a waltz plays: bars too, three beats each."""
    clock = iter(np.arange(100) / 3)  # s: 180 beats a minute
    monkeypatch.setattr(TapSheet, "tap", lambda self, _, tap=TapSheet.tap: tap(self, next(clock)))

    def tap_along(times: int) -> set[str]:
        hand.tap(hand.find(kind=TempoBox))
        for _ in range(times):
            hand.tap(hand.find(kind=TextButton, text="Tap"))
        words = hand.texts()
        hand.tap(hand.find(kind=TextButton, text="Done"))
        hand.frames(20)
        return words

    hand.press()
    hand.hear(tone("viennese_waltz", 3.0))
    assert "Tap the button at every beat." in tap_along(2)
    assert "180 beats a minute" in tap_along(4)
    hand.hear(tone("viennese_waltz", 5.0))
    assert "Viennese Waltz" in hand.texts()
    assert "180 beats a minute  ·  60.0 bars a minute" in tap_along(4)


def test_a_usual_tempo_beside_the_measured_one_says_where_it_is_usual(hand: Hand) -> None:
    """'28–30 bars' beside a measured 38 looked like a mistake: party music is faster than competitions'."""
    for known in TEN:
        usual = f"{round(known.mpm_min)}–{round(known.mpm_max)} bars a minute in competitions"
        assert usual in facts(known.key, hand.app.look)
    social = [name for name, one in DANCES.items() if one.source != WDSF and one.metre and one.mpm_min]
    assert social
    assert all("time, usually" in facts(name, hand.app.look) for name in social)


def test_not_sure_is_said_and_no_dance_is_named(hand: Hand) -> None:
    hand.press()
    hand.hear(np.random.default_rng(1).normal(0, 0.1, 8 * RATE).astype(np.float32))
    assert "Not sure" in hand.texts()
    assert hand.reads("Closest: ")
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    assert {"Not sure", "What was it?", "Tell which dance it was"} <= hand.texts()


@pytest.mark.parametrize(
    ("factor", "words"),
    [(0.001, "Too quiet: go nearer to the music"), (6, "Clipping: too loud, go further away")],
)
def test_bad_levels_are_said_in_words(hand: Hand, tone: ToneMaker, factor: float, words: str) -> None:
    hand.press()
    hand.hear(np.clip(tone("samba", 3.0) * factor, -1, 1).astype(np.float32))
    assert words in hand.texts()


def test_confirm_and_correct_a_result(hand: Hand, tone: ToneMaker) -> None:
    hand.recognise(tone("slow_waltz", 8.0))
    hand.tap(hand.find(kind=TextButton, text="Yes"))
    assert "Noted: it was Slow Waltz." in hand.texts()
    hand.tap(hand.find(kind=TextButton, text="Change"))
    rows = hand.widgets(DanceRow)[::-1]  # Kivy's children are in the order of drawing
    assert len(rows) == 1 + len(DANCES)  # all that there are, those of the model first, and none of them
    assert {row.key for row in rows[:11]} == {*DANCE_KEYS, OTHER}
    hand.tap(hand.find(kind=DanceRow, key="rumba"))
    assert "Noted: it was Rumba." in hand.texts()
    [entry] = hand.app.history.entries()
    [line] = hand.app.history.lines(entry.id)
    assert (line.best, line.truth, line.result) == ("slow_waltz", "rumba", "rumba")


def test_history_from_the_list_to_the_session(hand: Hand, tone: ToneMaker, tmp_path: Path) -> None:
    hand.tap(hand.find(kind=NavItem, place="history"))
    assert "Nothing here yet" in hand.texts()
    hand.tap(hand.find(kind=NavItem, place="listen"))
    hand.recognise(tone("quickstep", 8.0))
    hand.tap(hand.find(kind=NavItem, place="history"))
    assert "Quickstep" in hand.texts()
    assert hand.reads("Today, ")
    [row] = hand.widgets(LineRow)
    hand.tap(row)
    assert hand.app.screens.current == "line"
    hand.tap(hand.find(kind=IconButton, hint="Rename"))
    hand.find(kind=LineInput).text = "Last dance"
    hand.tap(hand.find(kind=TextButton, text="Save"))
    assert "Last dance" in hand.texts()
    hand.tap(hand.find(kind=IconButton, hint="Share"))
    assert hand.phone.shared[-1].startswith("Quickstep · ")
    assert "Copied to the clipboard." in hand.texts()
    hand.tap(hand.find(kind=TextButton, text="It was another"))
    hand.tap(hand.find(kind=DanceRow, key="jive"))
    assert "You corrected it; the app thought of Quickstep." in hand.texts()
    hand.tap(hand.find(kind=IconButton, hint="Delete"))
    assert "Delete this dance?" in hand.texts()
    hand.tap(hand.find(kind=TextButton, text="Keep it"))
    assert len(hand.app.history.entries()) == 1
    hand.tap(hand.find(kind=IconButton, hint="Delete"))
    hand.tap(hand.find(kind=TextButton, text="Delete"))
    assert "Nothing here yet" in hand.texts()


def test_export_writes_files(hand: Hand, tone: ToneMaker, tmp_path: Path) -> None:
    hand.recognise(tone("samba", 7.0))
    hand.tap(hand.find(kind=NavItem, place="history"))
    for words, suffix in (("Table (CSV)", ".csv"), ("Data (JSON)", ".json")):
        hand.tap(hand.find(kind=TextButton, text="Export"))
        hand.tap(hand.find(kind=TextButton, text=words))
        hand.frames(3)
        [path] = tmp_path.glob(f"whichdance-*{suffix}")
        assert "samba" in path.read_text()
    assert json.loads(path.read_text())[0]["dances"][0]["dance"] == "samba"
    assert hand.reads("Saved: ")


def test_kept_sound_is_played_and_deleted(hand: Hand, tone: ToneMaker) -> None:
    hand.tap(hand.find(kind=NavItem, place="settings"))
    hand.app.change_settings(keep_audio=True)
    hand.tap(hand.find(kind=NavItem, place="listen"))
    hand.recognise(tone("samba", 7.0))
    [entry] = hand.app.history.entries()
    with wave.open(str(hand.app.history.audio_path(entry.id))) as sound:
        assert sound.getnframes() > 6 * RATE
    hand.app.show_line(hand.app.history.lines(entry.id)[0].id)
    screen = hand.app.screen("line")
    hand.frames(3)
    screen.toggle_sound()
    assert screen.playing
    screen.toggle_sound()
    assert not screen.playing
    screen.delete_sound()
    hand.frames(3)
    sheet = hand.find(kind=Sheet)
    [button] = [w for w in hand.widgets(TextButton, text="Delete the sound") if sheet in parents(w)]
    hand.tap(button)
    assert hand.app.history.audio_path(entry.id) is None
    assert not screen.has_audio


def parents(widget: object) -> list[object]:
    found = []
    while (parent := getattr(widget, "parent", None)) is not None and parent is not widget:
        found.append(parent)
        widget = parent
    return found


def test_about_a_dance(hand: Hand) -> None:
    hand.tap(hand.find(kind=NavItem, place="dances"))
    hand.tap(hand.find(kind=DanceRow, key="slow_waltz"))
    assert {"Slow Waltz", "3/4", "28–30", "84–90", "Count along"} <= hand.texts()
    hand.tap(hand.find(kind=TextButton, text="Show the beat"))
    count = hand.find(kind=CountView)
    assert count.active == 0
    count.advance(60 / 87)  # one beat on
    assert count.active == 1
    assert hand.app.go_back()
    hand.frames(3)
    assert not count.running
    assert hand.app.screens.current == "dances"


def test_every_dance_has_its_page(hand: Hand) -> None:
    for dance in TEN:
        hand.app.show_dance(dance.key)
        hand.frames(3)
        assert {dance.name, dance.metre, dance.family} <= hand.texts()


# A recording


def test_open_a_file_through_the_list(
    hand: Hand, tone_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tone_file("paso_doble", 20)
    (path.parent / "letter.txt").touch()
    monkeypatch.setenv("HOME", str(path.parent))
    hand.tap(hand.find(kind=TextButton, text="Open a file"))
    assert {"One folder up", "data", "paso_doble.wav"} <= {row.text for row in hand.widgets(FileRow)}
    assert "letter.txt" not in hand.texts()
    hand.tap(hand.find(kind=FileRow, text="paso_doble.wav"))
    hand.until(lambda: hand.app.shown.mode == "done")
    assert "Paso Doble" in hand.texts()
    assert hand.app.history.entries()[0].source == "paso_doble.wav"


def test_a_file_is_called_what_the_system_calls_it(
    hand: Hand, tone_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Android's dialogue gives `…/document/audio%3A1234`, and that is what the history said."""
    monkeypatch.setattr(hand.phone, "name_of", lambda place: "Žluťoučký valčík.mp3")
    hand.app.open_file(str(tone_file("samba", 8.0).rename(hand.app.history.path.with_name("audio%3A1234"))))
    hand.until(lambda: hand.app.shown.mode == "done")
    assert [entry.source for entry in hand.app.history.entries()] == ["Žluťoučký valčík.mp3"]


def test_files_whose_names_are_no_text_or_in_a_script_that_the_font_lacks(
    hand: Hand, tone_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name in Latin-1 used to end the app in the list, and its result could not be saved."""
    music = tone_file("paso_doble", 20)
    folder = music.parent / "東京 \N{DANCER}"
    folder.mkdir()
    try:
        music = music.rename(folder / os.fsdecode(b"Caf\xe9 \xe6\x9d\xb1.wav"))
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    monkeypatch.setenv("HOME", str(folder))
    hand.tap(hand.find(kind=TextButton, text="Open a file"))
    [row] = [row for row in hand.widgets(FileRow) if row.text.endswith(".wav")]
    for text in hand.texts():
        assert drawable(text) == text
    hand.tap(row)
    hand.until(lambda: hand.app.shown.mode == "done")
    [entry] = hand.app.history.entries()
    assert entry.source.startswith("Caf")
    assert entry.source.endswith("東.wav")  # kept as it is, as far as it is text
    hand.app.show_line(hand.app.history.lines(entry.id)[0].id)
    hand.frames(3)
    assert hand.reads("Caf")
    hand.app.screen("history").save_as("json")
    hand.frames(3)
    assert hand.reads("Saved: ")


def test_cancel_a_file(hand: Hand, tone_file: Callable[..., Path]) -> None:
    hand.app.open_file(str(tone_file("paso_doble", 600)))
    hand.until(lambda: hand.app.shown.progress > 0.02)
    assert {"Cancel", "paso_doble.wav"} <= hand.texts()
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "idle")
    assert hand.app.history.entries() == []


def test_a_file_that_is_no_music(hand: Hand, tmp_path: Path) -> None:
    letter = tmp_path / "letter.wav"
    letter.write_text("Dear all")
    hand.app._on_drop(None, str(letter).encode())
    hand.until(lambda: hand.app.shown.banner)
    assert hand.reads("can't be read as music")


# Settings


def test_switch_theme(hand: Hand) -> None:
    hand.tap(hand.find(kind=NavItem, place="settings"))
    hand.tap(hand.find(kind=ChoiceChip, value="dark"))
    assert hand.app.theme.dark
    assert hand.find(kind=ChoiceChip, value="dark").chosen
    assert tuple(Window.clearcolor[:3]) == pytest.approx(tuple(hand.app.theme.background[:3]))
    assert json.loads((hand.app._settings_path).read_text())["theme"] == "dark"
    hand.phone.dark = True
    hand.app.change_settings(theme="light")
    assert not hand.app.theme.dark
    hand.app.change_settings(theme="system")
    assert hand.app.theme.dark


def test_switch_language(hand: Hand, tone: ToneMaker) -> None:
    hand.recognise(tone("viennese_waltz", 7.0))
    for language, words in {
        "de": {"Einstellungen", "Verlauf", "Sprache"},
        "cs": {"Nastavení", "Historie", "Jazyk"},
        "es": {"Ajustes", "Historial", "Idioma"},
    }.items():
        hand.app.go("settings")
        hand.frames(3)
        hand.app.change_settings(language=language)
        hand.frames(3)
        assert words <= hand.texts()
        hand.app.go("listen")
        hand.frames(3)
        assert hand.app.tr("Viennese Waltz") in hand.texts()
        assert not {"Viennese Waltz", "Listen again", "Was that right?"} & hand.texts()
    hand.app.change_settings(language="en")
    hand.frames(3)
    assert "Viennese Waltz" in hand.texts()


def test_text_size(hand: Hand) -> None:
    before = hand.app.theme.body
    hand.app.change_settings(text_size="huge")
    assert hand.app.theme.body == pytest.approx(before * 1.45)


@pytest.mark.slow
def test_a_change_of_look_looks_as_after_a_restart(hand: Hand, tone: ToneMaker, tmp_path: Path) -> None:
    def looks(hand: Hand) -> dict[tuple[str, str], set[tuple[object, ...]]]:
        found: dict[tuple[str, str], set[tuple[object, ...]]] = {}
        hand.resize(*SIZES["tablet"])  # one look after another, whatever has been built meanwhile
        for name in SCREENS:
            hand.app.show_evening(1) if name == "session" else hand.app.go(name)
            hand.frames(4)
            for label in hand.widgets(Label):
                look = (round(label.font_size, 2), *(round(part, 3) for part in label.color))
                found.setdefault((name, label.text), set()).add(look)
        return found

    hand.recognise(tone("samba", 6.0))
    hand.app.listening.session = None
    hand.app._show_session(0)
    before = looks(hand)
    hand.app.change_settings(text_size="huge", theme="dark")
    changed = looks(hand)
    assert before.keys() == changed.keys()
    hand.close()
    again = Hand(tmp_path, hand.app.listening.load_model())
    restarted = looks(again)
    again.close()
    differing = {key: (changed[key], restarted[key]) for key in changed if changed[key] != restarted.get(key)}
    assert differing == {}


def test_sensitivity_and_update_rate_reach_the_session(hand: Hand, tone: ToneMaker) -> None:
    hand.app.change_settings(update_rate="lively", sensitivity="careful")
    hand.press()
    hand.hear(tone("samba", 9.0))
    times = hand.app.listening.session.timeline.times
    assert np.diff(times) == pytest.approx(1.0, abs=0.01)
    hand.press()
    hand.app.change_settings(sensitivity="daring")
    hand.press()
    hand.hear(
        (0.1 * tone("samba", 9.0) + np.random.default_rng(2).normal(0, 0.1, 9 * RATE)).astype(np.float32)
    )
    assert hand.app.listening.session.snapshot.answer.confidence < 0.4


def test_sparing_the_battery_does_little_and_still_names_the_dance(hand: Hand, tone: ToneMaker) -> None:
    """A result every ten seconds, and the screen has something new once a second, not ten times."""
    hand.app.change_settings(thrifty=True)
    hand.press()
    hand.hear(tone("samba", 1.0))
    session, changes = hand.app.listening.session, []
    tell = session._on_change
    session._on_change = lambda: (changes.append(session.snapshot.elapsed), tell())
    hand.hear(tone("samba", 25.0))
    assert np.diff(session.timeline.times) == pytest.approx(10.0, abs=0.02)
    assert np.diff(np.unique(changes)).min() > 0.99
    assert {"Quite sure", "Samba"} <= hand.texts()


def test_settings_on_a_full_disk_hold_until_the_end(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mobile_app.ui.app.settings.save", full)
    hand.app.change_settings(theme="dark")
    assert hand.app.theme.dark
    assert hand.reads("the setting holds only until the app is closed")


def test_delete_everything_asks_first(hand: Hand, tone: ToneMaker) -> None:
    hand.recognise(tone("samba", 7.0))
    hand.app.go("settings")
    hand.frames(3)
    hand.app.screen("settings").ask_forget()
    hand.frames(3)
    hand.tap(hand.find(kind=TextButton, text="Delete everything"))
    assert hand.app.history.entries() == []


def test_a_switch_says_its_state_in_words(hand: Hand) -> None:
    hand.app.go("settings")
    hand.frames(3)
    rows = hand.app.screen("settings").switches
    listening = {"thrifty", "background", "keep_awake", "vibrate", "speak", "keep_audio"}
    assert set(rows) == listening | {"count", "buzz_one", "still", "learn"}
    row = rows["keep_audio"]
    said = {child.text for child in row.walk() if isinstance(child, Label)}
    assert "Off" in said
    row.dispatch("on_release")
    hand.frames(3)
    assert isinstance(row, SwitchRow)
    assert hand.app.settings.keep_audio
    assert "On" in {child.text for child in row.walk() if isinstance(child, Label)}


# What can go wrong


def test_permission_refused_then_granted(hand: Hand, tone: ToneMaker) -> None:
    hand.phone.permission = hand.phone.answer = Permission.ASK
    hand.press()
    hand.frames(3)
    assert Problem.PERMISSION_REFUSED.sentence in hand.texts()
    hand.phone.answer = Permission.GRANTED
    hand.press()
    hand.hear(tone("samba", 6.0))
    assert Problem.PERMISSION_REFUSED.sentence not in hand.texts()


def test_permission_blocked_leads_to_the_system_settings(hand: Hand) -> None:
    hand.phone.permission = hand.phone.answer = Permission.BLOCKED
    hand.press()
    hand.frames(3)
    assert Problem.PERMISSION_BLOCKED.sentence in hand.texts()
    hand.tap(hand.find(kind=TextButton, text="Settings"))
    assert hand.phone.opened_settings == 1


def test_microphone_taken(hand: Hand) -> None:
    hand.next = lambda: HandSource(fails=SourceError(Problem.MICROPHONE_TAKEN))
    hand.press()
    hand.frames(3)
    assert Problem.MICROPHONE_TAKEN.sentence in hand.texts()
    assert hand.app.shown.mode == "idle"


def test_headset_unplugged(hand: Hand, tone: ToneMaker) -> None:
    hand.press()
    hand.hear(tone("samba", 7.0))
    hand.sources[-1].end(SourceError(Problem.MICROPHONE_LOST))
    hand.until(lambda: len(hand.sources) == 2)
    hand.hear(tone("samba", 2.0))
    assert Notice.OTHER_MICROPHONE.sentence in hand.texts()
    assert "Samba" in hand.texts()


def test_background_and_back(hand: Hand, tone: ToneMaker) -> None:
    hand.press()
    hand.hear(tone("samba", 7.0))
    assert hand.app.on_pause()
    hand.frames(3)
    assert hand.sources[0].stopped
    assert Problem.PAUSED.sentence in hand.texts()
    assert len(hand.app.history.entries()) == 1  # saved: the system may kill the app now
    hand.app.on_resume()
    hand.hear(tone("samba", 2.0))
    assert hand.app.listening.session.snapshot.elapsed == pytest.approx(9, abs=0.2)
    assert "Samba" in hand.texts()


def test_rotation_keeps_everything(hand: Hand, tone: ToneMaker) -> None:
    hand.press()
    hand.hear(tone("tango", 8.0))
    session = hand.app.listening.session
    for size in [*SIZES.values(), SIZES["phone"]]:
        hand.resize(*size)
        hand.frames(5)
        assert "Tango" in hand.texts(), size
        assert hand.listen.wide == (size[0] > size[1])
        assert hand.app.root.rail == (size[0] > size[1])
        assert len(hand.widgets(NavItem)) == 4
    hand.hear(tone("tango", 2.0))
    assert hand.app.listening.session is session
    assert session.snapshot.elapsed == pytest.approx(10, abs=0.2)


def test_disk_full(hand: Hand, tone: ToneMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    history = hand.app.history

    def full(draft: Draft) -> None:
        raise StorageError(Problem.DISK_FULL, "database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(history, "save", full)
        hand.recognise(tone("samba", 8.0))
        assert Problem.DISK_FULL.sentence in hand.texts()
        assert "Samba" in hand.texts()
        hand.app.go("history")
        hand.frames(3)
        assert "1 result waits for free storage." in hand.texts()
    hand.app.go("listen")
    hand.app.go("history")
    hand.frames(3)
    assert len(history.entries()) == 1
    assert not hand.reads("waits for free storage")


def test_a_name_that_finds_no_room_says_so_rightly(
    hand: Hand, tone: ToneMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said that the result was not lost and would be saved: a name is no result, and was not."""

    def full(*_: object) -> None:
        raise StorageError(Problem.DISK_FULL, "database or disk is full")

    hand.recognise(tone("samba", 8.0))
    [entry] = hand.app.history.entries()
    hand.app.show_line(hand.app.history.lines(entry.id)[0].id)
    hand.frames(3)
    hand.tap(hand.find(kind=IconButton, hint="Rename"))
    hand.find(kind=LineInput, hint_text="For example: last dance at the ball").text = "Ball"
    monkeypatch.setattr(hand.app.history, "_write", full)
    hand.tap(hand.find(kind=TextButton, text="Save"))
    assert Problem.CHANGE_DISK_FULL.sentence in hand.texts()
    assert Problem.DISK_FULL.sentence not in hand.texts()
    assert not hand.reads("Ball")


def test_closing_the_app_saves_what_goes_on(tmp_path: Path, model: Model, tone: ToneMaker) -> None:
    hand = Hand(tmp_path, model)
    hand.press()
    hand.hear(tone("samba", 9.0))
    hand.close()
    with sqlite3.connect(tmp_path / "data" / "history.sqlite") as db:
        [(dance, duration)] = db.execute("SELECT dance, duration FROM session, line").fetchall()
    db.close()
    assert dance == "samba"
    assert duration == pytest.approx(9, abs=0.2)


# Looks


def test_contrast_of_all_text() -> None:
    pairs = list(theme.text_pairs())
    assert len(pairs) == 2 * len(theme.TEXT_ON)
    poor = [pair for pair in pairs if contrast(pair[3], pair[4]) < 4.5]
    assert poor == []
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_names_in_the_timeline_can_be_read() -> None:
    for dark, key in product((False, True), DANCES):
        colour = theme.dance_colour(key, dark=dark)
        assert contrast(ink_on(colour), colour) >= 4.5
        if dark:
            assert contrast(colour, theme.DARK.raised) >= theme.SHAPE_CONTRAST


@pytest.mark.slow
@pytest.mark.parametrize("text_size", ["small", "huge"])
def test_touch_targets(hand: Hand, tone: ToneMaker, text_size: str) -> None:
    hand.app.change_settings(text_size=text_size)
    hand.recognise(tone("samba", 6.0))
    session = hand.app.history.entries()[0].id
    line = hand.app.history.lines(session)[0].id
    places = {
        "listen": lambda: hand.app.go("listen"),
        "history": lambda: hand.app.go("history"),
        "evening": lambda: hand.app.show_evening(session),
        "line": lambda: hand.app.show_line(line),
        "about": lambda: hand.app.go("about"),
        "dances": lambda: hand.app.go("dances"),
        "dance": lambda: hand.app.show_dance("jive"),
        "settings": lambda: hand.app.go("settings"),
        "sheet": lambda: hand.listen.correct(),
    }
    for (place, go), size in product(places.items(), SIZES.values()):
        hand.resize(*size)
        go()
        hand.frames(4)
        targets = [widget for widget in hand.widgets(Touchable) if not widget.disabled]
        assert targets
        for widget in targets:
            assert min(widget.size) >= dp(theme.TOUCH_TARGET), f"{place} {size}: {widget} {widget.size}"


def test_timeline_draws_a_bounded_number_of_points(hand: Hand) -> None:
    timeline, rng = Timeline((*(dance.key for dance in TEN), OTHER)), np.random.default_rng(1)
    view = TimelineView(size=(391, 150), names=hand.app.dance_names, timeline=timeline)
    for seconds in (60, 1800, 7200):
        start = len(timeline)
        times = [float(t) for t in range(start, seconds)]
        timeline.extend(times, rng.dirichlet(np.ones(11), len(times)).astype(np.float32))
        for now in (-1, float(seconds)):
            view.now, view.whole = now, now >= 0
            view.draw()
            assert view.n_columns <= MAX_COLUMNS + 1
            for _, mesh in view._areas:
                assert len(mesh.vertices) == 2 * 4 * view.n_columns


def test_timeline_scrolls_and_shows_all_at_a_tap(hand: Hand, tone: ToneMaker) -> None:
    hand.press()
    hand.hear(tone("samba", 80.0))
    view = hand.listen.timeline
    assert view.scrolling
    assert "last minute" in hand.texts()
    columns = view.n_columns
    hand.tap(view)
    assert not view.scrolling
    assert "from start to end" in hand.texts()
    assert view.n_columns > columns


def test_all_of_a_session_is_drawn_once_a_frame_at_most(
    hand: Hand, tone: ToneMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every drawing asked for the next one, ten times a frame, as long as it listened."""
    hand.press()
    hand.hear(tone("samba", 10.0))
    view, drawn = hand.listen.timeline, list[bool]()
    hand.tap(view)
    place = view._write_names
    monkeypatch.setattr(view, "_write_names", lambda *rest: (drawn.append(True), place(*rest)))
    hand.frames(10)
    assert len(drawn) <= 10
    drawn.clear()
    view.now += 1
    hand.frames(1)
    assert drawn


def test_timeline_is_drawn_in_the_colour_of_the_dance(hand: Hand, tone: ToneMaker, tmp_path: Path) -> None:
    from PIL import Image

    hand.recognise(tone("samba", 20.0))
    view = hand.listen.timeline
    picture = Image.open(hand.picture(tmp_path / "screen.png")).convert("RGB")
    x, y = view.to_window(view.center_x, view.y)
    # Samba is the sixth of ten: 0.94 of the height, above the few per cent of the five before it.
    found = picture.getpixel((int(x * 0.6), int(Window.height - y - view.height * 0.4)))
    colour = theme.dance_colour("samba", dark=False)
    assert found == pytest.approx(tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)), abs=3)


def test_nothing_lies_under_the_bars_of_the_system(hand: Hand) -> None:
    hand.phone.bars = (0.0, 30.0, 0.0, 50.0)
    hand.resize(*SIZES["small phone"])
    bar = hand.app.root.bar
    assert bar.to_window(*bar.pos)[1] == pytest.approx(50)
    screens = hand.app.screens
    assert Window.height - screens.to_window(0, screens.top)[1] == pytest.approx(30)


def test_with_the_shipped_model(tmp_path: Path) -> None:
    """A Viennese waltz of the generated orchestra, through the microphone's path, with nothing replaced."""
    waltz = Path(__file__).parents[3] / "examples" / "viennese_waltz.ogg"
    hand = Hand(tmp_path, Model.load(threads=1))
    listening = hand.app.listening
    listening.platform = replace(listening.platform, microphone=lambda: FileSource(str(waltz), speed=10.0))
    hand.press()
    hand.until(lambda: "Viennese Waltz" in hand.texts())
    hand.until(lambda: hand.app.shown.mode == "done")
    assert "Viennese Waltz" in hand.texts()
    hand.close()


def test_keys(hand: Hand, tone: ToneMaker) -> None:
    hand.app.keyboard.on_key(None, 32)
    hand.hear(tone("samba", 2.0))
    hand.app.go("dances")
    assert hand.app.keyboard.on_key(None, 27)
    assert hand.app.screens.current == "listen"
    assert hand.app.keyboard.on_key(None, 27)  # it listens: nobody leaves by mistake
    hand.frames(2)
    assert "Still listening. Tap the button to stop." in hand.texts()
    assert hand.app.shown.mode == "running"
    hand.app.keyboard.on_key(None, 32)
    assert not hand.app.keyboard.on_key(None, 27)


def test_words_that_have_less_room_than_none_for_a_moment(hand: Hand) -> None:
    """Empty ones divided by zero, and ended the app, on a screen of three pixels a dp."""
    for text in ("", "Viennese Waltz"):
        for width in (-30, 0, 1):
            label = FitLabel(text=text, width=width)
            label.fit()
            assert label.font_size >= 1


@pytest.mark.slow
def test_hints_are_never_cut(hand: Hand) -> None:
    """The longest that fits, in every language and size."""
    hand.app.go("history")
    [search] = hand.widgets(LineInput) or [hand.app.screen("history").ids.search]
    for language, text_size in product(LANGUAGES, CHOICES["text_size"]):
        hand.app.change_settings(language=language, text_size=text_size)
        for size in ((320, 568), (411, 866), (1280, 800)):
            hand.resize(*size)
            room = search.width - search.padding[0] - search.padding[2]
            assert search.hint_text
            assert CoreLabel(font_size=search.font_size).get_extents(search.hint_text)[0] <= room
    assert search.hint_text == "Buscar: nombre, archivo, baile"


def test_closed_sheets_do_not_end_the_app_when_colours_and_words_change(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's collector comes in the middle of a rule of Kivy's, whose widget it takes."""

    gone: set[int] = set()

    def evaluated(code: object, names: dict[str, object]) -> object:
        if names["self"].uid in gone:
            gc.collect()
        return eval(code, names)

    gc.disable()  # or it might come earlier
    try:
        for change in ({"theme": "dark"}, {"language": "de"}, {"text_size": "huge"}):
            hand.app.screen("settings").ask_forget()
            hand.frames(3)
            [sheet] = [widget for widget in Window.children if isinstance(widget, ConfirmSheet)]
            gone |= {widget.uid for widget in sheet.walk()}
            sheet.dismiss(animation=False)
            del sheet
            hand.frames(3)
            with monkeypatch.context() as patched:
                patched.setattr("kivy.lang.builder.eval", evaluated, raising=False)
                hand.app.change_settings(**change)
    finally:
        gc.enable()


def test_facts_are_not_parted_and_nothing_is_said_twice(hand: Hand) -> None:
    entry = draft(source="a song.ogg")
    hand.app.history.save(entry)
    hand.app.history.rename(entry.id, "Ball")
    hand.app.show_line(hand.app.history.lines(entry.id)[0].id)
    screen = hand.app.screen("line")
    assert screen.title == "Ball"
    facts = screen.facts.split("  ")
    assert facts[0] == "a song.ogg\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}·"  # the dot ends a line, if any
    assert not any(" " in fact for fact in facts[1:])
    assert "bars\N{NO-BREAK SPACE}a\N{NO-BREAK SPACE}minute" in facts[-1]


def test_words_that_wrap_are_as_high_as_their_lines_after_the_type_has_changed(hand: Hand) -> None:
    """'compases' fills its column in large type already: in huge type its words are drawn as before."""
    hand.app.change_settings(language="es", text_size="large")
    hand.resize(320, 533)
    hand.app.show_dance("jive")
    hand.frames(6)
    hand.app.change_settings(text_size="huge")
    hand.frames(6)
    [label] = hand.widgets(FitLabel, text="compases por minuto")
    assert label.height == label.texture_size[1]


def test_the_sheet_of_what_is_danced_is_no_higher_than_what_it_holds(hand: Hand) -> None:
    for size in ((320, 568), (800, 1280)):
        hand.resize(*size)
        hand.app.ask_danced()
        hand.frames(6)
        [sheet] = hand.widgets(DancedSheet)
        done = hand.find(kind=TextButton, text="Done")
        top = done.to_window(done.x, done.top)[1]
        assert sheet.height <= 0.92 * size[1] + 1
        last = sheet.rows[-1]
        gap = last.to_window(last.x, last.y)[1] - top
        assert gap < dp(40)  # below it there is more, or the button comes at once
        sheet.dismiss(animation=False)
        hand.frames(3)
