"""The service and the tile, in the orders that Android's documents allow: late, twice, revoked.

The system's side is `android.app.Framework` of the stubs: commands arrive when the test lets them, and what
would end the app on a phone is noted in `crashes`. Runs in the process of `test_android_adapters`.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mobile_app.devices import android
from tests.mobile_app.devices.test_devices import in_a_thread

Java = Callable[[str], Any]
SDKS = (24, 26, 29, 30, 33, 34, 36)


class Phone:
    """A phone with the app in front, and the microphone allowed."""

    def __init__(self, java: Java) -> None:
        self.java = java
        self.framework = java("android.app.Framework")
        self.context = java("android.content.Context")
        self.activity = java("org.kivy.android.PythonActivity")
        self.notifications = java("android.app.NotificationManager")
        self.version = java("android.os.Build$VERSION")
        self.framework.reset()
        self.context.inFront = True
        self.allow(True)
        self.activity.answer, self.activity.notifies = "grant", False
        self.activity.asked.clear()
        self.version.SDK_INT = 36
        self.stopped = 0
        self.system = android.AndroidSystem()

    def allow(self, microphone: bool) -> None:
        self.activity.granted = self.framework.microphone = microphone

    def start(self) -> bool:
        def stopped() -> None:
            self.stopped += 1

        return self.system.start_background("whichdance", "Listening…", "Stop", stopped)

    def press_stop(self) -> None:
        """The button of the notification."""
        if self.notifications.last is not None:
            self.notifications.last.actions.toArray()[0].intent.send()

    @property
    def crashes(self) -> list[str]:
        self.framework.settle()
        return list(self.framework.crashes.toArray())


@pytest.fixture
def phone(java: Java) -> Iterator[Phone]:
    phone = Phone(java)
    yield phone
    phone.system.stop_background()
    java("org.whichdance.whichdance.ListenService").end()
    phone.framework.reset()
    phone.version.SDK_INT = 35


@pytest.mark.parametrize("sdk", SDKS)
def test_it_goes_on_in_the_background(phone: Phone, sdk: int) -> None:
    phone.version.SDK_INT = sdk
    assert phone.start()
    assert phone.system.background_runs()
    assert phone.framework.isForeground()
    if sdk >= 30:
        assert phone.java("android.app.Service").foregroundType == 128  # the microphone
    assert phone.notifications.last.title == "Listening…"
    assert phone.notifications.last.icon == phone.java("org.whichdance.whichdance.R$drawable").ic_microphone
    in_a_thread(lambda: phone.system.tell_background("whichdance", "Rumba"))
    assert phone.notifications.last.title == "Rumba"
    phone.press_stop()
    assert phone.stopped == 1
    assert phone.context.running is None
    assert not phone.system.background_runs()
    phone.system.stop_background()  # the session has ended by then; once more does no harm
    assert phone.start()
    in_a_thread(phone.system.stop_background)
    assert phone.context.running is None
    assert phone.stopped == 1
    assert phone.crashes == []


@pytest.mark.parametrize("sdk", [26, 33, 36])
def test_stopped_before_the_service_has_come_up(phone: Phone, sdk: int) -> None:
    """A double tap on the button: 'did not then call Service.startForeground()' ended the app."""
    phone.version.SDK_INT, phone.framework.later = sdk, True
    assert phone.start()
    phone.system.stop_background()
    assert phone.crashes == []
    assert phone.context.running is None
    assert phone.notifications.last is None
    for _ in range(3):  # and nervously
        assert phone.start()
        phone.system.stop_background()
    assert phone.crashes == []
    assert phone.context.running is None


def test_started_again_before_it_has_stopped(phone: Phone) -> None:
    phone.framework.later = True
    phone.start()
    phone.framework.run()
    phone.system.stop_background()
    assert phone.start()
    phone.framework.run()
    assert phone.framework.isForeground()
    assert phone.notifications.last.title == "Listening…"
    assert phone.crashes == []


def test_pressed_twice(phone: Phone) -> None:
    phone.start()
    [action] = phone.notifications.last.actions.toArray()
    action.intent.send()
    action.intent.send()  # the notification was still there
    assert phone.stopped == 1
    assert phone.context.running is None
    assert phone.crashes == []


def test_pressed_while_a_new_start_is_on_its_way(phone: Phone) -> None:
    phone.start()
    [action] = phone.notifications.last.actions.toArray()
    phone.framework.later = True
    action.intent.send()
    phone.system.stop_background()
    phone.start()
    assert phone.crashes == []


@pytest.mark.parametrize("sdk", SDKS)
def test_not_in_front(phone: Phone, sdk: int) -> None:
    phone.version.SDK_INT, phone.context.inFront = sdk, False
    assert phone.start() is (sdk < 26)  # Android 7 lets everybody
    assert phone.crashes == []
    assert phone.system.background_runs() is (sdk < 26)


def test_the_permission_was_revoked_before(phone: Phone) -> None:
    phone.allow(False)
    assert not phone.start()
    assert not phone.system.background_runs()
    assert phone.crashes == []


@pytest.mark.parametrize("what", ["revoked", "gone to the background"])
def test_taken_away_between_start_and_coming_up(phone: Phone, what: str) -> None:
    """startForeground throws: that ended the app, too."""
    phone.framework.later = True
    assert phone.start()
    if what == "revoked":
        phone.framework.microphone = False
    else:
        phone.context.inFront = False
    phone.framework.run()
    assert phone.crashes == []
    assert not phone.system.background_runs()  # and the app pauses when it leaves the front
    assert phone.context.running is None
    phone.allow(True)
    phone.context.inFront = True
    assert phone.start()
    phone.framework.run()
    assert phone.framework.isForeground()


def test_swiped_away(phone: Phone) -> None:
    phone.start()
    phone.framework.swipe()
    assert phone.stopped == 1
    assert phone.context.running is None
    assert phone.crashes == []


def test_a_notification_that_is_told_of_nothing(phone: Phone) -> None:
    phone.system.tell_background("whichdance", "Rumba")  # before the start
    phone.framework.later = True
    phone.start()
    phone.system.tell_background("whichdance", "Tango")  # before it has come up
    phone.framework.run()
    assert phone.notifications.last.title == "Tango"
    phone.system.stop_background()
    phone.system.tell_background("whichdance", "Jive")
    assert phone.notifications.last is None
    assert phone.crashes == []


@pytest.mark.parametrize("seed", range(20))
def test_any_order(phone: Phone, seed: int) -> None:
    """Two hundred things that users, threads and the system do, in any order: no order ends the app."""
    rng = random.Random(seed)
    phone.version.SDK_INT = rng.choice(SDKS)
    phone.framework.later = True

    def permission() -> None:
        phone.allow(rng.random() < 0.7)

    def front() -> None:
        phone.context.inFront = rng.random() < 0.7

    things = (
        phone.start,
        phone.system.stop_background,
        phone.press_stop,
        phone.framework.run,
        phone.framework.run,
        phone.framework.swipe,
        lambda: phone.system.tell_background("whichdance", "Rumba"),
        lambda: in_a_thread(phone.system.stop_background),
        permission,
        front,
    )
    for _ in range(200):
        rng.choice(things)()
        assert list(phone.framework.crashes.toArray()) == []
    phone.system.stop_background()
    phone.java("org.whichdance.whichdance.ListenService").end()
    assert phone.crashes == []
    assert phone.context.running is None
    assert not phone.system.background_runs()


def test_the_fake_system_ends_the_app_where_android_would(phone: Phone) -> None:
    """Else the tests above would show nothing: what the service did before."""
    intent = phone.java("android.content.Intent")(
        phone.activity.mActivity, phone.java("java.lang.Class").forName("android.app.Service")
    )
    phone.framework.later = True
    phone.context().startForegroundService(intent)
    phone.context().stopService(intent)
    assert "did not then call" in phone.crashes[0]


# Questions


@pytest.mark.parametrize("sdk", [30, 33, 36])
def test_one_question_at_a_time(phone: Phone, sdk: int) -> None:
    """Two dialogues came in a row at the first use: notifications are asked for when they are needed."""
    phone.version.SDK_INT = sdk
    phone.allow(False)
    phone.system.request_microphone(lambda _: None)
    phone.framework.microphone = True
    phone.start()
    assert phone.activity.asked.toArray() == ["android.permission.RECORD_AUDIO"]
    phone.system.ask_to_notify()
    phone.system.ask_to_notify()  # nobody is asked twice
    asked = list(phone.activity.asked.toArray())[1:]
    assert asked == (["android.permission.POST_NOTIFICATIONS"] if sdk >= 33 else [])


# The tile


@pytest.mark.parametrize("sdk", [30, 36])
def test_the_tile_opens_the_app_and_makes_it_listen(phone: Phone, sdk: int) -> None:
    phone.version.SDK_INT = sdk
    tile = phone.java("org.whichdance.whichdance.ListenTile")()
    opened = phone.java("android.service.quicksettings.TileService")
    assert not phone.system.wants_to_listen()
    tile.locked = True
    before = opened.opened
    tile.onClick()
    tile.onClick()  # a double tap is one wish
    assert opened.opened == before + 2
    assert phone.system.wants_to_listen()
    assert not phone.system.wants_to_listen()


def test_the_tile_shows_whether_the_app_listens(phone: Phone) -> None:
    service = phone.java("android.service.quicksettings.TileService")
    for on, state in itertools.islice(itertools.cycle([(True, 2), (False, 1)]), 4):
        in_a_thread(lambda on=on: phone.system.show_listening(on))
        assert service.tile.shown == state
    service.there = False  # the user has not put it there
    phone.system.show_listening(True)
    service.there = True
    assert service.tile.shown == 1
    phone.java("org.whichdance.whichdance.ListenTile")().onStartListening()  # they open the quick settings
    assert service.tile.shown == 2
    phone.system.show_listening(False)
