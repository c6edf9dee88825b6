"""What the screen shows of an answer: one dance, two with equal room, none of these, silence, not yet."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web_app.conftest import ready
from web_app.serve import Server

SHOW = """async (found) => {
  const module = (name) => import(new URL(name, location.href));
  const { Stage } = await module('ui/stage.js');
  const { loadDefinition } = await module('engine/definition.js');
  const definition = await loadDefinition();
  const { labels } = definition.model;
  document.getElementById('view-listen').dataset.state = 'listening';
  window.stage ??= new Stage({ definition });
  window.stage.show(true);
  const keys = [...labels, definition.other];
  const scores = Object.fromEntries(keys.map((key) => [key, found.scores[key] ?? 0]));
  window.stage.hear({ parts: [], also: [], segments: [], certainty: null, live: true, tempo_mpm: null,
    duration: 20, ...found, scores }, new Date(), true);
}"""


def prediction(verdict: str, certainty: str | None = None, **scores: float) -> dict[str, Any]:
    best, *also = sorted((key for key in scores if key != "other"), key=lambda key: -scores[key])
    return {
        "verdict": verdict,
        "best": best,
        "dance": best if verdict == "dance" else None,
        "also": also[:1] if verdict == "two" else [],
        "confidence": scores[best],
        "certainty": certainty,
        "scores": scores,
    }


@pytest.fixture
def stage(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 360, "height": 720}, locale="en-GB", service_workers="block"
    )
    yield ready(context, server.url)
    context.close()


def test_two_dances_have_equal_room(stage: Page) -> None:
    stage.evaluate(SHOW, prediction("two", "could be", cha_cha_cha=0.5, viennese_waltz=0.4))
    expect(stage.locator("#answer")).to_have_text("Cha Cha Cha or Viennese Waltz")
    expect(stage.locator("#certainty")).to_have_text("Could be")
    one, other = stage.locator("#answer .one").all()
    sizes = [item.evaluate("(e) => getComputedStyle(e).fontSize") for item in (one, other)]
    assert sizes[0] == sizes[1]
    boxes = [item.bounding_box() for item in (one, other)]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["width"] == boxes[1]["width"]
    expect(stage.locator("#sureness-value")).to_have_text("50% · 40%")
    expect(stage.locator("#facts")).to_contain_text("Cha Cha Cha: 4/4 time")
    expect(stage.locator("#facts")).to_contain_text("Viennese Waltz: 3/4 time")
    expect(stage.locator("#announcer")).to_have_text("Cha Cha Cha or Viennese Waltz")


def test_none_of_these_says_what_it_is_closest_to(stage: Page) -> None:
    stage.evaluate(SHOW, prediction("none", samba=0.2, rumba=0.1, other=0.7))
    expect(stage.locator("#answer")).to_have_text("None of the dances I know")
    expect(stage.locator("#perhaps")).to_have_text("or Samba?")
    large, small = (
        float(stage.locator(name).evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)"))
        for name in ("#answer", "#perhaps")
    )
    assert small < large
    expect(stage.locator("#sureness")).to_be_hidden()
    expect(stage.locator("#announcer")).to_have_text("none of these — or Samba?")
    stage.evaluate(SHOW, prediction("dance", "probably", samba=0.8))
    expect(stage.locator("#perhaps")).to_be_empty()


def test_silence_and_not_sure(stage: Page) -> None:
    stage.evaluate(SHOW, prediction("silence", samba=0.0, other=1.0))
    expect(stage.locator("#answer")).to_have_text("No music")
    stage.evaluate(SHOW, prediction("not sure", samba=0.3, rumba=0.25, jive=0.2))
    expect(stage.locator("#answer")).to_have_text("Not sure")
    expect(stage.locator("#certainty")).to_have_text("Closest: Samba")


def test_percent_is_never_all_or_nothing(stage: Page) -> None:
    stage.evaluate(SHOW, prediction("dance", "quite sure", samba=0.997, rumba=0.003))
    expect(stage.locator("#sureness-value")).to_have_text(">99%")
    expect(stage.locator("#scores .score-value").nth(1)).to_have_text("<1%")


def test_the_live_region_speaks_when_the_answer_changes_and_then_only(stage: Page) -> None:
    """Forty updates of two dances, whose certainty and order waver."""
    stage.evaluate("""() => {
      window.spoken = [];
      const region = document.getElementById('announcer');
      const look = () => window.spoken.push(region.textContent);
      new MutationObserver(look).observe(region, { childList: true, characterData: true, subtree: true });
    }""")
    for i in range(10):
        stage.evaluate(SHOW, prediction("dance", ["could be", "probably", "quite sure"][i % 3], samba=0.9))
    for i in range(10):
        stage.evaluate(SHOW, prediction("two", "could be", rumba=0.4 + 0.01 * (i % 3), jive=0.41))
    for i in range(10):
        stage.evaluate(SHOW, prediction("dance", "could be", samba=0.8 + 0.01 * i))
    assert stage.evaluate("spoken") == ["Samba", "Jive or Rumba", "Samba"]


# Words above the first section that go on in the next line.
BROKEN = """() => {
  const walker = document.createTreeWalker(document.querySelector('.top'), NodeFilter.SHOW_TEXT);
  const broken = [];
  while (walker.nextNode()) {
    for (const { index, 0: word } of walker.currentNode.data.matchAll(/\\S+/g)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, index);
      range.setEnd(walker.currentNode, index + word.length);
      if (range.getClientRects().length > 1) broken.push(word);
    }
  }
  return broken;
}"""


@pytest.mark.parametrize(("width", "height"), [(320, 568), (360, 720), (844, 390), (1024, 768)])
@pytest.mark.parametrize("size", [16, 32])
def test_nothing_of_it_is_covered_or_cut(
    browser: Browser, server: Server, width: int, height: int, size: int
) -> None:
    """Upright and on its side, and with the browser's text at 200 %."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale="de-DE", service_workers="block"
    )
    page = ready(context, server.url)
    session = context.new_cdp_session(page)
    session.send("Page.enable")
    session.send("Page.setFontSizes", {"fontSizes": {"standard": size, "fixed": size}})
    page.evaluate(SHOW, prediction("two", "could be", cha_cha_cha=0.5, viennese_waltz=0.4))
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == size
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    nav = page.locator("nav").bounding_box()
    assert nav
    assert nav["y"] + nav["height"] <= height + 1
    for one in ("#listen-button", "#level-words", "#elapsed"):
        box = page.locator(one).bounding_box()
        assert box, one
        assert box["y"] >= 0, one
        assert box["x"] + box["width"] <= width + 1, one
        assert box["y"] + box["height"] <= nav["y"] + 1 or box["x"] >= nav["x"] + nav["width"], one
    page.locator("#answer").scroll_into_view_if_needed()
    wider = "(all) => all.filter((e) => e.scrollWidth > e.clientWidth).length"
    assert page.locator("#answer .one").evaluate_all(wider) == 0
    assert re.search("oder", page.inner_text("#answer"))
    page.evaluate("document.getElementById('offline').hidden = false")  # it needs a service worker
    assert page.evaluate(BROKEN) == []
    context.close()
