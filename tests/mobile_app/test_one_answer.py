"""What command, app and page once said differently, run through all three.

The page's modules run in Node; `tests/web_app/test_engine.py` has its answers to the same sound and
`tests/shared` its numbers. It writes no CUE sheets and has the browser's microphone.
"""

import csv
import io
import json
import math
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from mobile_app.core import export
from mobile_app.core.history import History
from mobile_app.core.listener import Ears, Options
from mobile_app.core.session import Session, State
from mobile_app.core.spoken import certainty
from mobile_app.core.translations import Translator
from mobile_app.devices import desktop
from runtime import Answer, LiveClassifier, Model, ParameterError, Part, Prediction, WhichdanceError, cells
from runtime.answer import clock
from runtime.command import microphone, words
from runtime.command.cue import CueSheet
from runtime.command.report import CsvParts, CsvRecordings
from runtime.dances import DANCE_KEYS, OTHER
from runtime.live import Gap, LevelMeter, LiveGuard
from runtime.prediction import Outcome
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import RATE, HandSource, Screen
from tests.mobile_app.core.test_history import draft
from web_app.build import PAGE
from web_app.definition import definition
from web_app.words import words as words_of_the_page

Asks = Callable[..., Any]


def rumba(confidence: float = 0.85, **changes: object) -> Prediction:
    scores = dict.fromkeys((*DANCE_KEYS, OTHER), (1 - confidence) / 10) | {"rumba": confidence}
    rows = np.array([list(scores.values())], np.float32)
    usual = {"certainty": "probably", "since": 0.0, "live": True}
    made = Prediction("rumba", "dance", confidence, "rumba", scores, (0.0,), rows, 5.2, 60.0)
    return replace(made, **usual | changes)  # type: ignore[arg-type]


def by_the_command(model: Model, blocks: list[NDArray[np.float32]]) -> tuple[Prediction | None, str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    classifier = LiveClassifier(RATE, model=model)
    prediction = microphone.show(classifier, blocks, console, top=3)
    return prediction, console.file.getvalue()  # type: ignore[attr-defined]


def by_the_app(
    history: History, screen: Screen, model: Model, blocks: list[NDArray[np.float32]]
) -> tuple[Session, Prediction | None]:
    sources: list[HandSource] = []

    def opened() -> HandSource:
        sources.append(HandSource())
        return sources[-1]

    options = Options(stride=43, chunk_seconds=0.1)
    session = Session(
        opened, Ears(lambda: model), history, options, post=screen.post, on_change=screen.changed
    )
    session.start()
    screen.until(lambda: session.snapshot.state is not State.STARTING)
    heard = 0.0
    for block in blocks:
        sources[-1].hear(block)
        heard += len(block) / RATE
    screen.until(lambda: session.snapshot.elapsed >= heard - 0.05)
    session.stop()
    return session, session.snapshot.prediction


@pytest.fixture
def page(model: Model) -> Asks:
    """`page(what, *values)`: what the page's own modules say."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node 18 or newer")
    facts = definition(model, model_file="", precision="", version="")
    script = Path(__file__).with_name("the_page.mjs")

    def asks(what: str, *values: object) -> Any:
        given = {
            "definition": facts,
            "words": words_of_the_page("en", DANCE_KEYS),
            "asked": [[what, *values]],
        }
        command = [node, str(script), str(PAGE)]
        done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[0]

    return asks


def heard_by_the_runtime(blocks: list[NDArray[np.float32]]) -> dict[str, Any]:
    """Pieces as numbers of samples, negative where they are missing; what the level advises in the end."""
    guard, meter = LiveGuard(RATE), LevelMeter(RATE)
    pieces: list[NDArray[np.float32] | Gap] = []
    advice = ""
    for block in blocks:
        pieces += guard.take(block)
        advice = meter.push(guard.newest).advice
    return {
        "advice": advice,
        "pieces": [-round(p.seconds * RATE) if isinstance(p, Gap) else len(p) for p in pieces],
        "muted": guard.muted,
    }


def plain(blocks: list[NDArray[np.float32]]) -> list[list[float | None]]:
    """For JSON, which has no NaN."""
    return [[None if math.isnan(x) else x for x in block.tolist()] for block in blocks]


def tenths(samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return np.split(samples, range(RATE // 10, len(samples), RATE // 10))


def test_a_rumba_at_85_percent_is_as_sure(page: Asks) -> None:
    prediction = rumba()
    row = io.StringIO()
    CsvRecordings(row, DANCE_KEYS).add(Outcome("a.wav", prediction))
    [found] = csv.DictReader(io.StringIO(row.getvalue()))
    assert found["certainty"] == "probably"
    assert certainty(Answer.of(prediction)) == "Probably"
    assert page("certainty", prediction.to_dict()) == "Probably"
    for grade in ("could be", "probably", "quite sure"):  # whatever the model's own threshold is
        sure = rumba(certainty=grade)
        assert page("certainty", sure.to_dict()) == certainty(Answer.of(sure)) == grade.capitalize()


@pytest.mark.parametrize(
    ("of_rumba", "of_none", "stands"),
    [
        (0.59, 0.23, ["Rumba", "or none of these?", "Could be"]),
        (0.23, 0.59, ["None of the dances I know", "or Rumba?", ""]),
    ],
)
def test_of_a_rumba_and_none_of_these_the_likelier_stands_first(
    page: Asks, of_rumba: float, of_none: float, stands: list[str]
) -> None:
    """The app put the likelier first, command and page 'none of these' always; its screen: `test_evening`."""
    heard = rumba(of_none, verdict="none", certainty=None)
    heard = replace(heard, dance=None, scores=dict(heard.scores) | {"rumba": of_rumba, OTHER: of_none})
    assert page("stands", heard.to_dict()) == stands
    assert (words.answer(heard) == "Rumba or none of these") == (of_rumba > of_none)


def test_one_nan_is_a_gap(
    history: History, screen: Screen, model: Model, tone: ToneMaker, page: Asks
) -> None:
    samples = tone("tango", 18.0)
    samples[8 * RATE] = np.nan
    ours, _ = by_the_command(model, tenths(samples))
    session, theirs = by_the_app(history, screen, model, tenths(samples))
    assert session.snapshot.problem is None
    assert ours is not None
    assert theirs is not None
    assert ours.dance == theirs.dance == "tango"
    assert np.isfinite(list(theirs.scores.values())).all()
    assert theirs.scores == pytest.approx(ours.scores, abs=1e-6)
    around = tenths(samples[7 * RATE : 9 * RATE])
    expected = heard_by_the_runtime(around)
    assert min(expected["pieces"]) == -len(around[10])
    assert page("heard", RATE, plain(around)) == expected


@pytest.mark.parametrize("seconds", [1.5, 6.0])
def test_zeros_are_silence_or_a_gap(
    history: History, screen: Screen, model: Model, tone: ToneMaker, page: Asks, seconds: float
) -> None:
    zeros = np.zeros(round(seconds * RATE), np.float32)
    blocks = tenths(np.concatenate([tone("tango", 8.0), zeros, tone("tango", 8.0)]))
    ours, screen_text = by_the_command(model, blocks)
    _, theirs = by_the_app(history, screen, model, blocks)
    assert ours is not None
    assert theirs is not None
    assert theirs.scores == pytest.approx(ours.scores, abs=1e-6)
    assert [p.start for p in theirs.parts] == pytest.approx([p.start for p in ours.parts])
    assert ours.duration == pytest.approx(theirs.duration)
    assert ("muted?" in screen_text) == (seconds > 3)
    around = blocks[70 : 90 + round(10 * seconds)]
    for part in (around, around[: round(10 * seconds) + 5]):  # the second ends within the zeros
        expected = heard_by_the_runtime(part)
        assert (min(expected["pieces"]) < 0 or expected["muted"]) == (seconds > 3)
        assert page("heard", RATE, plain(part)) == expected


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "<1"), (0.006, "1"), (0.992, "99"), (0.996, ">99"), (1.0, ">99")]
)
def test_percent(page: Asks, share: float, text: str) -> None:
    assert words.percent(share) == f"{text} %"
    assert Translator("en").percent(share) == page("percent", share) == f"{text}%"


def test_clock(page: Asks) -> None:
    assert clock(47.6) == page("clock", 47.6) == "0:47"
    assert clock(3599.99) == page("clock", 3599.99) == "59:59"
    assert words.span(47.6, 59.9) == "0:47–0:59"


def test_a_cue_sheet(history: History, tmp_path: Path) -> None:
    """The app's evening and the command's parts, of the same two dances, give the same lines."""
    saved = draft(2, "samba", "tango", audio="x.wav", name="x")
    saved.lines[0] = type(saved.lines[0])(**vars(saved.lines[0]) | {"start": 3.0})
    history.save(saved)
    entry = history.entries()[0]
    theirs = export.as_cue((entry, history.lines(entry.id)), words.name)
    parts = tuple(Part(line.start, line.end, line.dance, "dance", 0.9) for line in saved.lines)
    sheet = CueSheet(tmp_path / "x.cue")
    sheet.add(Outcome(str(tmp_path / "x.wav"), rumba(parts=parts)))
    ours = (tmp_path / "x.cue").read_bytes().decode()
    assert ours == re.sub(r"REM DATE \d+\r\n", "", theirs)
    assert "INDEX 01 00:00:00" in ours  # the first one begins with the file
    many = tuple(Part(10.0 * i, 10.0 * i + 10, "rumba", "dance", 0.9) for i in range(100))
    with pytest.raises(WhichdanceError, match="holds 99"):
        sheet.add(Outcome(str(tmp_path / "x.wav"), rumba(parts=many)))
    with pytest.raises(ParameterError, match="1 to 99"):
        export.as_cue((entry, [*history.lines(entry.id)] * 50), words.name)


def test_cells_and_columns(history: History, page: Asks) -> None:
    history.save(draft(2, "samba", name="=1+1"))
    evenings = [(entry, history.lines(entry.id)) for entry in history.entries()]
    [theirs] = csv.DictReader(io.StringIO(export.as_csv(evenings).removeprefix("\ufeff")))
    text = io.StringIO()
    CsvRecordings(text, DANCE_KEYS, dialect="excel").add(Outcome("=1+1", rumba()))
    [ours] = csv.DictReader(io.StringIO(text.getvalue().removeprefix("\ufeff")))
    assert theirs["name"] == ours["path"] == "'=1+1"
    assert "score_rumba" in theirs
    assert "score_rumba" in ours
    assert list(theirs)[: len(cells.EVENING)] == list(cells.EVENING)
    assert {"dance", "confidence", "best", "also", "tempo_bpm", "tempo_mpm"} <= {*theirs} & {*ours}

    row = {"name": "=1+1", "prediction": rumba().to_dict(), "error": ""}
    [of_file] = csv.DictReader(io.StringIO(page("recordings", [row])))
    assert [*of_file][:-1] == [*ours][: len(of_file) - 1]
    assert {of_file[name] for name in ("path", "dance", "certainty", "best")} == {
        ours[name] for name in ("path", "dance", "certainty", "best")
    }
    part = vars(Part(0.0, 60.0, "rumba", "dance", 0.9)) | {"also": []}
    evening = {"started": "2026-05-01T20:00:00Z", "parts": [part], "model": "=cmd"}
    [of_evening] = csv.DictReader(io.StringIO(page("evenings", [evening])))
    assert [*of_evening] == [*theirs][: len(of_evening)] == list(cells.EVENING)
    assert of_evening["model"] == "'=cmd"


def test_two_dances_stand_in_csv_json_and_set_list(page: Asks) -> None:
    part = Part(0.0, 60.0, None, "two", 0.8, best="rumba", also=("tango",))
    two = rumba(0.5, dance=None, verdict="two", also=("tango",), parts=(part,))
    text = io.StringIO()
    CsvParts(text, DANCE_KEYS).add(Outcome("a.wav", two))
    [row] = csv.DictReader(io.StringIO(text.getvalue()))
    assert (row["dance"], row["verdict"], row["best"], row["also"]) == ("", "two", "rumba", "tango")
    assert words.part_name(part) == words.answer(two) == "Rumba or Tango"
    assert two.to_dict()["parts"][0]["also"] == ["tango"]
    of_page = {"name": "a.wav", "prediction": two.to_dict(), "error": ""}
    assert page("answer", two.to_dict()) == "Rumba or Tango"
    assert page("json", [of_page])[0]["parts"][0]["also"] == ["tango"]
    evening = {"started": "2026-05-01T20:00:00Z", "parts": two.to_dict()["parts"], "model": "x"}
    [row] = csv.DictReader(io.StringIO(page("evenings", [evening])))
    assert (row["dance"], row["best"], row["also"]) == ("", "rumba", "tango")
    assert (
        certainty(Answer.of(rumba(0.5, verdict="two", also=("tango",), certainty="could be"))) == "Could be"
    )


def test_a_microphone_that_takes_two_channels_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app asked for one channel at two rates, and gave up."""
    opened: list[tuple[int, int]] = []

    class PortAudioError(Exception):
        pass

    class InputStream:
        def __init__(self, *, samplerate: int, channels: int, **_: object) -> None:
            if (samplerate, channels) != (48_000, 2):
                raise PortAudioError("Invalid number of channels")
            opened.append((samplerate, channels))

        def start(self) -> None: ...

        def close(self) -> None: ...

    card = types.ModuleType("sounddevice")
    offered = {"default_samplerate": 96_000.0, "max_input_channels": 2}
    for name, value in {
        "PortAudioError": PortAudioError,
        "InputStream": InputStream,
        "query_devices": lambda *_: offered,
        "_terminate": lambda: None,
        "_initialize": lambda: None,
    }.items():
        setattr(card, name, value)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    with microphone.microphone() as (rate, _):
        assert rate == 48_000
    source = desktop.Microphone()
    source.start(lambda rate: None, lambda error: None)  # type: ignore[arg-type, return-value]
    source.stop()
    assert source.sample_rate == 48_000
    assert opened == [(48_000, 2)] * 2
