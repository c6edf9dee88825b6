"""All of the app by keyboard: Tab and the arrows move a visible focus, Enter and the space bar press."""

from collections.abc import Iterator
from typing import Any

from kivy.core.window import Window
from kivy.graphics import Color, InstructionGroup, SmoothLine
from kivy.metrics import dp
from kivy.uix.scrollview import ScrollView
from kivy.uix.textinput import TextInput
from kivy.uix.widget import Widget

from mobile_app.ui.host import Host
from mobile_app.ui.widgets import Touchable

TAB, ENTER, ESCAPE, SPACE, PAD_ENTER = 9, 13, 27, 32, 271
UP, DOWN, RIGHT, LEFT = 273, 274, 275, 276
STEPS = {DOWN: 1, RIGHT: 1, UP: -1, LEFT: -1}


class Keyboard:
    """Keys of the window, while the app runs; a ring around what has the focus."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self.focus: Widget | None = None
        self._ring = InstructionGroup()
        self._color = Color()
        self._line = SmoothLine(width=dp(1.5))
        self._ring.add(self._color)
        self._ring.add(self._line)
        Window.bind(on_keyboard=self.on_key, on_touch_down=self.clear, on_draw=self._follow)

    def close(self) -> None:
        """Keys no longer matter."""
        self.clear()
        Window.unbind(on_keyboard=self.on_key, on_touch_down=self.clear, on_draw=self._follow)

    def on_key(self, _: object, key: int, *rest: object) -> bool:
        """A key was pressed; True where it is dealt with."""
        modifiers = rest[2] if len(rest) > 2 and isinstance(rest[2], list) else []
        sheet = _sheet(self._app)
        if key == ESCAPE:
            if sheet is not None:
                sheet.dismiss()
                return True
            return self._app.go_back()
        typing = any(isinstance(w, TextInput) and w.focus for w in _within(sheet or self._app.root))
        if key == TAB:
            return self.move(-1 if "shift" in modifiers else 1)
        if key in STEPS and (not typing or key in (UP, DOWN)):  # a field has one line
            return self.move(STEPS[key])
        if key in (ENTER, PAD_ENTER, SPACE) and not typing:
            return self._press(key, sheet)
        return False

    def _press(self, key: int, sheet: Widget | None) -> bool:
        if isinstance(self.focus, TextInput):
            self.focus.focus = True
            return True
        if self.focus is not None and self.focus.get_root_window() is not None:
            self.focus.dispatch("on_press")  # what counts on time
            self.focus.dispatch("on_release")
            return True
        if key == SPACE and sheet is None and self._app.root.ids.screens.current == "listen":
            self._app.screen("listen").press()
            return True
        return False

    def move(self, step: int) -> bool:
        """Give the focus to the next or the previous thing that can be pressed."""
        top = _sheet(self._app) or self._app.root
        fields = [w for w in _within(top) if isinstance(w, TextInput)]
        places = sorted([*pressable(top), *fields], key=_reading_order)
        if not places:
            return False
        written = next((field for field in fields if field.focus), None)
        self.focus = written or self.focus
        for field in fields:
            field.focus = False
        at = places.index(self.focus) + step if self.focus in places else (0 if step > 0 else -1)
        self.focus = places[at % len(places)]
        if isinstance(self.focus, TextInput):
            self.focus.focus = True
        Window.canvas.ask_update()  # Kivy draws no frame on which nothing has changed
        parent = self.focus.parent
        while parent is not None and parent is not Window:
            if isinstance(parent, ScrollView) and parent.children[0].height > parent.height:
                parent.scroll_to(self.focus, padding=dp(12), animate=False)
            parent = parent.parent
        return True

    def clear(self, *_: object) -> None:
        """A finger has taken over."""
        self.focus = None
        Window.canvas.after.remove(self._ring) if self._ring in Window.canvas.after.children else None

    def _follow(self, *_: object) -> None:
        focus = self.focus
        if focus is None:
            return
        if focus.get_root_window() is None or focus.disabled:
            self.clear()
            return
        if self._ring not in Window.canvas.after.children:
            Window.canvas.after.add(self._ring)
        self._color.rgba = self._app.theme.text
        x, y = focus.to_window(focus.x, focus.y)
        right, top = focus.to_window(focus.right, focus.top)
        self._line.rounded_rectangle = (x + dp(1), y + dp(1), right - x - dp(2), top - y - dp(2), dp(12))


def _sheet(app: Host) -> Any:
    """The panel that lies over everything, if there is one."""
    return next((widget for widget in Window.children if hasattr(widget, "overlay_color")), None)


def _within(widget: Widget) -> Iterator[Widget]:
    if widget.opacity > 0.01 and widget.width > 0.5 and widget.height > 0.5 and not widget.disabled:
        yield widget
        for child in widget.children:
            yield from _within(child)


def pressable(top: Widget) -> list[Widget]:
    """What can be pressed now, below a widget."""
    return [widget for widget in _within(top) if isinstance(widget, Touchable)]


def _reading_order(widget: Widget) -> tuple[float, ...]:
    """From the top, then from the left; what lies within half a line is one line.

    What scrolls comes together, at the place of its list: else the bar below would come between the rows
    in sight and the others, and change its place among them with every step.
    """
    x, y = widget.to_window(widget.center_x, widget.center_y)
    own = (-round(y / dp(24)), x)
    outer = own
    parent = widget.parent
    while parent is not None and parent is not Window:
        if isinstance(parent, ScrollView):
            left, top = parent.to_window(parent.x, parent.top)
            outer = (-round(top / dp(24)), left)
        parent = parent.parent
    return (*outer, *own)
