"""What is danced here, and corrections that teach: in the page, from tap to file."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from runtime.audio import read
from runtime.corrections import encoded
from runtime.evidence import EvidenceSettings
from runtime.mel import melspectrogram
from runtime.model import Model, resolve
from runtime.segments import windows
from runtime.taught import Taught, sha256_of
from tests.web_app.conftest import EXAMPLES, PATIENCE, READY, classified, ready
from tests.web_app.test_page import download
from web_app.serve import Server


def test_any_choice_of_dances_is_remembered(page: Page) -> None:
    """Groups and single dances; all of them again where none is left."""
    page.click("#to-settings")
    page.select_option("#danced", "latin")
    boxes = page.locator("#danced-dances input")
    assert page.locator("#danced-dances input:checked").count() == 5
    page.uncheck("#danced-dances input[value=jive]")
    page.check("#danced-dances input[value=quickstep]")
    expect(page.locator("#danced option:checked")).to_have_text("My choice")
    page.reload()
    page.wait_for_selector(READY)
    now = page.locator("#danced-now")
    expect(now).to_have_text("Danced here: Cha Cha Cha, Paso Doble, Quickstep, Rumba, … (5)")
    classified(page, EXAMPLES / "quickstep.ogg", EXAMPLES / "viennese_waltz.ogg")
    quickstep, waltz = json.loads(download(page, "#files-json"))
    assert set(quickstep["scores"]) == {"cha_cha_cha", "paso_doble", "quickstep", "rumba", "samba", "other"}
    assert quickstep["dance"] == "quickstep"
    assert waltz["dance"] is None
    page.click("#to-settings")
    page.check("#danced-dances input[value=jive]")
    page.uncheck("#danced-dances input[value=quickstep]")
    expect(page.locator("#danced")).to_have_value("latin")  # a group again
    for value in ("cha_cha_cha", "jive", "paso_doble", "rumba", "samba"):
        page.locator(f"#danced-dances input[value={value}]").click()  # after the last one all are checked
    expect(page.locator("#danced")).to_have_value("")
    assert page.locator("#danced-dances input:checked").count() == boxes.count()


def test_two_dances_and_nothing_else(page: Page) -> None:
    page.click("#to-settings")
    for value in page.locator("#danced-dances input").evaluate_all("(all) => all.map((one) => one.value)"):
        page.set_checked(f"#danced-dances input[value={value}]", value in ("rumba", "quickstep"))
    page.check("#nothing-else")
    expect(page.locator("#danced-now")).to_have_text("Danced here: Quickstep, Rumba (And nothing else)")
    classified(page, EXAMPLES / "viennese_waltz.ogg")
    (closed,) = json.loads(download(page, "#files-json"))
    assert closed["scores"]["other"] < 0.01
    assert closed["verdict"] != "none"


def moved(sha256: str | None = None, *, to: str = "rumba", n: int = 9) -> Taught:
    """A head that takes all music for one dance, as a teacher might give it."""
    model = Model.load(threads=1)
    rehearsal = model.rehearsal
    head = rehearsal.head.copy()
    head[rehearsal.labels.index(to), -1] += 100
    own = sha256_of(resolve()) if sha256 is None else sha256
    return Taught(model.info.name, "1", own, rehearsal.labels, head, EvidenceSettings(), {to: n}, 10.0)


def test_a_teachers_file_is_used_given_on_and_forgotten(page: Page, tmp_path: Path) -> None:
    moved().write(tmp_path / "class.whichdance")
    page.click("#to-settings")
    page.set_input_files("#taught-input", tmp_path / "class.whichdance")
    words = page.locator("#teaching-words")
    expect(words).to_have_text("With a file that was taught with 9 recordings.", timeout=PATIENCE)
    expect(page.locator("#about")).to_contain_text("(float)")
    classified(page, EXAMPLES / "quickstep.ogg")
    (record,) = json.loads(download(page, "#files-json"))
    assert record["dance"] == "rumba"

    page.reload()  # it stays
    page.wait_for_selector(READY)
    page.click("#to-settings")
    expect(words).to_contain_text("9 recordings", timeout=PATIENCE)
    (tmp_path / "again.whichdance").write_text(download(page, "#taught-save"))
    again = Taught.read(tmp_path / "again.whichdance")
    np.testing.assert_allclose(again.head, moved().head.astype(np.float16), atol=1e-6)
    page.click("#taught-forget")
    expect(words).to_contain_text("Nothing yet.")
    classified(page, EXAMPLES / "quickstep.ogg")
    assert json.loads(download(page, "#files-json"))[-1]["dance"] == "quickstep"


@pytest.mark.parametrize("what", ["another model", "no JSON", "numbers that are none", "too large"])
def test_a_file_that_does_not_fit_gets_a_sentence(page: Page, tmp_path: Path, what: str) -> None:
    path = tmp_path / "strange.whichdance"
    moved("0" * 64 if what == "another model" else None).write(path)
    content = json.loads(path.read_text())
    if what == "no JSON":
        path.write_text("<html>")
    elif what == "numbers that are none":
        path.write_text(json.dumps(content | {"head": "AAAA"}))
    elif what == "too large":
        path.write_text(json.dumps(content | {"created_by": "x" * 5_000_000}))
    page.click("#to-settings")
    page.set_input_files("#taught-input", path)
    wanted = "another model" if what == "another model" else "no file of something taught"
    expect(page.locator("#teaching-words")).to_contain_text(wanted, timeout=PATIENCE)
    classified(page, EXAMPLES / "quickstep.ogg")
    assert json.loads(download(page, "#files-json"))[0]["dance"] == "quickstep"


KEPT = """async () => {
  const { corrections } = await import(new URL('ui/store.js', location.href));
  return (await corrections()).map(({ dance, segments }) => [dance, segments.map((one) => one.length)]);
}"""


@pytest.mark.slow
def test_a_correction_is_kept_as_a_few_segments(hall: BrowserContext, server: Server) -> None:
    """Shown at once, stored with the evening, twice the same piece is one; and it can be forgotten."""
    page = ready(hall, server.url)
    page.click("#listen-button")
    expect(page.locator("#set-list .part-name")).to_have_text(["Quickstep"], timeout=PATIENCE)
    page.wait_for_timeout(3000)
    for choice in ("Jive", "Samba"):
        page.click("#correct-button")
        page.click(f"#correct-dances button:has-text('{choice}')")
        expect(page.locator("#you-say")).to_have_text(f"You say: {choice}")
        expect(page.locator("#set-list .part-name").last).to_have_text(choice)
    (kept,) = page.evaluate(KEPT)
    info = Model.load(threads=1).info
    assert kept[0] == "samba"
    assert 1 <= len(kept[1]) <= 4
    assert set(kept[1]) == {224 * info.segment_frames}
    page.click("#listen-button")
    page.click("#to-evening")
    expect(page.locator("#evening-list .part-name").first).to_have_text("Samba")
    page.click("#to-settings")
    expect(page.locator("#teaching-words")).to_contain_text("Corrections kept: 1. It can learn from 4 on")
    page.click("#taught-forget")
    assert page.evaluate(KEPT) == []


TEACH = """async (lessons) => {
  const { keepCorrection } = await import(new URL('ui/store.js', location.href));
  let i = 0;
  for (const { dance, segments } of lessons) {
    const codes = segments.map((text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
    await keepCorrection({ id: `piece ${i++}`, when: i, dance, segments: codes }, 200);
  }
}"""


def test_enough_corrections_teach(hall: BrowserContext, server: Server, tmp_path: Path) -> None:
    """Pieces that are called otherwise than the model calls them: heard so from then on, as in Python."""
    names = {"quickstep": "jive", "rumba": "rumba", "viennese_waltz": "slow_waltz"}
    lessons: list[dict[str, Any]] = []
    for dance, called in names.items():
        samples, rate = read(EXAMPLES / f"{dance}.ogg")
        codes = encoded(windows(melspectrogram(samples, sample_rate=rate), 224, 112))
        turned = [np.ascontiguousarray(one[0].T) for one in codes]  # the page keeps frame by frame
        for i in range(0, len(turned) - 1, 2):
            texts = [base64.b64encode(one.tobytes()).decode() for one in turned[i : i + 2]]
            lessons.append({"dance": called, "segments": texts})
    page = ready(hall, server.url)
    page.evaluate(TEACH, lessons)
    page.reload()
    page.wait_for_selector(READY)
    page.click("#listen-button")
    expect(page.locator("#elapsed")).to_have_text("0:02", timeout=PATIENCE)
    page.click("#listen-button")
    page.click("#to-settings")
    words = page.locator("#teaching-words")
    expect(words).to_have_text(f"Learnt from {len(lessons)} corrections.", timeout=6 * PATIENCE)
    (tmp_path / "learnt.whichdance").write_text(download(page, "#taught-save"))
    learnt = Taught.read(tmp_path / "learnt.whichdance")
    assert learnt.fits(resolve())
    assert learnt.n_recordings == len(lessons)
    classified(page, EXAMPLES / "quickstep.ogg")
    assert json.loads(download(page, "#files-json"))[0]["best"] == "jive"
