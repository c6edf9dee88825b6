"""The count on the first screen, and what corrections teach, as far as a finger and an eye notice."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from mobile_app.core.count import Count, Pulse
from mobile_app.ui.counting import CountRow
from mobile_app.ui.drawings import CountView
from mobile_app.ui.listen import TapSheet
from mobile_app.ui.widgets import DanceRow, NavItem, SwitchRow, TextButton
from runtime import Model
from tests.conftest import ToneMaker
from tests.mobile_app.hand import Hand


@pytest.fixture
def samba(hand: Hand, tone: ToneMaker) -> Hand:
    hand.press()
    hand.hear(tone("samba", 12.0))
    hand.until(lambda: hand.app.shown.answer == "Samba")
    return hand


def pulse(hand: Hand, position: int | None, *, period: float = 100.0, ago: float = 1.0) -> None:
    """A beat that goes on and on, so that the screen can be looked at."""
    hand.app.listening.session._show(pulse=Pulse(time.monotonic() - ago, period, position, 2))
    settle(hand)


def settle(hand: Hand) -> None:
    """Until the count has been looked at anew."""
    time.sleep(0.03)
    hand.frames(4)


def row(hand: Hand) -> CountRow:
    return hand.app.screen("listen").view.ids.counting


def lit(hand: Hand) -> list[str]:
    return [text for text, *_, on in row(hand).ids.view.fields() if on]


def test_it_counts_as_dancers_do_and_says_when_it_is_not_sure(samba: Hand) -> None:
    assert "Looking for the beat…" in samba.texts()
    assert lit(samba) == []
    pulse(samba, None)
    assert "Tap here on the one" in samba.texts()
    assert not {"1", "2"} & {text for text, *_ in row(samba).ids.view.fields()}
    pulse(samba, 1)
    assert [text for text, *_ in row(samba).ids.view.fields()] == ["1", "a", "2"]
    assert lit(samba) == ["1"]
    row(samba)._count = Count()
    pulse(samba, 1, ago=80.0)
    assert lit(samba) == ["a"]
    pulse(samba, 2)
    assert lit(samba) == ["2"]


def test_bars_that_do_not_fit_the_dance_are_not_counted(samba: Hand) -> None:
    samba.app.listening.session._show(pulse=Pulse(time.monotonic() - 1, 100.0, 1, 3))
    settle(samba)
    assert "Tap here on the one" in samba.texts()


def test_a_tap_is_the_one(samba: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    session = samba.app.listening.session
    monkeypatch.setattr(session, "this_is_the_one", told.append)
    pulse(samba, 2)
    assert lit(samba) == ["2"]
    before = time.monotonic()
    samba.tap(row(samba))
    samba.until(lambda: told)  # what scrolls waits a moment whether the finger moves
    settle(samba)
    assert lit(samba) == ["1"]  # at once, before the listener's thread knows
    assert "The count begins here, as long as this song plays." in samba.texts()
    assert len(told) == 1
    assert before - 0.001 <= told[0] <= before + 0.1  # when the finger came down
    samba.app.keyboard.focus = row(samba)
    samba.app.keyboard.on_key(None, 13)
    assert len(told) == 2


def test_the_count_can_be_off_calm_or_spared(samba: Hand) -> None:
    pulse(samba, 1)
    assert row(samba).shown
    for name in ("count", "thrifty"):
        samba.app.change_settings(**{name: name == "thrifty"})
        samba.until(lambda: not row(samba).shown)
        assert row(samba).height == 0
        samba.app.change_settings(**{name: name == "count"})
    samba.app.change_settings(still=True)
    pulse(samba, 2)
    assert row(samba).ids.view.fields()[0][0] == "2"
    assert lit(samba) == []  # nothing lights up: the number changes
    samba.app.change_settings(still=False)
    samba.phone.calm = True
    samba.app.on_resume()
    pulse(samba, 1)
    assert [text for text, *_ in row(samba).ids.view.fields()] == ["1"]
    assert lit(samba) == []


def test_words_that_do_not_fit_are_initials(hand: Hand) -> None:
    view = CountView(size=(160, 48), font_size=20, count=(("slow", 2), ("quick", 1), ("quick", 1)))
    assert [text for text, *_ in view.fields()] == ["S", "Q", "Q"]
    view.width = 600
    assert [text for text, *_ in view.fields()] == ["slow", "quick", "quick"]
    narrow = CountView(size=(280, 48), font_size=20, count=(("1", 3), ("a", 0.05), ("2", 1)))
    for text, _, width, _ in narrow.fields():
        assert view._texture(text).width <= width
    assert sum(width for _, _, width, _ in narrow.fields()) == pytest.approx(280 - 12)


def test_words_of_a_count_have_room_around_them(hand: Hand) -> None:
    """A little smaller rather than from edge to edge; never much smaller."""
    view = CountView(height=48, font_size=19, count=(("langsam", 2), ("schnell", 1), ("schnell", 1)))
    for width in range(150, 700, 5):
        view.width = width
        fields = view.fields()
        scale = view.scale(fields)
        assert scale >= 0.8
        for text, _, wide, _ in fields:
            assert scale * view._texture(text).width <= wide - (10 if len(text) > 1 else 4) + 0.01
        assert (fields[0][0] == "L") == (width < 255)


def test_taps_put_the_count_right(samba: Hand) -> None:
    hand = np.random.default_rng(1)
    samba.app.go("settings")
    samba.frames(3)
    assert samba.reads("If it misses the beat, tap along while music plays.")
    samba.find(kind=TextButton, text="Tap along").dispatch("on_release")
    samba.frames(3)
    [sheet] = samba.widgets(TapSheet)
    now = time.monotonic()
    for beat in range(10):
        samba.app.listening.session._show(pulse=Pulse(now + 0.5 * beat + 0.1, 0.5, 1, 2))
        sheet.tap(now + 0.5 * beat + hand.normal(0, 0.01))  # the count comes 100 ms after the hand
    samba.frames(3)
    samba.tap(samba.find(kind=TextButton, text="Match the count to my taps"))
    assert samba.app.settings.count_delay == pytest.approx(100, abs=15)
    assert not samba.widgets(TextButton, text="Match the count to my taps")
    sheet.dismiss(animation=False)
    samba.frames(3)
    assert samba.reads(f"{samba.app.settings.count_delay} ms early")
    samba.find(kind=TextButton, text="Set back").dispatch("on_release")
    assert samba.app.settings.count_delay == 0


def test_tapping_along_needs_music(hand: Hand) -> None:
    hand.app.go("settings")
    hand.frames(3)
    hand.find(kind=TextButton, text="Tap along").dispatch("on_release")
    hand.frames(3)
    assert "Listen to some music first, then tap along." in hand.texts()


# Corrections teach


def correct(hand: Hand, key: str) -> None:
    hand.press()
    hand.until(lambda: hand.app.shown.mode == "done")
    hand.tap(hand.find(kind=TextButton, text="It was another dance"))
    hand.find(kind=DanceRow, key=key).dispatch("on_release")
    hand.frames(4)


def test_a_correction_is_kept_told_and_forgotten(samba: Hand) -> None:
    correct(samba, "rumba")
    teacher = samba.app.teacher
    assert [each.dance for each in teacher.corrections] == ["rumba"]
    samba.tap(samba.find(kind=NavItem, place="settings"))
    assert samba.reads("1 correction is kept.")
    samba.find(kind=TextButton, text="Forget what I taught").dispatch("on_release")
    samba.frames(3)
    samba.tap(samba.find(kind=TextButton, text="Forget it"))
    assert "What you taught is forgotten." in samba.texts()
    assert samba.reads("Nothing was corrected yet.")
    assert len(teacher.corrections) == 0
    [entry] = samba.app.history.entries()
    assert samba.app.history.lines(entry.id)[0].truth == "rumba"  # the history stays


def test_who_does_not_want_it_keeps_nothing(samba: Hand, tone: ToneMaker) -> None:
    samba.press()
    samba.until(lambda: samba.app.shown.mode == "done")
    samba.tap(samba.find(kind=NavItem, place="settings"))
    samba.find(kind=SwitchRow, text="Learn from corrections").dispatch("on_release")
    assert not samba.app.settings.learn
    samba.app.go("listen")
    samba.frames(3)
    samba.press()
    samba.hear(tone("jive", 12.0))
    correct(samba, "rumba")
    assert len(samba.app.teacher.corrections) == 0


def test_songs_of_last_evening_teach_the_day_after_until_they_are_deleted(
    tmp_path: Path, model: Model, tone: ToneMaker
) -> None:
    hand = Hand(tmp_path, model)
    for key in ("samba", "jive"):
        hand.recognise(tone(key, 12.0))
    hand.close()
    hand = Hand(tmp_path, model)  # the day after
    app, kept = hand.app, tmp_path / "data" / "heard"
    newest, oldest = app.history.entries()
    assert len(list(kept.iterdir())) == 2
    app.correct(app.history.lines(newest.id)[0].id, "rumba")
    assert [each.dance for each in app.teacher.corrections] == ["rumba"]
    assert len(list(kept.iterdir())) == 1
    assert app.change_history(lambda: app.history.delete(oldest.id))
    assert not list(kept.iterdir())
    hand.recognise(tone("tango", 12.0))
    assert len(list(kept.iterdir())) == 1
    app.change_settings(learn=False)
    assert not list(kept.iterdir())
    app.teacher.wait()
    hand.close()


def test_learnt_from_so_many_corrections_and_used_from_then_on(tmp_path: Path, tone: ToneMaker) -> None:
    """With the shipped model, whose head can be taught; and given to another phone."""
    from tests.mobile_app.core.test_teacher import teach_it

    model = Model.load(threads=1)
    hand = Hand(tmp_path, model)
    teach_it(hand.app.teacher, 10)
    hand.app.learn()
    hand.until(lambda: hand.reads("Learnt from 10 corrections."), seconds=120)
    assert "country_waltz" in hand.app.listening.load_model().info.labels
    assert "country_waltz" in hand.app.listening.known_dances()
    hand.app.listening.models.clear()
    assert "country_waltz" in hand.app.listening.known_dances()  # before the model is loaded, too
    hand.tap(hand.find(kind=NavItem, place="settings"))
    hand.find(kind=TextButton, text="Save what was learnt").dispatch("on_release")
    hand.frames(3)
    [gift] = tmp_path.glob("whichdance-*.whichdance")
    assert json.loads(gift.read_text())["recordings"] == {"country_waltz": 10}
    assert not list((tmp_path / "data").glob("learnt-copy*"))
    hand.close()
    other = Hand(tmp_path / "other", model)
    other.app.listening.models[""] = model
    other.phone.backup = gift
    other.tap(other.find(kind=NavItem, place="settings"))
    other.find(kind=TextButton, text="Open a taught file").dispatch("on_release")
    other.frames(4)
    assert "The file counts from now on." in other.texts()
    assert "country_waltz" in other.app.listening.load_model().info.labels
    gift.write_text("{}")
    other.find(kind=TextButton, text="Open a taught file").dispatch("on_release")
    other.frames(4)
    assert "This file was not taught for this app, or it is damaged." in other.texts()
    assert "country_waltz" in other.app.listening.load_model().info.labels  # the one before still counts
    (tmp_path / "other" / "data" / "taught").mkdir(parents=True)
    (tmp_path / "other" / "data" / "taught" / "club.whichdance").write_text("{}")
    assert "club" in other.app.screen("settings").model_names().values()
    other.close()


@pytest.mark.parametrize("text_size", ["normal", "huge"])
def test_words_that_come_stand_in_the_middle(samba: Hand, text_size: str) -> None:
    samba.app.change_settings(text_size=text_size)
    pulse(samba, 1)
    row(samba)._count = Count()
    pulse(samba, None)  # numbers give way to words
    words = row(samba).ids.words
    assert words.text == "Tap here on the one"
    assert words.center == pytest.approx(row(samba).center, abs=1)


def test_of_no_delay_nothing_is_said(hand: Hand) -> None:
    hand.app.go("settings")
    settings = hand.app.screen("settings")
    assert "0 ms" not in settings.delay.text
    assert not settings.set_back.shown
    hand.app.change_settings(count_delay=-80)
    assert settings.delay.text.startswith("The count is shown 80 ms late.")
    assert settings.set_back.shown
    hand.app.change_settings(count_delay=125)
    assert settings.delay.text.startswith("The count is shown 125 ms early")


def test_a_frame_that_stalls_tells_no_delay(samba: Hand) -> None:
    """What waits for the processor is late by accident: taps are compared with what came in time."""
    pulse(samba, 1)
    counting = row(samba)
    before = counting.seen
    for passed, told in ((0.4, False), (1 / 60, True)):
        counting._beat = None  # the next frame shows another
        counting.tick(passed)
        counting._flip()
        assert (counting.seen is not before) == told
    before = counting.seen
    counting._beat = None
    counting.tick(1 / 60)
    time.sleep(0.1)  # the drawing itself
    counting._flip()
    assert counting.seen is before
