"""The count: which syllables fall on a beat, and whether they are shown when the music has it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from runtime.audio import read
from runtime.beats import find_beats
from runtime.counts import COUNTS, starts_on
from runtime.mel import melspectrogram
from tests.web_app.conftest import EXAMPLES, FAKE, PATIENCE, launch, ready
from web_app.build import PAGE
from web_app.serve import Server

SYLLABLES = """
import { readFileSync } from 'node:fs';
globalThis.document = { documentElement: { dataset: {} } };
globalThis.localStorage = { getItem: () => null };
const { Syllables } = await import(process.argv[1]);
const results = JSON.parse(readFileSync(0, 'utf8')).map(({ count, beats }) => {
  const syllables = new Syllables(count);
  return beats.map(([position, bar]) => syllables.beat(position, bar));
});
console.log(JSON.stringify(results));
"""


def syllables(dance: str, beats: list[tuple[int, int]]) -> list[list[str]]:
    """What is said on each of some beats, and how much of a beat later."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node 18 or newer")
    count = {"starts": starts_on(COUNTS[dance]), "said": COUNTS[dance]}
    done = subprocess.run(
        [node, "--input-type=module", "-e", SYLLABLES, (PAGE / "ui" / "count.js").as_uri()],
        input=json.dumps([{"count": count, "beats": beats}]),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    said = [text for text, _ in COUNTS[dance]]
    return [[f"{said[i]}+{later:g}" if later else said[i] for i, later in beat] for beat in found]


def bars(beats: int, first: int, n: int) -> list[tuple[int, int]]:
    return [((first - 1 + i) % beats + 1, beats) for i in range(n)]


def test_syllables_fall_where_dancers_say_them() -> None:
    assert syllables("slow_waltz", bars(3, 2, 5)) == [["2"], ["3"], ["1"], ["2"], ["3"]]
    # cha cha cha: the count begins on two, and "four-and-one" ends it
    assert syllables("cha_cha_cha", bars(4, 1, 6)) == [["1"], ["2"], ["3"], ["4", "&+0.5"], ["1"], ["2"]]
    # rumba: "four-one" lasts two beats
    assert syllables("rumba", bars(4, 4, 6)) == [["4–1"], [], ["2"], ["3"], ["4–1"], []]
    assert syllables("samba", bars(2, 1, 3)) == [["1", "a+0.75"], ["2"], ["1", "a+0.75"]]
    # six beats in bars of four: it goes on over the bar lines
    assert syllables("quickstep", bars(4, 1, 9)) == [
        ["slow"], [], ["quick"], ["quick"], ["slow"], [], ["slow"], [], ["quick"],
    ]  # fmt: skip


def test_a_count_that_was_out_of_phase_is_put_right() -> None:
    """Another beat is the one than was thought."""
    assert syllables("slow_waltz", [(1, 3), (2, 3), (1, 3), (2, 3)]) == [["1"], ["2"], ["1"], ["2"]]
    assert syllables("rumba", [(2, 4), (3, 4), (2, 4), (3, 4), (4, 4)]) == [
        ["2"], ["3"], ["2"], ["3"], ["4–1"],
    ]  # fmt: skip


WATCH = """
  window.pulses = [];
  window.heard = [];
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    const context = new AudioContext({ latencyHint: 'interactive' });
    const analyser = new AnalyserNode(context, { fftSize: 256 });
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(256);
    setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      window.heard.push([Date.now(), Math.max(...samples.map(Math.abs))]);
    }, 4);
    return stream;
  };
  window.told = [];
  const Original = Worker;
  window.Worker = class extends Original {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', ({ data: { type, beat } }) => {
        if (type === 'beat' && beat?.position) window.told.push([beat.at, String(beat.position)]);
      });
    }
  };
  addEventListener('DOMContentLoaded', () => {
    const said = document.getElementById('said');
    new MutationObserver(() => {
      const now = said.querySelector('.now');
      if (now) window.pulses.push([Date.now(), now.textContent]);
    }).observe(said, { subtree: true, childList: true, attributes: true, attributeFilter: ['class'] });
  });
"""
DRAWING = """async () => {
  const { Count } = await import(new URL('ui/count.js', location.href));
  const engine = Object.assign(new EventTarget(), { definition: null, count: () => undefined });
  const count = new Count(engine, () => undefined);
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const tell = (later, period) => engine.dispatchEvent(new CustomEvent('beat',
    { detail: { beat: { at: Date.now() + later, position: 1, beatsPerBar: 3, period } } }));
  const drawn = {};
  const draw = (name) => {
    drawn[name] = [];
    count.draw(() => drawn[name].push(document.querySelector('#said .now') ? 'lit' : 'unlit'));
  };
  const found = {};
  const look = (name, when) => (found[`${name}, ${when}`] = drawn[name].join());
  draw('without a beat');
  look('without a beat', 'now');
  tell(300, 0.5);
  draw('before a beat');
  look('before a beat', 'now');
  await wait(400);
  look('before a beat', 'with it');
  draw('before one that does not come');
  look('before one that does not come', 'now');
  await wait(700);
  look('before one that does not come', 'later');
  tell(300, 0.5);
  draw('before an end');
  count.stop();
  look('before an end', 'now');
  tell(1500, 1.5);
  draw('long before a beat');
  look('long before a beat', 'now');
  count.stop();
  return found;
}"""
START = 1.0  # s of near silence, then a burst, then music: so that the moment of each beat is known
BURST = 0.05
BREAK = 15.5  # s behind the first beat: for a second there is none


@pytest.fixture(scope="module")
def waltz(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A Viennese waltz behind a burst, and its beats, s behind the burst."""
    samples, rate = read(EXAMPLES / "viennese_waltz.ogg")
    beats = find_beats(melspectrogram(samples, sample_rate=rate), {"viennese_waltz": 1.0})
    quiet = 1e-3 * np.random.default_rng(0).standard_normal(int(START * rate))
    burst = np.ones(int(BURST * rate)) * 0.99 * (-1.0) ** np.arange(int(BURST * rate))
    gap = 1e-3 * np.random.default_rng(1).standard_normal(rate)
    whole = np.concatenate([quiet, burst, gap, 0.5 * samples])
    path = tmp_path_factory.mktemp("waltz") / "waltz.wav"
    soundfile.write(path, np.repeat(whole[:, None], 2, axis=1), rate)
    return path, np.array(beats.times) + BURST + len(gap) / rate


@pytest.fixture
def dancing(playwright: Playwright, waltz: tuple[Path, np.ndarray]) -> Iterator[BrowserContext]:
    browser = launch(playwright, *FAKE, f"--use-file-for-fake-audio-capture={waltz[0]}%noloop")
    context = browser.new_context(
        viewport={"width": 360, "height": 720}, permissions=["microphone"], locale="en-GB",
        service_workers="block",
    )  # fmt: skip
    context.add_init_script(WATCH)
    yield context
    browser.close()


def beats_of(page: Page, said: list[Any], beats: np.ndarray) -> list[tuple[int, float, str]]:
    """Of what was said when: the nearest beat of the file, how much later it was, s, and what it was."""
    heard = np.array(page.evaluate("heard"))
    burst = heard[np.argmax(heard[:, 1] > 0.8), 0] / 1000
    found = []
    for at, text in said:
        nearest = int(np.abs(beats - (at / 1000 - burst)).argmin())
        found.append((nearest, float(at / 1000 - burst - beats[nearest]), text))
    return found


def test_what_else_is_drawn_waits_for_a_beat_that_comes_soon(browser: Browser, server: Server) -> None:
    """One frame in place of two; but it never waits for long."""
    context = browser.new_context(locale="en-GB", service_workers="block")
    assert ready(context, server.url).evaluate(DRAWING) == {
        "without a beat, now": "unlit",
        "before a beat, now": "",
        "before a beat, with it": "lit",
        "before one that does not come, now": "",
        "before one that does not come, later": "lit",
        "before an end, now": "lit",
        "long before a beat, now": "lit",
    }
    context.close()


@pytest.mark.slow
def test_the_count_is_shown_on_the_beat(
    dancing: BrowserContext, server: Server, waltz: tuple[Path, np.ndarray]
) -> None:
    """Against the beats that Python finds in the file, by the clock at which the microphone heard a burst."""
    page = ready(dancing, server.url)
    page.click("#listen-button")
    expect(page.locator("#answer")).to_have_text("Viennese Waltz", timeout=2 * PATIENCE)
    page.evaluate("pulses.length = 0")
    page.wait_for_timeout(8000)
    expect(page.locator("#said li")).to_have_text(["1", "2", "3"])
    pulses = beats_of(page, page.evaluate("pulses"), waltz[1])
    assert len(pulses) >= 12
    assert np.median([abs(late) for _, late, _ in pulses]) < 0.05
    # each is said on one and the same beat of the bar
    assert (
        np.mean(
            [(beat - int(text)) % 3 == (pulses[-1][0] - int(pulses[-1][2])) % 3 for beat, _, text in pulses]
        )
        > 0.8
    )


@pytest.mark.slow
def test_this_is_the_one_moves_the_count(
    dancing: BrowserContext, server: Server, waltz: tuple[Path, np.ndarray]
) -> None:
    """A tap when something else than the one is shown: from then on that is the one.

    Judged by the moments that beats are told for, which a busy machine only shows later, and as far as the
    piece has a beat: at `BREAK` it pauses, and a dancer's word is known to be lost there.
    """
    page = ready(dancing, server.url)
    page.click("#listen-button")
    expect(page.locator("#answer")).to_have_text("Viennese Waltz", timeout=2 * PATIENCE)
    tap = page.evaluate("""() => new Promise((resolve) => {
      const said = document.getElementById('said');
      const wait = new MutationObserver(() => {
        if (said.querySelector('.now')?.textContent === '2') {
          wait.disconnect();
          document.getElementById('the-one').dispatchEvent(new Event('pointerdown'));
          resolve(Date.now());
        }
      });
      wait.observe(said, { subtree: true, attributes: true, attributeFilter: ['class'] });
    })""")
    page.wait_for_timeout(7000)
    ((tapped, _, _), *told) = beats_of(page, [[tap, "tap"], *page.evaluate("told")], waltz[1])
    pause = int(np.searchsorted(waltz[1], BREAK + waltz[1][0]))
    later = [(beat - tapped - int(text) + 1) % 3 == 0 for beat, _, text in told if tapped + 6 < beat < pause]
    assert len(later) >= 6, f"tapped at beat {tapped} of {pause}: too late to judge, the machine is busy"
    assert np.mean(later) > 0.9  # a third by chance


def test_no_count_where_it_is_not_wanted_or_not_seen(dancing: BrowserContext, server: Server) -> None:
    page: Page = ready(dancing, server.url)
    page.click("#to-settings")
    page.uncheck("#count")
    expect(page.locator("#latency-field")).to_be_hidden()
    page.click("#to-listen")
    page.click("#listen-button")
    expect(page.locator("#answer")).to_have_text("Viennese Waltz", timeout=2 * PATIENCE)
    page.wait_for_timeout(2000)
    expect(page.locator("#counting")).to_be_hidden()
    assert not page.evaluate(
        "performance.getEntriesByType('resource').some((e) => e.name.includes('model/beats'))"
    )
