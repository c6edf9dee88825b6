"""A page whose default model hears longer windows while the same dance plays, as a made-up one does."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, BrowserContext, Page, expect

import runtime.model
import web_app.build
from export import registry
from runtime.dances import DANCE_KEYS
from runtime.mel import MelStream
from runtime.session import Judging, PlayingMusic
from tests.conftest import ModelMaker, ToneMaker
from tests.web_app.conftest import PATIENCE, READY, Float32, classified, ready, serving
from tests.web_app.test_engine import LIVE, WHOLE, assert_same, at, to_text
from tests.web_app.test_page import download
from web_app.build import INT8, Build, build

LENGTHS = (224, 448, 672)
RATE = 22_050


@pytest.fixture(scope="module")
def float_model(make_tiny_model: ModelMaker) -> Path:
    return make_tiny_model(context_frames=LENGTHS)


@pytest.fixture(scope="module")
def grown(npm_packages: None, float_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """The page of an installation whose default grows, in int8 too, which agrees by its measure."""
    folder = tmp_path_factory.mktemp("models")
    entries = []
    for name, end in (("growing", ""), (f"growing{INT8}", ".int8")):
        path = folder / f"growing{end}.onnx"
        path.write_bytes(float_model.read_bytes())
        facts = {"precision": "int8" if end else "float", "architecture": "tiny", "classes": DANCE_KEYS}
        entries.append(registry.entry(path, name=name, **facts))  # type: ignore[arg-type]
    registry.write(folder, entries)
    measured = {"confident": {"right": 9, "total": 9}}
    facts = {"files": [{"file": "growing.int8.onnx", "comparisons": [measured]}]}
    (folder / "growing.json").write_text(json.dumps(facts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime.model, "FOLDER", folder)
        patch.setattr(web_app.build, "FACTS", folder)
        yield build(tmp_path_factory.mktemp("grown") / "page")


@pytest.fixture(scope="module")
def engine(browser: Browser, grown: Build) -> Iterator[Page]:
    """A page of the same origin that does nothing by itself."""
    with serving(grown.folder) as server:
        page = browser.new_context(service_workers="block").new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{server.url}manifest.webmanifest")
        yield page


def two_dances(tone: ToneMaker) -> Float32:
    """Half a minute of each, with noise, which longer windows are surer in."""
    rng = np.random.default_rng(5)
    samples = np.concatenate([tone(key, 30.0) for key in ("rumba", "quickstep")])
    loudness = np.repeat(rng.choice([0.02, 1.0], len(samples) // (2 * RATE)), 2 * RATE)
    noise = 0.2 * rng.standard_normal(len(samples))
    return (samples * loudness + noise).astype(np.float32)


def test_a_file_is_heard_as_by_python(
    engine: Page, grown: Build, float_model: Path, make_tiny_model: ModelMaker, tone: ToneMaker
) -> None:
    facts = json.loads((grown.folder / "definition.json").read_text())
    assert facts["model"]["context_frames"] == list(LENGTHS)
    samples = two_dances(tone)
    ours = runtime.Classifier(float_model, threads=1).classify_samples(samples, RATE)
    assert_same(engine.evaluate(WHOLE, {"samples": to_text(samples), "rate": RATE}), ours)
    short = runtime.Classifier(make_tiny_model(), threads=1).classify_samples(samples, RATE)
    farther = np.abs(short.segment_scores - ours.segment_scores).max(axis=1)
    assert farther[0] < 1e-6  # nothing longer fits there
    assert np.median(farther) > 0.02  # it grew


def test_every_update_of_live_music_is_pythons(engine: Page, float_model: Path, tone: ToneMaker) -> None:
    samples = at(two_dances(tone), RATE, 44_100)
    loaded = runtime.Model.load(float_model, threads=1)
    music, stream = PlayingMusic(Judging(loaded, runtime.live.LIVE_STRIDE)), MelStream(44_100)
    ours = []
    for i in range(0, len(samples), 4096):
        chunk = samples[i : i + 4096]
        if music.push(stream.push(chunk)):
            ours.append(music.prediction((i + len(chunk)) / 44_100))
    theirs = engine.evaluate(LIVE, {"samples": to_text(samples), "rate": 44_100})
    assert len(theirs) == len(ours) > 50
    assert {"rumba", "quickstep"} <= {prediction.dance for prediction in ours}
    for their, our in zip(theirs, ours, strict=True):
        assert_same(their, our)


def test_the_page_listens_with_int8_and_with_float_on_request(
    context: BrowserContext, grown: Build, float_model: Path, tone: ToneMaker, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "evening.wav", two_dances(tone), RATE)
    ours = runtime.Classifier(float_model, threads=1).classify(tmp_path / "evening.wav")
    assert grown.model.name == "growing.int8.onnx"
    assert grown.wanted == ("model/growing.onnx.gzip",)
    with serving(grown.folder) as running:
        page = ready(context, running.url, READY)
        for precision in ("int8", "float"):
            page.click("#to-settings")
            if precision == "float":
                page.check("#exact")
            expect(page.locator("#about")).to_contain_text(f"({precision})", timeout=PATIENCE)
            classified(page, tmp_path / "evening.wav")
            theirs = json.loads(download(page, "#files-json"))[-1]
            rows = [segment["scores"] for segment in theirs["segments"]]
            np.testing.assert_allclose(rows, ours.segment_scores, atol=1e-3)
            assert [part["dance"] for part in theirs["parts"]] == [part.dance for part in ours.parts]
