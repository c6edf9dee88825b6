"""An evening: from dance to dance, the set list, and what can be done with it."""

import csv
import io
import json
import os
import re
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
from kivy.core.window import Window
from kivy.metrics import dp

from mobile_app.core.buzz import PATTERNS
from mobile_app.core.daytime import time_of_day
from mobile_app.core.history import NAME_LENGTH, History
from mobile_app.core.problems import Notice, Problem
from mobile_app.core.session import State
from mobile_app.ui.app import SCREENS
from mobile_app.ui.files import FileSheet
from mobile_app.ui.glyphs import covered, drawable
from mobile_app.ui.history import EveningRow, LineRow
from mobile_app.ui.keyboard import pressable
from mobile_app.ui.listen import Named, SetRow
from mobile_app.ui.widgets import (
    ChoiceChip,
    DanceRow,
    FitLabel,
    IconButton,
    LineInput,
    NavItem,
    SwitchRow,
    TextButton,
    Touchable,
    Words,
)
from runtime import Model
from runtime.answer import Answer
from runtime.dances import DANCES, OTHER
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import RATE
from tests.mobile_app.core.test_history import draft
from tests.mobile_app.hand import Hand

PLAYED = ("samba", "viennese_waltz", "jive")


@pytest.fixture
def evening(hand: Hand, tone: ToneMaker) -> Hand:
    """Three dances of twenty seconds each have been heard, and it goes on."""
    hand.app.change_settings(speak=True, update_rate="lively")
    hand.press()
    for key in PLAYED:
        hand.hear(tone(key, 20.0))
    return hand


def test_the_screen_says_at_once_when_the_dance_changes(evening: Hand) -> None:
    assert evening.app.shown.answer == "Jive"
    lines = evening.app.listening.session.snapshot.lines  # type: ignore[union-attr]
    assert [line.dance for line in lines] == list(PLAYED)
    assert [line.start for line in lines] == pytest.approx([0, 20, 40], abs=4)
    assert evening.phone.buzzed == [PATTERNS["Latin"], PATTERNS["waltz"], PATTERNS["Latin"]]
    assert evening.phone.spoken == [("Samba", "en"), ("Viennese Waltz", "en"), ("Jive", "en")]
    rows = [(row.text, row.now) for row in evening.widgets(SetRow)][::-1]
    newest = [("Jive", True), ("Viennese Waltz", False), ("Samba", False)]
    assert rows == newest[: len(rows)]  # as many as there is room for
    assert len(rows) >= 2


def test_a_dance_that_comes_back_after_a_pause_is_told_once_more_not_twice(
    hand: Hand, tone: ToneMaker
) -> None:
    hand.press()
    hand.hear(tone("samba", 20.0))
    hand.hear(np.random.default_rng(1).normal(0, 0.1, 6 * RATE).astype(np.float32))
    hand.hear(tone("samba", 15.0))
    assert len(hand.phone.buzzed) == 1


def test_the_history_has_one_line_per_dance(evening: Hand) -> None:
    evening.press()
    evening.until(lambda: evening.app.shown.mode == "done")
    assert "3 dances" in evening.texts()
    assert not evening.widgets(TextButton, text="Yes")  # to which of the three?
    evening.tap(evening.find(kind=NavItem, place="history"))
    [head] = evening.widgets(EveningRow)
    assert head.detail.startswith("3 dances")
    assert [row.text for row in evening.widgets(LineRow)][::-1] in (
        ["Jive", "Viennese Waltz", "Samba"],
        ["Samba", "Viennese Waltz", "Jive"],
    )
    [entry] = evening.app.history.entries()
    lines = evening.app.history.lines(entry.id)
    assert all(10 < line.end - line.start < 26 for line in lines)
    assert [(line.at - lines[0].at) for line in lines] == [
        pytest.approx(timedelta(seconds=line.start), abs=timedelta(seconds=1)) for line in lines
    ]


def test_name_search_filter_share_and_export_an_evening(evening: Hand, tmp_path: Path) -> None:
    evening.press()
    evening.until(lambda: evening.app.shown.mode == "done")
    evening.tap(evening.find(kind=TextButton, text="The whole evening"))
    assert evening.app.screens.current == "evening"
    assert evening.app.screen("evening").dances == ["Samba", "Viennese Waltz", "Jive"]
    evening.tap(evening.find(kind=IconButton, hint="Rename"))
    evening.find(kind=LineInput, hint_text="For example: ball at the club").text = (
        "Ball \N{DANCER}" + "x" * 500
    )
    evening.tap(evening.find(kind=TextButton, text="Save"))
    [entry] = evening.app.history.entries()
    assert len(entry.name) == NAME_LENGTH
    evening.tap(evening.find(kind=IconButton, hint="Share"))
    shared = evening.phone.shared[-1].splitlines()
    assert shared[0].startswith("Ball \N{DANCER}")
    assert [row.split("  ")[1].split(",")[0] for row in shared[1:4]] == ["Samba", "Viennese Waltz", "Jive"]
    for words, suffix in (
        ("Table (CSV)", "csv"),
        ("Data (JSON)", "json"),
        ("Marks in the sound (CUE)", "cue"),
    ):
        evening.tap(evening.find(kind=IconButton, hint="Export"))
        evening.tap(evening.find(kind=TextButton, text=words))
        evening.frames(3)
        [path] = tmp_path.glob(f"whichdance-Ball*.{suffix}")
        text = path.read_text()
        if suffix == "csv":
            assert [row["dance"] for row in csv.DictReader(io.StringIO(text))] == list(PLAYED)
        elif suffix == "json":
            assert [dance["dance"] for dance in json.loads(text)[0]["dances"]] == list(PLAYED)
        else:
            assert text.count("TRACK") == 3
    other = draft(2, "tango", "rumba", name="Course")
    evening.app.history.save(other)
    evening.app.go("history")
    screen = evening.app.screen("history")
    for text, found in (("ball", 3), ("tang", 1), ("nothing like it", 0), ("", 5)):
        screen.ids.search.text = text
        evening.until(lambda found=found: len(screen.list.shown) >= min(found, 1))
        screen.refresh()
        evening.frames(3)
        assert len([row for row in screen._rows if row[1]]) == found, text
    evening.tap(evening.find(kind=IconButton, hint="Show only some dances"))
    evening.tap(evening.find(kind=ChoiceChip, value="tango"))
    evening.tap(evening.find(kind=TextButton, text="Done"))
    assert [row.text for row in evening.widgets(LineRow)] == ["Tango"]


def test_correcting_one_dance_of_an_evening(evening: Hand, tmp_path: Path) -> None:
    evening.press()
    evening.until(lambda: evening.app.shown.mode == "done")
    session = evening.app.listening.session.snapshot.saved  # type: ignore[union-attr]
    evening.app.show_evening(session)
    evening.frames(4)
    evening.tap(evening.find(kind=LineRow, text="Viennese Waltz"))
    evening.tap(evening.find(kind=TextButton, text="It was another"))
    evening.find(kind=DanceRow, key=OTHER).dispatch("on_release")  # it may have to be scrolled to
    evening.frames(4)
    assert "None of these" in evening.texts()
    assert evening.app.go_back()
    evening.frames(3)
    assert evening.app.screens.current == "evening"
    assert [line.result for line in evening.app.history.lines(session)] == ["samba", OTHER, "jive"]
    evening.app.screen("history").save_as("corrections")
    [path] = tmp_path.glob("whichdance-corrections-*.json")
    assert [record["truth"] for record in json.loads(path.read_text())] == [OTHER]


def test_what_was_not_recognised_has_its_row_and_can_be_corrected(hand: Hand) -> None:
    hand.press()
    hand.hear(np.random.default_rng(1).normal(0, 0.1, 20 * RATE).astype(np.float32))
    hand.hear(np.zeros(10 * RATE, np.float32))
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    [entry] = hand.app.history.entries()
    assert "What was it?" in hand.texts()
    hand.tap(hand.find(kind=NavItem, place="history"))
    row = hand.find(kind=LineRow)
    assert row.text.endswith("?")  # the two that came closest
    assert "Not recognised" in row.detail
    hand.tap(hand.find(kind=NavItem, place="listen"))
    hand.tap(hand.find(kind=TextButton, text="Tell which dance it was"))
    hand.tap(hand.find(kind=DanceRow, key="rumba"))
    assert "Noted: it was Rumba." in hand.texts()
    assert [line.truth for line in hand.app.history.lines(entry.id)] == ["rumba"]


def test_one_tap_while_it_plays_says_what_it_is(hand: Hand, tone: ToneMaker) -> None:
    """The likeliest first, and any dance, also one that the model does not know."""
    hand.press()
    assert not hand.widgets(TextButton, text="It is …")
    hand.hear(tone("rumba", 12.0))
    hand.tap(hand.find(kind=TextButton, text="It is …"))
    rows = hand.widgets(DanceRow)[::-1]  # Kivy's children are in the order of drawing
    assert rows[0].key == "rumba"
    assert len(rows) == 1 + len(DANCES)
    hand.find(kind=DanceRow, key="bachata").dispatch("on_release")
    hand.frames(3)
    assert "Noted: Bachata." in hand.texts()
    hand.hear(tone("tango", 15.0))
    hand.until(lambda: len(hand.widgets(SetRow)) == 2)
    assert [row.text for row in hand.widgets(SetRow)][::-1] == ["Tango", "Bachata"]
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    [entry] = hand.app.history.entries()
    lines = hand.app.history.lines(entry.id)
    assert [(line.dance, line.truth) for line in lines] == [("rumba", "bachata"), ("tango", None)]


def test_a_recording_without_music_says_so(hand: Hand, tmp_path: Path) -> None:
    path = tmp_path / "nothing.wav"
    soundfile.write(path, np.zeros(20 * RATE, np.float32), RATE)
    hand.app.open_file(str(path))
    hand.until(lambda: hand.app.listening.session.snapshot.state is State.FINISHED)  # type: ignore[union-attr]
    hand.frames(3)
    assert Problem.NO_MUSIC.sentence in hand.texts()


# What must not be lost


def test_deleting_everything_while_it_listens(evening: Hand, tone: ToneMaker, tmp_path: Path) -> None:
    """It used to end the worker, and then closing the app raised."""
    evening.app.screen("settings").ask_forget()
    evening.frames(2)
    evening.tap(evening.find(kind=TextButton, text="Delete everything"))
    assert evening.app.history.entries() == []
    evening.hear(tone("tango", 25.0))
    assert evening.app.shown.mode == "running"
    assert evening.app.shown.answer == "Tango"
    evening.press()
    evening.until(lambda: evening.app.shown.mode == "done")
    [entry] = evening.app.history.entries()
    assert evening.app.history.lines(entry.id)[-1].dance == "tango"
    assert evening.app.history.lines(entry.id)[0].start > 40


def test_deleting_the_running_session_while_it_listens(evening: Hand, tone: ToneMaker) -> None:
    evening.app.history.delete(evening.app.listening.session.snapshot.saved)  # type: ignore[union-attr]
    evening.hear(tone("tango", 25.0))
    assert evening.app.shown.mode == "running"
    evening.press()
    assert len(evening.app.history.entries()) == 1


def test_keep_the_sound_can_be_switched_while_it_listens(hand: Hand, tone: ToneMaker) -> None:
    hand.app.change_settings(keep_audio=True)
    hand.press()
    hand.hear(tone("samba", 12.0))
    hand.app.change_settings(keep_audio=False)
    assert hand.reads("No more sound is kept.")
    kept = hand.app.history.audio_bytes()
    hand.hear(tone("samba", 6.0))
    assert hand.app.history.audio_bytes() <= kept + 2 * RATE
    assert kept > 20 * RATE
    [entry] = hand.app.history.entries()
    assert hand.app.history.audio_path(entry.id) is not None
    hand.app.change_settings(keep_audio=True)
    assert hand.reads("The sound is kept from now on.")
    hand.hear(tone("samba", 6.0))  # it went into a file of its own, and the next start removed the first
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    [path] = hand.app.history.audio_folder.iterdir()
    assert hand.app.history.audio_path(entry.id) == path
    samples, rate = soundfile.read(path)
    assert rate == RATE
    assert len(samples) == pytest.approx(18 * RATE, abs=2 * RATE)


def test_kept_sound_has_a_limit_that_is_seen(
    hand: Hand, tone: ToneMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mobile_app.ui.listening.MEGABYTE", 2_000)
    hand.app.change_settings(keep_audio=True, audio_limit="100")
    hand.press()
    hand.hear(tone("samba", 12.0))
    assert Notice.AUDIO_LIMIT.sentence in hand.texts()
    assert hand.app.history.audio_bytes() < 100 * 2_000 + 100
    hand.app.go("settings")
    hand.frames(3)
    assert hand.reads("0.2 MB are in use.")


def test_what_takes_effect_later_says_so(hand: Hand, tone: ToneMaker) -> None:
    hand.press()
    hand.hear(tone("samba", 2.0))
    for change in ({"update_rate": "calm"}, {"sensitivity": "careful"}, {"thrifty": True}):
        hand.app.root.ids.toast.text = ""
        hand.app.change_settings(**change)
        assert hand.reads("Takes effect when you listen again."), change
    hand.app.root.ids.toast.text = ""
    hand.app.change_settings(vibrate=False)
    assert not hand.reads("Takes effect")


def test_the_app_starts_on_a_damaged_history_and_says_where_it_is(tmp_path: Path, model: Model) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "history.sqlite").write_bytes(b"no database" * 999)
    hand = Hand(tmp_path, model)
    [aside] = (tmp_path / "data").glob("history.damaged-*.sqlite")
    assert hand.reads(aside.name)
    hand.tap(hand.find(kind=TextButton, text="All right"))
    assert not hand.reads(aside.name)
    hand.close()


def test_the_app_starts_where_nothing_can_be_written(tmp_path: Path, model: Model, tone: ToneMaker) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    hand = Hand(tmp_path, model)
    hand.press()
    hand.hear(tone("samba", 12.0))
    assert Problem.STORAGE_FAILED.sentence in hand.texts()
    assert hand.app.shown.answer == "Samba"
    (tmp_path / "data").unlink()
    (tmp_path / "data").mkdir()  # there is room now
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    hand.app.go("history")
    hand.frames(3)
    hand.close()
    with sqlite3.connect(tmp_path / "data" / "history.sqlite") as db:
        assert db.execute("SELECT dance FROM line").fetchall() == [("samba",)]
    db.close()


# In the background


def test_it_goes_on_in_the_background(hand: Hand, tone: ToneMaker) -> None:
    hand.phone.may_go_on = True
    hand.press()
    hand.hear(tone("samba", 12.0))
    assert hand.app.on_pause()
    assert not hand.sources[0].stopped
    hand.hear(tone("tango", 25.0))
    assert hand.phone.notified[-1] == "Tango"
    assert hand.phone.buzzed == [PATTERNS["Latin"], PATTERNS["Standard"]]
    hand.phone.on_stop()  # the notification's button, from a thread of the system's
    assert hand.sources[0].stopped
    hand.app.on_resume()
    hand.until(lambda: hand.app.shown.mode == "done")
    assert hand.phone.notified[-1] == ""  # the service has ended
    [entry] = hand.app.history.entries()
    assert [line.dance for line in hand.app.history.lines(entry.id)] == ["samba", "tango"]


def test_the_tile_makes_it_listen(hand: Hand) -> None:
    hand.phone.tile = True
    hand.app.on_resume()
    hand.until(lambda: hand.app.shown.mode == "running")
    hand.app.on_resume()
    assert len(hand.sources) == 1


def test_a_service_that_did_not_come_up_pauses_the_evening(hand: Hand, tone: ToneMaker) -> None:
    """Else it would listen to the zeros that Android gives to an app in the background."""
    hand.phone.may_go_on = True
    hand.press()
    hand.hear(tone("samba", 7.0))
    hand.phone.runs = False
    hand.app.on_pause()
    assert hand.app.listening.session.snapshot.state is State.PAUSED  # type: ignore[union-attr]
    hand.phone.runs = True
    hand.app.on_resume()
    hand.until(lambda: hand.app.listening.session.snapshot.state is State.LISTENING)


def test_notifications_are_asked_for_when_they_were_first_needed(hand: Hand, tone: ToneMaker) -> None:
    """Not beside the question for the microphone: after the first time in the background."""
    hand.phone.may_go_on = True
    hand.press()
    hand.hear(tone("samba", 7.0))
    assert hand.phone.asked_to_notify == 0
    hand.app.on_pause()
    hand.app.on_resume()
    assert hand.phone.asked_to_notify == 1


def test_the_tile_shows_that_it_listens(hand: Hand, tone: ToneMaker) -> None:
    hand.press()
    hand.hear(tone("samba", 7.0))
    assert hand.phone.tiles == [True]
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    assert hand.phone.tiles == [True, False]


def test_a_device_that_refuses_everything_costs_no_evening(
    hand: Hand, tone: ToneMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("DeadObjectException")

    for name in (
        "vibrate", "speak", "keep_awake", "start_background", "tell_background", "stop_background",
        "background_runs", "ask_to_notify", "show_listening",
    ):  # fmt: skip
        monkeypatch.setattr(hand.phone, name, refuse)
    hand.app.change_settings(speak=True)
    hand.press()
    hand.hear(tone("samba", 12.0))
    assert hand.app.shown.answer == "Samba"
    hand.app.on_pause()
    hand.app.on_resume()
    hand.until(lambda: hand.app.listening.session.snapshot.state is State.LISTENING)
    hand.hear(tone("samba", 3.0))
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    assert len(hand.app.history.entries()) == 1


# By keyboard, and in words


@pytest.mark.slow
def test_every_screen_by_keyboard_with_a_visible_focus(hand: Hand) -> None:
    hand.app.history.save(draft(2, "tango", "rumba"))
    keys = hand.app.keyboard

    def press(key: int) -> bool:
        done = keys.on_key(None, key, 0, "", [])
        hand.frames(3)
        return bool(done)

    def all_by_tab() -> set[Touchable]:
        """What the focus comes by until it is back, each time in sight and with a ring around it."""
        keys.clear()
        hand.frames(3)
        seen: list[Touchable] = []
        while True:
            assert press(9)
            assert keys._ring in Window.canvas.after.children
            place = [*keys.focus.to_window(keys.focus.x, keys.focus.y)]
            place += [*keys.focus.to_window(keys.focus.right, keys.focus.top)]
            assert keys._line.rounded_rectangle[:2] == pytest.approx([place[0] + dp(1), place[1] + dp(1)])
            assert -1 <= place[0] <= place[2] <= Window.width + 1, f"{keys.focus} is not in sight"
            x, y = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
            assert 0 <= x <= Window.width
            assert -1 <= y <= Window.height + 1, f"{keys.focus} is not in sight"
            if keys.focus in seen:
                return set(seen)
            seen.append(keys.focus)

    app, places = hand.app, ("listen", "history", "dances", "settings")
    [entry] = app.history.entries()
    [line, _] = app.history.lines(entry.id)
    screens = {place: lambda place=place: app.go(place) for place in (*places, "about")}
    screens |= {
        "evening": lambda: app.show_evening(entry.id),
        "line": lambda: app.show_line(line.id),
        "dance": lambda: app.show_dance("tango"),
    }
    assert screens.keys() == SCREENS.keys()
    for name, go in screens.items():
        go()
        assert app.screens.current == name
        seen = all_by_tab()
        every = {w for w in hand.widgets((Touchable, LineInput)) if not w.disabled}
        assert seen >= every, name  # a list makes further rows as the focus comes to them
        assert {item.place for item in seen if isinstance(item, NavItem)} == set(places)
    for sheet in (app.screen("history").ask_export, app.screen("line").rename, app.screen("line").correct):
        sheet()
        hand.frames(3)
        under = {item for item in all_by_tab() if isinstance(item, NavItem)}
        assert not under  # what the panel covers can't be reached
        press(27)
    for place in places:
        keys.focus = hand.find(kind=NavItem, place=place)
        assert press(13)
        assert app.screens.current == place
    hand.app.go("history")
    hand.frames(3)
    keys.clear()
    for _ in range(60):
        if not isinstance(keys.focus, LineRow):
            press(274)
    line = keys.focus.line
    press(13)
    assert hand.app.screens.current == "line"
    assert hand.app.screen("line").line.id == line
    press(27)
    assert hand.app.screens.current == "history"
    hand.app.screen("history").ask_export()
    hand.frames(3)
    press(9)
    press(27)  # closes the panel, not the screen
    assert hand.app.screens.current == "history"
    assert not hand.reads("Table (CSV)")


def test_names_that_the_font_cannot_draw_get_a_sign() -> None:
    assert ord("ž") in covered()
    assert drawable("Bésame – Ночь") == "Bésame – Ночь"
    for text in ("Ball \N{DANCER}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}", "Ball 東京"):
        shown = drawable(text)
        assert shown.startswith("Ball ")
        assert len(shown) == 6
        assert ord(shown[-1]) in covered()
    assert drawable("e\N{COMBINING ACUTE ACCENT}") != ""


@pytest.mark.parametrize("size", [(320, 533), (360, 720)])
def test_ranking_timeline_and_buttons_fit_a_small_window(
    hand: Hand, tone: ToneMaker, size: tuple[int, int]
) -> None:
    """All of it within its part of the window without scrolling, while it listens and afterwards."""
    hand.resize(*size)
    hand.press()
    hand.hear(tone("viennese_waltz", 12.0))
    for over in (False, True):
        if over:
            hand.press()
            hand.until(lambda: hand.app.shown.mode == "done")
        hand.frames(8)
        view = hand.listen.view.ids
        scroll = view.scroll
        bottom, top = scroll.to_window(0, scroll.y)[1], scroll.to_window(0, scroll.top)[1]
        for widget in (view.candidates_card, view.timeline):
            low, high = widget.to_window(0, widget.y)[1], widget.to_window(0, widget.top)[1]
            assert widget.height >= 40
            assert bottom - 1 <= low < high <= top + 1, (
                f"{widget} {low:.0f}…{high:.0f} of {bottom:.0f}…{top:.0f}"
            )
        assert view.button.height >= 48


def test_the_edge_of_the_screen_cuts_through_no_row_of_the_set_list(evening: Hand) -> None:
    """The third of three rows was cut in the middle, and looked like the last one."""
    for text_size, size in product(
        ("normal", "huge"), ((411, 866), (411, 731), (360, 640), (320, 533), (866, 411), (640, 360))
    ):
        evening.app.change_settings(text_size=text_size)
        evening.resize(*size)
        evening.frames(8)
        listen = evening.listen
        scroll = listen.view.ids.right_scroll if listen.wide else listen.view.ids.scroll
        edge = scroll.to_window(0, scroll.y)[1]
        rows = evening.widgets(SetRow)
        assert rows
        for row in rows:
            low, high = row.to_window(0, row.y)[1], row.to_window(0, row.top)[1]
            where = f"{row.text}, {text_size}, {size}: {low:.0f}…{high:.0f} at {edge:.0f}"
            assert low >= edge - 1 or high <= edge + 1, where


def test_the_result_is_the_dance_that_was_heard_not_the_noise_at_the_end(hand: Hand, tone: ToneMaker) -> None:
    hand.press()
    hand.hear(tone("samba", 20.0))
    hand.hear(np.random.default_rng(1).normal(0, 0.1, 25 * RATE).astype(np.float32))
    assert hand.app.shown.answer == "Not sure"
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    assert hand.app.shown.answer == "Samba"
    assert "Was that right?" in hand.texts()
    assert hand.listen.view.ids.candidates.rows[0].text == "Samba"


# Backup, sound, messages


def test_backup_and_restore_from_the_settings(hand: Hand, tone: ToneMaker, tmp_path: Path) -> None:
    hand.recognise(tone("samba", 12.0))
    hand.app.go("settings")
    hand.frames(3)
    hand.find(kind=TextButton, text="Save a backup").dispatch("on_release")
    hand.frames(3)
    [backup] = tmp_path.glob("whichdance-*.sqlite")
    hand.app.change_history(hand.app.history.delete_all)
    assert hand.app.history.entries() == []
    hand.frames(3)
    hand.phone.backup = backup
    hand.find(kind=TextButton, text="Restore a backup").dispatch("on_release")
    hand.frames(3)
    assert "1 session of it is in the history now." in hand.texts()
    assert [line.dance for line in hand.app.history.lines(hand.app.history.entries()[0].id)] == ["samba"]
    hand.phone.backup = tmp_path / "letter.sqlite"
    hand.phone.backup.write_text("Dear all")
    hand.frames(3)
    hand.find(kind=TextButton, text="Restore a backup").dispatch("on_release")
    hand.frames(3)
    assert "This file is no backup of this app's history." in hand.texts()
    assert not list((tmp_path / "data" / "passing").iterdir())


def test_a_backup_is_picked_from_the_folders_of_a_desktop(hand: Hand, tmp_path: Path) -> None:
    hand.app.history.save(draft(2, "jive"))
    hand.app.back_up()
    hand.app.history.delete_all()
    hand.phone.backup = None
    hand.app.restore()
    hand.frames(3)
    [sheet] = hand.widgets(FileSheet)
    (tmp_path / "song.mp3").touch()
    sheet.show(tmp_path)
    assert all(not row["text"].endswith("mp3") for row in sheet.rows.data)
    [path] = tmp_path.glob("whichdance-*.sqlite")
    sheet.choose(path)
    assert len(hand.app.history.entries()) == 1


def test_what_was_put_aside_is_deleted_by_a_dialog_that_names_it(hand: Hand, tmp_path: Path) -> None:
    hand.app.history.save(draft(2, "jive"))
    name = "history.newer-20260501T201500.sqlite"
    hand.app.history.back_up(tmp_path / "data" / name)
    hand.app.history.delete_all = None  # type: ignore[assignment,method-assign]
    hand.app.go("settings")
    hand.frames(3)
    when = time_of_day(datetime(2026, 5, 1, 20, 15, tzinfo=UTC))
    assert any(text.startswith("Put aside: History of a newer app") and when in text for text in hand.texts())
    hand.app.screen("settings").ask_forget()
    hand.frames(3)
    assert any("newer app" in text and when in text and "All results" in text for text in hand.texts())
    hand.tap(hand.find(kind=TextButton, text="Keep it"))
    hand.find(kind=TextButton, text="Delete it").dispatch("on_release")
    hand.frames(3)
    assert any("What could not be read" in text and when in text for text in hand.texts())
    [confirm, *_] = [b for b in hand.widgets(TextButton, text="Delete it") if b.kind == "danger"]
    hand.tap(confirm)
    assert not (tmp_path / "data" / name).exists()


def test_a_newer_apps_history_is_not_called_damaged(tmp_path: Path, model: Model) -> None:
    History(tmp_path / "data").close()
    with sqlite3.connect(tmp_path / "data" / "history.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    hand = Hand(tmp_path, model)
    try:
        assert hand.reads("The history comes from a newer version of the app.")
        assert not hand.reads("damaged")
    finally:
        hand.close()


def test_play_from_this_dance_and_save_the_sound(
    hand: Hand, tone: ToneMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second dance of two, whose sound was switched on late: what plays is that dance."""
    played: list[tuple[int, np.ndarray]] = []

    class Sound:
        def bind(self, **_: object) -> None: ...
        def play(self) -> None: ...
        def stop(self) -> None: ...
        def unload(self) -> None: ...

    def load(path: str) -> Sound:
        samples, rate = soundfile.read(path)
        played.append((rate, samples))
        return Sound()

    monkeypatch.setattr("mobile_app.ui.sound.SoundLoader.load", load)
    hand.press()
    hand.hear(tone("samba", 15.0))
    hand.app.change_settings(keep_audio=True)
    hand.hear(tone("samba", 15.0))
    hand.hear(tone("tango", 20.0))
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    [entry] = hand.app.history.entries()
    tango = hand.app.history.lines(entry.id)[1]
    hand.app.show_line(tango.id)
    hand.frames(3)
    hand.find(kind=TextButton, text="Play").dispatch("on_release")
    hand.frames(2)
    [(rate, samples)] = played
    assert len(samples) / rate == pytest.approx(tango.end - tango.start, abs=0.5)
    middle = samples[5 * rate : 10 * rate]
    expected = np.abs(np.fft.rfft(tone("tango", 5.0))).argmax()
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(expected, abs=2)
    hand.find(kind=TextButton, text="Stop").dispatch("on_release")
    hand.frames(2)
    assert not list((tmp_path / "data" / "passing").iterdir())
    hand.app.show_evening(entry.id)
    hand.app.screen("evening").save_as("cue")
    [sheet] = tmp_path.glob("*.cue")
    minutes, seconds, _ = re.findall(r"INDEX 01 (\d+):(\d+):(\d+)", sheet.read_text())[-1]
    assert 60 * int(minutes) + int(seconds) == pytest.approx(tango.start - 15, abs=1.5)  # of the sound
    hand.app.show_line(tango.id)
    hand.frames(3)
    hand.find(kind=TextButton, text="Save the sound").dispatch("on_release")
    hand.frames(2)
    assert (tmp_path / (entry.audio or "")).read_bytes() == hand.app.history.audio_path(entry.id).read_bytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [(320, 533), (320, 640), (533, 320), (411, 866)])
def test_a_message_covers_no_button(hand: Hand, tone: ToneMaker, size: tuple[int, int]) -> None:
    hand.resize(*size)
    hand.recognise(tone("samba", 12.0))
    hand.frames(6)
    hand.app.toast("Saved: /home/somebody/Downloads/whichdance-evening-2026-05-01.csv")
    hand.frames(3)
    toast = hand.app.root.ids.toast
    low, high = toast.to_window(0, toast.y)[1], toast.to_window(0, toast.top)[1]
    assert 0 <= low < high <= size[1]
    for button in pressable(hand.app.root):
        below, above = button.to_window(0, button.y)[1], button.to_window(0, button.top)[1]
        left, right = button.to_window(button.x, 0)[0], button.to_window(button.right, 0)[0]
        beside = right <= toast.x or left >= toast.right
        assert beside or above <= low + 1 or below >= high - 1, f"{button} under the message"
    assert toast.x >= 0
    assert toast.right <= size[0]


def test_tab_reaches_the_search_field(hand: Hand) -> None:
    hand.app.history.save(draft(2, "tango", name="Übungsabend"))
    hand.app.history.save(draft(2, "samba"))
    hand.app.go("history")
    hand.frames(3)
    keys, field = hand.app.keyboard, hand.app.screen("history").ids.search
    for _ in range(6):
        keys.on_key(None, 9, 0, "", [])
        hand.frames(2)
        if field.focus:
            break
    assert field.focus
    field.text = "übung"
    hand.until(lambda: len(hand.widgets(LineRow)) == 1)
    assert hand.find(kind=LineRow).text == "Tango"


def test_the_hour_that_comes_twice_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        told = [time_of_day(at + timedelta(hours=hours)) for hours in range(-1, 3)]
        assert told == ["01:30", "02:30 CEST", "02:30 CET", "03:30"]
        assert time_of_day(datetime(2026, 3, 29, 1, 30, tzinfo=UTC)) == "03:30"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_danced_here_is_chosen_before_it_listens(hand: Hand, tone: ToneMaker) -> None:
    hand.tap(hand.find(kind=TextButton, text="Danced here: All dances"))
    hand.tap(hand.find(kind=ChoiceChip, value="latin"))
    assert {row.key for row in hand.widgets(DanceRow) if row.chosen} <= {
        "samba", "cha_cha_cha", "rumba", "paso_doble", "jive",
    }  # fmt: skip
    hand.find(kind=DanceRow, key="jive").dispatch("on_release")
    hand.find(kind=DanceRow, key="samba").dispatch("on_release")
    hand.find(kind=DanceRow, key="paso_doble").dispatch("on_release")
    hand.frames(2)
    hand.find(kind=SwitchRow).dispatch("on_release")
    hand.tap(hand.find(kind=TextButton, text="Done"))
    assert hand.app.settings.danced == "cha_cha_cha,rumba"
    assert hand.app.settings.nothing_else
    assert hand.find(kind=TextButton, text="Danced here: Cha Cha Cha, Rumba, nothing else")
    hand.press()
    hand.hear(tone("rumba", 12.0))
    assert hand.app.shown.answer == "Rumba"
    rows = [row.text for row in hand.listen.view.ids.candidates.rows if row.text]
    assert sorted(rows) == ["Cha Cha Cha", "Rumba"]  # and no 'none of these'
    hand.press()


def test_the_history_is_copied_when_a_session_has_ended(hand: Hand, tone: ToneMaker) -> None:
    copy = hand.app.history.copy_path
    hand.until(copy.exists)  # at the start
    os.utime(copy, (0, 0))
    hand.recognise(tone("samba", 12.0))
    hand.until(lambda: copy.stat().st_mtime > 1)
    with sqlite3.connect(copy) as db:
        assert db.execute("SELECT dance FROM line").fetchall() == [("samba",)]
    db.close()


# Two dances, and none of them


@pytest.mark.parametrize("size", [(411, 866), (320, 533), (866, 411), (640, 360)])
def test_either_of_two_has_equal_room_and_both_counts(
    hand: Hand, tone: ToneMaker, size: tuple[int, int]
) -> None:
    hand.resize(*size)
    hand.press()
    hand.hear(tone("rumba", 7.0))
    session, shown = hand.app.listening.session, hand.app.shown
    answer = Answer("two", ("cha_cha_cha", "rumba"), None, 0.9, (0.48, 0.42), "could be")
    session._listener.tell(answer=answer)  # type: ignore[union-attr]
    hand.until(lambda: shown.second)
    assert {shown.answer, shown.second} == {"Cha Cha Cha", "Rumba"}
    hand.frames(6)
    named = {widget.text: widget for widget in hand.widgets(Named)}
    first, second = named[shown.answer], named[shown.second]
    assert first.width == second.width
    assert first.largest == second.largest >= 26
    texts = hand.texts()
    assert {"2 3 4 & 1", "2 3 4–1"} <= texts  # how they are danced tells a dancer which it is
    assert {shown.percent, shown.second_percent} <= texts
    assert (shown.percent, shown.second_percent) == ("48%", "42%")
    for label in (first.children[-1], second.children[-1]):  # the names; on a small phone that lies, no more
        low, high = label.to_window(0, label.y)[1], label.to_window(0, label.top)[1]
        scroll = hand.listen.view.ids.scroll
        assert scroll.to_window(0, scroll.y)[1] - 1 <= low < high  # in sight without scrolling


def test_none_of_these_says_what_it_is_closest_to(hand: Hand, tone: ToneMaker) -> None:
    hand.app.change_settings(danced="latin")
    hand.press()
    hand.hear((tone("tango", 15.0) + 0.3 * tone("samba", 15.0)) / 1.3)
    hand.until(lambda: hand.app.shown.answer == "None of these")
    hand.frames(4)
    assert hand.app.shown.closest.startswith("or ")
    assert hand.app.shown.closest.endswith("?")
    closest = hand.find(kind=Words, text=hand.app.shown.closest)
    answer = hand.find(kind=FitLabel, text="None of these", largest=hand.listen.view.ids.answer.largest)
    assert closest.font_size < answer.font_size / 1.5  # in smaller type


def test_of_a_dance_and_none_of_these_the_likelier_stands_first(hand: Hand, tone: ToneMaker) -> None:
    """'None of these' stood there in large letters, and below it 59 % of a Viennese waltz."""
    hand.press()
    hand.hear(tone("rumba", 7.0))
    listener, shown = hand.app.listening.session._listener, hand.app.shown  # type: ignore[union-attr]
    for rumba, other, first, beside in (
        (0.59, 0.23, "Rumba", "or none of these?"),
        (0.23, 0.59, "None of these", "or Rumba?"),
    ):
        scores = dict.fromkeys(listener.news.prediction.scores, 0.02) | {"rumba": rumba, OTHER: other}
        of_none = {"dance": None, "verdict": "none", "confidence": other, "scores": scores}
        prediction = replace(listener.news.prediction, **of_none)
        listener.tell(prediction=prediction, answer=Answer.of(prediction))
        hand.until(lambda beside=beside: shown.closest == beside)
        hand.frames(4)
        texts = hand.texts()
        assert {first, beside, "59%"} <= texts
        assert shown.confidence == pytest.approx(0.59)
        assert ("2 3 4–1" in texts) == (first == "Rumba")
        assert hand.find(kind=Words, text=beside).font_size < 26
