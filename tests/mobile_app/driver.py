"""Drives the real app in a window without a screen: frames, taps, pictures."""

from tests.mobile_app import headless  # isort: skip  # noqa: F401

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from kivy.base import EventLoop, runTouchApp, stopTouchApp
from kivy.core.window import Window
from kivy.graphics import Color, Fbo, Rectangle
from kivy.tests.common import UnitTestTouch
from kivy.uix.widget import Widget

from mobile_app.ui.app import WhichDanceApp


class Driver:
    """One running app.

    Parameters
    ----------
    app : WhichDanceApp
    size : (int, int)
        Of the window in px.
    """

    def __init__(self, app: WhichDanceApp, size: tuple[int, int] = (411, 866)) -> None:
        self.app = app
        Window.size = size
        app._run_prepare()
        runTouchApp(embedded=True)
        self.frames(5)

    def frames(self, count: int = 2) -> None:
        """Let Kivy draw some frames."""
        for _ in range(count):
            EventLoop.idle()

    def until(self, condition: Callable[[], object], *, seconds: float = 20.0, pause: float = 0.002) -> None:
        """Draw frames until a condition holds; AssertionError where it takes too long.

        `pause` s lie between two frames: at a screen's pace, others have their share of the processor.
        """
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            EventLoop.idle()
            time.sleep(pause)
        self.frames(3)

    def resize(self, width: int, height: int) -> None:
        """Turn the device, or take another one."""
        Window.size = (width, height)
        self.frames(4)

    def tap(self, widget: Widget) -> None:
        """Put a finger on the middle of a widget, and lift it."""
        assert widget.get_root_window() is not None, f"{widget} is not on the screen"
        self.tap_at(*widget.to_window(*widget.center))

    def tap_at(self, x: float, y: float) -> None:
        """Put a finger on a point of the window, and lift it."""
        touch = UnitTestTouch(x, y)
        touch.touch_down()
        self.frames(1)
        touch.touch_up()
        self.frames(2)
        time.sleep(0.04)  # ButtonBehavior shows its pressed state at least 35 ms, then releases
        self.frames(2)

    def widgets(self, kind: type = Widget, **attributes: object) -> list[Widget]:
        """The visible widgets of a kind, in sheets too, that have these attributes."""
        return [
            widget
            for widget in visible(Window.children)
            if isinstance(widget, kind)
            and all(getattr(widget, name, None) == value for name, value in attributes.items())
        ]

    def find(self, **attributes: object) -> Widget:
        """The one visible widget with these attributes."""
        found = self.widgets(**attributes)
        assert len(found) == 1, f"{len(found)} widgets with {attributes}: {self.texts()}"
        return found[0]

    def texts(self) -> set[str]:
        """All texts that can be read now."""
        found = {getattr(widget, "text", "") for widget in self.widgets()}
        return {text for text in found if isinstance(text, str) and text}

    def picture(self, path: Path) -> Path:
        """Save what the window shows."""
        self.frames(3)
        width, height = Window.size
        fbo = Fbo(size=(width, height), with_stencilbuffer=True)
        with fbo:
            Color(*Window.clearcolor)
            Rectangle(size=(width, height))
        fbo.add(Window.canvas)
        fbo.draw()
        fbo.texture.save(str(path), flipped=True)
        fbo.remove(Window.canvas)
        return path

    def close(self) -> None:
        """End the app and clear the window."""
        self.app.dispatch("on_stop")
        for widget in list(Window.children):
            Window.remove_widget(widget)
        stopTouchApp()


def visible(widgets: list[Widget]) -> Iterator[Widget]:
    """A tree of widgets, without what is transparent or not on its screen."""
    for widget in widgets:
        if widget.opacity > 0.01 and widget.width > 0.5 and widget.height > 0.5:
            yield widget
            yield from visible(widget.children)
