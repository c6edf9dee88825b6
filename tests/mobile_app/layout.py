"""What is wrong with the layout on the screen: words that are cut, broken, shortened, or over each other.

`python -m tests.mobile_app.layout` looks at every screen, in every state that changes its layout, in all
languages, text sizes and shapes, and prints what it finds.
"""

from tests.mobile_app import headless  # isort: skip  # noqa: F401

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from pathlib import Path

import numpy as np
from kivy.clock import Clock
from kivy.core.text import Label as CoreLabel
from kivy.core.window import Window
from kivy.lang import Builder
from kivy.metrics import sp
from kivy.uix.label import Label
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from mobile_app.core.count import Pulse
from mobile_app.core.history import MICROPHONE, Draft, Heard
from mobile_app.core.interfaces import Platform
from mobile_app.core.problems import Notice, Problem
from mobile_app.core.recording import WavWriter
from mobile_app.core.session import Session, Snapshot, State
from mobile_app.core.settings import CHOICES
from mobile_app.core.timeline import Timeline
from mobile_app.core.translations import LANGUAGES
from mobile_app.devices.desktop import DesktopSystem
from mobile_app.devices.file_source import FileSource
from mobile_app.ui.app import WhichDanceApp
from mobile_app.ui.drawings import CountView
from mobile_app.ui.files import FileSheet
from mobile_app.ui.host import host
from mobile_app.ui.listen import TapSheet
from mobile_app.ui.widgets import Card, FitLabel, SmallPrint, Touchable
from runtime import Answer, Model, Prediction
from runtime.dances import DANCE_KEYS, OTHER, dance
from runtime.live import Level
from tests.mobile_app.driver import Driver, visible

SHAPES = {
    "phone": (411, 866),
    "phone lying": (866, 411),
    "small phone": (360, 640),
    "small phone lying": (640, 360),
    "narrow phone": (360, 720),
    "smallest": (320, 533),
    "tablet": (1280, 800),
    "tablet upright": (800, 1280),
}  # dp
SLACK = 1.5  # px that rounding may cost
OVERLAP = 3.0  # px, in both directions
FILE_NAME = "07 - Orquesta de la Habana - Bésame mucho (remastered 2004).flac"
SESSION_NAME = "Abschlussball der Tanzschule"
OWN_WORDS = (FILE_NAME, SESSION_NAME)  # the user's, as long as they like: may end in dots
LEAST_WORDS = 0.8  # of the size of running text: what words are to have, however narrow their place is
SHRUNKEN = 0.8  # of that, or of what they would have: less is seen
LEAST_ANSWER = 26  # sp of the dance's name, however long it is


@dataclass(frozen=True)
class Box:
    """Where something is drawn, px of the window."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: "Box") -> bool:
        """Do the two lie over each other?"""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return wide > OVERLAP and high > OVERLAP

    def within(self, other: "Box") -> "Box":
        """The part of it inside another one."""
        return Box(
            max(self.left, other.left),
            max(self.bottom, other.bottom),
            min(self.right, other.right),
            min(self.top, other.top),
        )


def box(widget: Widget) -> Box:
    """Where a widget lies."""
    return Box(*widget.to_window(widget.x, widget.y), *widget.to_window(widget.right, widget.top))


def drawn(label: Label) -> Box:
    """Where the words of a label are drawn: around its middle, whatever its size."""
    lines = label._label.get_cached_extents()
    pad_x = label.padding[0] + label.padding[2]
    widest = max((lines(line)[0] for line in label.text.split("\n")), default=0)
    width = min(label.texture_size[0], widest + pad_x) if label.text_size[0] else label.texture_size[0]
    height = label.texture_size[1]
    if label.text_size[1]:  # as high as the widget: the words themselves are one line or wrapped lines of it
        rows = max(1, len(label._label._cached_lines))
        height = min(height, rows * lines(label.text or "X")[1] * label.line_height)
    x, y = label.to_window(*label.center)
    left = x - width / 2
    if label.text_size[0]:
        left += {"left": -1, "right": 1}.get(label.halign, 0) * (label.texture_size[0] - width) / 2
    if label.text_size[1]:
        y += {"bottom": -1, "top": 1}.get(label.valign, 0) * (label.texture_size[1] - height) / 2
    return Box(left, y - height / 2, left + width, y + height / 2)


def clip(widget: Widget) -> tuple[Box, bool]:
    """The part of the window that may show a widget, and whether the user can scroll up and down in it."""
    part, scrolls = Box(0, 0, *Window.size), False
    parent = widget.parent
    while parent is not None and parent is not Window:
        if isinstance(parent, Card):  # what is wider sticks out of it
            part = part.within(replace(part, left=box(parent).left, right=box(parent).right))
        if isinstance(parent, ScrollView):
            part, scrolls = part.within(box(parent)), True
        parent = parent.parent
    return part, scrolls


def name(widget: Widget) -> str:
    """A widget in words."""
    said = [child.text for child in widget.walk(restrict=True) if isinstance(child, Label) and child.text]
    return f"{type(widget).__name__} {getattr(widget, 'hint', '') or ' | '.join(said)!r}"


def defects() -> Iterator[str]:
    """What is wrong with what the window shows now."""
    widgets = list(visible(Window.children))
    covered = [w for w in Window.children if hasattr(w, "overlay_color")]
    if covered:  # a sheet: what lies under it does not matter
        widgets = list(visible(covered[:1]))
    labels = [w for w in widgets if isinstance(w, Label) and w.text.strip()]
    for label in labels:
        yield from _of_label(label)
    for view in widgets:
        if isinstance(view, CountView):
            scale = view.scale(view.fields())
            if scale < SHRUNKEN - 0.001:
                yield f"a count is drawn at {scale:.2f} of its size"
            for text, _, width, _ in view.fields():
                if (wide := scale * view._texture(text).width) > width + SLACK:
                    yield f"{text!r} of a count is {wide:.0f} px wide in {width:.0f}"
            if view._texture("X").height > view.height + SLACK:
                yield f"a count is {view._texture('X').height} px high in {view.height:.0f}"
    solid: list[tuple[Widget, Box]] = [(label, drawn(label)) for label in labels]
    solid += [(w, box(w)) for w in widgets if isinstance(w, Touchable) and not w.disabled]
    for widget, place in solid:
        part, scrolls = clip(widget)
        if place.left < part.left - SLACK or place.right > part.right + SLACK:
            yield f"{name(widget)}: beyond the edge, {place.left:.0f}…{place.right:.0f} of {part.right:.0f}"
        if not scrolls and (place.bottom < part.bottom - SLACK or place.top > part.top + SLACK):
            yield f"{name(widget)}: beyond top or bottom, {place.bottom:.0f}…{place.top:.0f}"
    shown = [(widget, place.within(clip(widget)[0]), _line(widget)) for widget, place in solid]
    for (one, here, above_one), (other, there, above_other) in combinations(shown, 2):
        if here.meets(there) and one not in above_other and other not in above_one:
            yield f"{name(one)} and {name(other)} lie over each other"


def _line(widget: Widget) -> list[Widget]:
    parents = []
    while (parent := widget.parent) is not None and parent is not widget:
        parents.append(parent)
        widget = parent
    return parents


def _of_label(label: Label) -> Iterator[str]:
    high, wide = label.texture_size[1], label.texture_size[0]
    if high > label.height + SLACK:
        yield f"{label.text!r}: {high} px high in {label.height:.0f}"
    if wide > label.width + SLACK:
        yield f"{label.text!r}: {wide} px wide in {label.width:.0f}"
    least = 0.0
    if isinstance(label, FitLabel):
        least = SHRUNKEN * min(label.largest, LEAST_WORDS * host().theme.body)
    if label.font_size < least and not any(text in label.text for text in OWN_WORDS):
        yield f"{label.text!r}: shrunken to {label.font_size:.0f} px, of {label.largest:.0f}"
    if label.is_shortened and not any(text in label.text for text in OWN_WORDS):
        yield f"{label.text!r}: shortened in {label.width:.0f} px"
    if label.text_size[0] and not label.is_shortened:
        room = label.text_size[0] - label.padding[0] - label.padding[2]
        measure = CoreLabel(font_size=label.font_size, bold=label.bold)
        parts = label.text.split() if label.max_lines != 1 else label.text.split("\n")
        for part in () if isinstance(label, SmallPrint) else parts:  # an address is broken, not cut
            if measure.get_extents(part)[0] > room + SLACK:
                yield f"{label.text!r}: {part!r} does not fit into a line of {room:.0f} px"
        shown = "".join(word.text for line in label._label._cached_lines for word in line.words)
        if isinstance(label, SmallPrint) and "".join(shown.split()) != "".join(label.text.split()):
            yield f"{label.text!r}: only {shown!r} is drawn"
        if label.text_size[1]:
            lines = len(label._label._cached_lines)
            needed = lines * measure.get_extents("Xg")[1]
            if needed > label.height + SLACK:
                yield f"{label.text!r}: {lines} lines, {needed} px, in {label.height:.0f}"


def scores(best: str) -> dict[str, float]:
    """Probabilities with one dance far ahead."""
    return {key: 0.9 if key == best else 0.01 for key in (*DANCE_KEYS, OTHER)}


def heard(key: str | None, start: float = 0.0, started: datetime | None = None) -> Heard:
    """A line of the history, of a session that began now or then."""
    at, best = (started or datetime.now(UTC)) + timedelta(seconds=start), key or "tango"
    also = () if key else ("viennese_waltz",)
    return Heard(start, start + 185.0, at, key, best, also, 0.87, scores(best), 236.0, 59.0)


def endless(beats_per_bar: int, position: int | None) -> Pulse:
    """A beat that does not end, so that the screen stays as it is."""
    return Pulse(time.monotonic() - 1, 10_000.0, position, beats_per_bar)


class Parade:
    """The app in all its states, without a microphone."""

    def __init__(self, driver: Driver, folder: Path) -> None:
        self.driver, self.app, self.folder = driver, driver.app, folder
        history = self.app.history
        evenings = (
            ["viennese_waltz"],
            ["slow_foxtrot"],
            [None],
            ["slow_waltz", "viennese_waltz", None, "paso_doble"],
        )
        self.entries: list[int] = []
        for index, keys in enumerate(evenings):
            # The first was long ago: its date is longer than 'today'.
            started = datetime.now(UTC) - timedelta(days=0 if index else 400)
            draft = Draft(started, duration=3725.0 if index else 95.0)
            draft.timeline = Timeline((*DANCE_KEYS, OTHER))
            draft.timeline.extend([float(t) for t in range(60)], np.full((60, 11), 0.09, np.float32))
            draft.lines = [heard(key, 200.0 * number, started) for number, key in enumerate(keys)]
            draft.audio = "sound.wav" if index in (0, 3) else None
            if index == 1:
                draft.source = FILE_NAME
            history.save(draft)
            self.entries.append(draft.id or 0)
        with WavWriter(history.audio_folder / "sound.wav", 8000) as writer:
            writer.write(np.ones(8000, np.float32), 8000)
        self.app.teacher.hear("a", np.zeros((1, 1, 224, 224), np.uint8))
        self.app.teacher.correct("a", "rumba")  # so that there is something to forget
        (folder / "data" / "history.damaged-20260501T201500-1.sqlite").touch()
        self.lines = [history.lines(entry)[0].id for entry in self.entries]
        history.correct(self.lines[1], "cha_cha_cha")
        history.rename(self.entries[1], SESSION_NAME)

    def session(
        self, state: State, key: str | None = None, *, file: bool = False, lines: int = 1, **changes: object
    ) -> None:
        """Put a session into a state, and show it."""
        source = FILE_NAME if file else MICROPHONE
        listening = self.app.listening
        listening.session = None  # what it was must not be saved
        session: Session = listening.new_session(source, lambda: None)
        prediction, said = None, Answer.of(None)
        if key != "":
            best = key if key in DANCE_KEYS else "tango"
            table = scores(best)
            rows = np.tile(np.array(list(table.values()), np.float32), (60, 1))
            times = tuple(float(t) for t in range(60))
            word = "dance" if key else "not sure"
            also = ()
            if key == "two":
                word, key, best, also = "two", None, "slow_foxtrot", ("viennese_waltz",)
                table |= {"slow_foxtrot": 0.46, "viennese_waltz": 0.41}
            elif key == "none":
                word, key, best = "none", None, "viennese_waltz"
                table |= {OTHER: 0.7, best: 0.2}
            elif key == "nearer":
                word, key, best = "none", None, "viennese_waltz"
                table |= {OTHER: 0.25, best: 0.6}
            prediction = Prediction(
                key,
                word,
                table[OTHER if word == "none" else best],
                best,
                table,
                times,
                rows,
                5.2,
                65.0,
                tempo_mpm=59.0,
                also=also,
                since=0.0,
                certainty="could be" if also else "quite sure",
            )
            said = Answer.of(prediction)
            timeline = Timeline(tuple(table))
            timeline.extend(times, rows)
            session._listener.draft.timeline = timeline
        known = tuple(heard(key, 200.0 * number) for number in range(lines)) if key else ()
        session.snapshot = Snapshot(
            state=state,
            prediction=prediction,
            answer=said,
            lines=known,
            level=Level(-20.0, "silent"),
            elapsed=3725.0,
            first_after=5.2,
            progress=0.4,
            saved=self.entries[0] if known else None,
        )
        for attribute, value in changes.items():
            object.__setattr__(session.snapshot, attribute, value)
        listening.session = session
        self.app.go("listen")
        self.app._show_session(0)
        self.app.screen("listen").arrange()

    def states(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Every state's name, and what leads there."""
        app, last = self.app, self.lines[0]
        long = max(Problem, key=lambda problem: len(app.tr(problem.sentence)))
        notice = max(Notice, key=lambda notice: len(app.tr(notice.sentence)))
        yield "welcome", lambda: self.session(State.IDLE, "")
        yield "welcome, problem", lambda: self.session(State.FINISHED, "", problem=long)
        yield (
            "welcome, blocked",
            lambda: self.session(State.FINISHED, "", problem=Problem.PERMISSION_BLOCKED),
        )
        yield "listening", lambda: self.session(State.LISTENING, "", elapsed=3.0)
        yield "not sure yet", lambda: self.session(State.LISTENING, None)
        for key in ("viennese_waltz", "slow_foxtrot", "cha_cha_cha", "rumba"):
            yield f"recognised {key}", lambda key=key: self.session(State.LISTENING, key)
        for key in ("two", "none", "nearer"):
            yield f"recognised {key}", lambda key=key: self.session(State.LISTENING, key)
            yield f"result, {key}", lambda key=key: self.session(State.FINISHED, key, lines=0)
        for key in ("viennese_waltz", "cha_cha_cha", "jive", "tango", "rumba", "quickstep"):
            yield (
                f"recognised and counted, {key}",
                lambda key=key: self.session(
                    State.LISTENING, key, pulse=endless(dance(key).beats_per_bar or 4, 1)
                ),
            )
        yield (
            "recognised, the one unsure",
            lambda: self.session(State.LISTENING, "slow_foxtrot", pulse=endless(4, None)),
        )
        yield "recognised, notice", lambda: self.session(State.LISTENING, "viennese_waltz", notice=notice)
        yield "paused", lambda: self.session(State.PAUSED, "slow_foxtrot", problem=Problem.PAUSED)
        yield "paused early", lambda: self.session(State.PAUSED, "", problem=long)
        yield "file", lambda: self.session(State.LISTENING, "viennese_waltz", file=True)
        yield "result", lambda: self.session(State.FINISHED, "viennese_waltz")
        yield "result, problem", lambda: self.session(State.FINISHED, "viennese_waltz", problem=long)
        yield "result, not sure", lambda: self.session(State.FINISHED, None)

        yield "result, an evening", lambda: self.session(State.FINISHED, "viennese_waltz", lines=4)
        yield "third dance", lambda: self.session(State.LISTENING, "viennese_waltz", lines=3)

        def corrected() -> None:
            self.session(State.FINISHED, "viennese_waltz", saved=self.entries[1])

        yield "result, corrected", corrected
        yield "history", lambda: app.go("history")
        for line, words in zip(self.lines, ("", " corrected", " not sure", " of an evening"), strict=True):
            yield f"line{words}", lambda line=line: app.show_line(line)
        yield "evening", lambda: app.show_evening(self.entries[3])
        yield "export of an evening", lambda: app.screen("evening").ask_export()
        yield "it is", lambda: (self.session(State.LISTENING, "rumba"), app.screen("listen").tell())
        yield "which dance", lambda: (self.session(State.FINISHED, None), app.screen("listen").correct())
        yield "tap tempo", lambda: app.screen("listen").tap_tempo()

        def match() -> None:
            app.screen("listen").tap_tempo()
            [sheet] = [w for w in Window.children if isinstance(w, TapSheet)]
            sheet.match.shown = True

        yield "tap tempo, apart from the count", match
        yield "rename", lambda: app.screen("evening").rename()
        yield "delete", lambda: app.screen("line").delete()
        yield "delete the sound", lambda: (app.show_line(last), app.screen("line").delete_sound())
        yield "export", lambda: app.screen("history").ask_export()
        yield "filter", lambda: app.screen("history").ask_filter()
        yield (
            "files",
            lambda: FileSheet(self.folder, lambda _: None, title=app.tr("Open a file")).open(),
        )
        yield "dances", lambda: app.go("dances")
        for key in (*DANCE_KEYS, "nightclub_two_step"):
            yield f"dance {key}", lambda key=key: app.show_dance(key)
        yield "settings", lambda: app.go("settings")
        yield (
            "delete what was put aside",
            lambda: app.screen("settings").ask_delete(app.history.put_aside()[0]),
        )
        yield "what is danced", lambda: app.ask_danced()
        yield "forget what was taught", lambda: app.screen("settings").ask_forget_taught()
        yield "about", lambda: app.go("about")
        yield "delete all", lambda: app.screen("settings").ask_forget()

    def look(
        self, languages: tuple[str, ...], text_sizes: tuple[str, ...], shapes: tuple[str, ...]
    ) -> Iterator[str]:
        """Defects in all states."""
        for language, text_size, shape in product(languages, text_sizes, shapes):
            self.app.change_settings(language=language, text_size=text_size)
            self.driver.resize(*SHAPES[shape])
            for state, go in self.states():
                self.close_sheets()
                go()
                settle()
                where = f"{state}, {language}, {text_size}, {shape}"
                yield from (f"{where}: {defect}" for defect in defects())
                if state == "file" or state.startswith(("recognised", "result")):
                    yield from (f"{where}: {defect}" for defect in self.of_answer())
        self.close_sheets()

    def of_answer(self) -> Iterator[str]:
        """Is the dance's name large, and in sight with its percentage without scrolling?"""
        listen, shown = self.app.screen("listen"), self.app.shown
        said = [label for label in self.driver.widgets(Label) if label.text]
        answer = max(said, key=lambda label: label.font_size)
        if answer.text not in (shown.answer, shown.second) or answer.font_size < sp(LEAST_ANSWER):
            yield f"{shown.answer!r} is not large: {answer.text!r} in {answer.font_size:.0f} px"
        percent = max(
            (label for label in said if label.text == shown.percent),
            key=lambda label: label.font_size,
            default=answer,
        )
        # Where a small phone lies and the type is large, there is room for the answer alone.
        room = listen.wide or listen.height > listen.width
        banners = [label for label in said if room and shown.banner and label.text == shown.banner]
        for label in (answer, percent, *banners):
            part, _ = clip(label)
            here = drawn(label)
            if here != here.within(part):
                yield f"{label.text!r} is not in sight: {here.bottom:.0f}…{here.top:.0f} of {part}"

    def close_sheets(self) -> None:
        """Close whatever lies over the screen."""
        for widget in list(Window.children):
            if widget is not self.app.root:
                widget.dismiss(animation=False)


def settle() -> None:
    """Lay out what has changed, without drawing it."""
    for _ in range(5):
        Clock.tick()
        Builder.sync()
        Clock.tick_draw()
        Builder.sync()


@contextmanager
def parade(folder: Path) -> Iterator[Parade]:
    """The app in a folder, to be walked through."""
    (folder / FILE_NAME).touch()
    system = DesktopSystem(copy=lambda _: None, allow_sleep=lambda _: None, folder=folder)
    platform = Platform(system, lambda: FileSource(""), FileSource, lambda _: Model.load(threads=1))
    driver = Driver(WhichDanceApp(platform, folder / "data", animated=False))
    yield Parade(driver, folder)
    driver.app.listening.session = None
    driver.close()


def main() -> int:
    """Print all defects; shapes may be named, else all are looked at."""
    count = 0
    with tempfile.TemporaryDirectory() as name, parade(Path(name)) as walk:
        for defect in walk.look(tuple(LANGUAGES), CHOICES["text_size"], tuple(sys.argv[1:]) or tuple(SHAPES)):
            print(defect, flush=True)
            count += 1
        print(count, "defects")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
