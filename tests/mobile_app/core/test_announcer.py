"""A device that fails at telling a dance costs that buzz, not the evening."""

from collections.abc import Callable

import pytest

from mobile_app.core.announcer import Announcer, Manner
from mobile_app.core.history import History
from mobile_app.core.listener import Ears, Options
from mobile_app.core.session import Session, State
from runtime import Answer, Model
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import HandSource, Screen

RUMBA = Answer("dance", ("rumba",), None, 0.9, (0.9,), "quite sure")


class Broken:
    """A phone whose motor, voice or notification throws; the rest works."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*_: object) -> None:
            if name in self.broken:
                raise RuntimeError(f"{name}: DeadObjectException")
            self.done.append(name)

        return call


@pytest.mark.parametrize("name", ["vibrate", "speak", "tell_background"])
def test_what_fails_costs_only_itself(name: str, caplog: pytest.LogCaptureFixture) -> None:
    phone = Broken(name)
    Announcer(phone, lambda: Manner(vibrate=True, speak=True)).hear(RUMBA)  # type: ignore[arg-type]
    assert set(phone.done) == {"vibrate", "speak", "tell_background"} - {name}
    assert "could not be told" in caplog.text


def test_an_evening_goes_on_without_its_buzz(
    history: History, screen: Screen, model: Model, tone: ToneMaker
) -> None:
    """It used to end with 'something unexpected happened' at the first dance."""
    phone = Broken("vibrate", "speak", "tell_background")
    source = HandSource()
    session = Session(
        lambda: source,
        Ears(lambda: model),
        history,
        Options(43),
        post=screen.post,
        on_change=screen.changed,
        on_answer=Announcer(phone, lambda: Manner(speak=True)).hear,  # type: ignore[arg-type]
    )
    session.start()
    screen.until(lambda: session.snapshot.state is State.LISTENING)
    source.hear(tone("samba", 15.0))
    screen.until(lambda: session.snapshot.elapsed > 14.5)
    assert (session.snapshot.state, session.snapshot.problem) == (State.LISTENING, None)
    session.stop()
    assert history.lines(history.entries()[0].id)[0].dance == "samba"


def test_either_of_two_is_told_without_a_buzz() -> None:
    told: list[str] = []

    class Phone(Broken):
        def tell_background(self, title: str, text: str) -> None:
            told.append(text)

    phone = Phone()
    names = {"rumba": "Rumba", "cha_cha_cha": "Cha-Cha-Cha"}
    announcer = Announcer(phone, lambda: Manner(names=names, either="{several} oder {last}", listening="…"))  # type: ignore[arg-type]
    announcer.hear(Answer("two", ("cha_cha_cha", "rumba"), None, 0.9, (0.5, 0.4), "could be"))
    announcer.hear(Answer("none", (), "rumba", 0.7))
    assert told == ["Cha-Cha-Cha oder Rumba", "…"]
    assert phone.done == []
