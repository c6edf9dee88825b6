"""The page as its users meet it: files, offline, damage, privacy, languages, and what it looks like."""

import json
import re
import shutil
import subprocess
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, BrowserContext, Page, expect

import runtime
import runtime.model
from benchmarks import phone
from benchmarks.sounds import music
from runtime.answer import clock
from runtime.dances import Dance, dance
from tests.web_app.conftest import (
    EXAMPLES,
    OFFLINE,
    PATIENCE,
    READY,
    Float32,
    classified,
    ready,
    serving,
)
from web_app.build import LISTED, NODE_MODULES, ORT_WASM, WORKER, Build, build, chosen
from web_app.serve import Server

FILES = [EXAMPLES / f"{name}.ogg" for name in ("rumba", "quickstep", "viennese_waltz")]
SECTIONS = ("listen", "files", "evening", "settings")


def rows(page: Page) -> list[str]:
    """The table, a line per recording."""
    return [" ".join(text.split()) for text in page.locator("#results-body tr").all_inner_texts()]


def download(page: Page, button: str) -> str:
    """What a click on a button saves."""
    with page.expect_download() as saved:
        page.click(button)
    return Path(saved.value.path()).read_text("utf-8")


def test_many_files_make_a_table_and_each_a_chart_with_parts(page: Page) -> None:
    classified(page, *FILES)
    assert [row.split()[0] for row in rows(page)] == [path.name for path in FILES]
    for row, name in zip(rows(page), ("Rumba", "Quickstep", "Viennese Waltz"), strict=True):
        assert name in row
    page.click("#results-body tr:nth-child(2) button")
    assert page.inner_text("#details-answer") == "Quickstep"
    chart = page.locator("#file-chart svg")
    expect(chart).to_have_attribute("aria-label", re.compile("Quickstep from 0:00 to 0:24"))
    assert chart.locator("polygon").count() >= 1
    assert "Quickstep" in (chart.text_content() or "")
    assert "0:00–0:24" in page.inner_text("#details-parts")


def drop(page: Page, *paths: Path) -> None:
    """Let files and folders fall on the page, as from a file manager: by the browser's own drag events."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": step, "x": 180, "y": 300, "data": data})
        if step == "dragOver":
            expect(page.locator("body")).to_have_class(re.compile("dragging"))
    session.detach()


def test_files_and_folders_are_dropped(page: Page, tmp_path: Path) -> None:
    """From any section; a folder with all that is in it, and one that has nothing."""
    folder = tmp_path / "Sommerfest"
    (folder / "after midnight").mkdir(parents=True)
    shutil.copy(FILES[0], folder / "one.ogg")
    shutil.copy(FILES[1], folder / "after midnight" / "zwei č.ogg")
    (tmp_path / "nothing").mkdir()
    page.click("#to-settings")
    drop(page, tmp_path / "nothing")
    expect(page.locator("body")).not_to_have_class(re.compile("dragging"))
    expect(page.locator("#view-files")).to_be_visible()
    assert rows(page) == []

    drop(page, FILES[2], folder)
    page.wait_for_selector("#files-clear:not([hidden])")
    answers = dict(re.split(r"(?<=ogg) ", row, maxsplit=1) for row in rows(page))
    assert {name: answer.split(" ")[0] for name, answer in answers.items()} == {
        "viennese_waltz.ogg": "Viennese",
        "Sommerfest/one.ogg": "Rumba",
        "Sommerfest/after midnight/zwei č.ogg": "Quickstep",
    }


def test_what_can_not_be_got_of_a_dropped_folder_is_said(page: Page, tmp_path: Path) -> None:
    """A file that went meanwhile, or a folder that is not ours to read: a sentence, and the rest is read."""
    (tmp_path / "set").mkdir()
    shutil.copy(FILES[0], tmp_path / "set" / "there.ogg")
    page.evaluate("""() => {
      const original = DataTransferItem.prototype.webkitGetAsEntry;
      const readers = (some) => () => ({ readEntries: (resolve) => resolve(some.splice(0)) });
      const refuse = (_, reject) => reject(new DOMException('', 'NotFoundError'));
      const gone = { isFile: true, fullPath: '/set/gone.ogg', file: refuse };
      const secret = { isDirectory: true, fullPath: '/set/private',
                       createReader: () => ({ readEntries: refuse }) };
      DataTransferItem.prototype.webkitGetAsEntry = function () {
        const dropped = original.call(this);
        return { isDirectory: true, fullPath: '/', createReader: readers([gone, secret, dropped]) };
      };
    }""")
    drop(page, tmp_path / "set")
    page.wait_for_selector("#files-clear:not([hidden])")
    found = dict(row.split(" ", 1) for row in rows(page))
    assert found.pop("set/there.ogg").startswith("Rumba")
    sentence = "This file can no longer be read. Was it moved or changed?"
    assert found == {"set/gone.ogg": sentence, "set/private": sentence}


def test_json_and_csv_say_what_the_command_line_says(page: Page) -> None:
    classified(page, FILES[0])
    ours = runtime.classify(FILES[0])
    (record,) = json.loads(download(page, "#files-json"))
    for key, value in ours.to_dict().items():
        if key in ("verdict", "dance", "best", "padded", "metre", "duration"):
            assert record[key] == value, key
    assert record["path"] == "rumba.ogg"
    assert list(record["scores"]) == list(ours.scores)
    header, line = download(page, "#files-csv").splitlines()
    cells = dict(zip(header.split(","), line.split(","), strict=True))
    assert cells["dance"] == "rumba"
    assert float(cells["score_other"]) == pytest.approx(ours.scores["other"], abs=1e-3)


def test_a_cell_is_no_formula(page: Page, tmp_path: Path) -> None:
    name = tmp_path / '=HYPERLINK("x"),.ogg'
    shutil.copy(FILES[0], name)
    classified(page, name)
    assert download(page, "#files-csv").splitlines()[1].startswith('"\'=HYPERLINK(""x""),.ogg",rumba,')


def test_a_medley_has_parts(page: Page, medley: tuple[Float32, int], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "medley.flac", *medley)
    classified(page, tmp_path / "medley.flac")
    text = page.inner_text("#details")
    assert "Quickstep, Rumba, Viennese Waltz" in text
    assert page.locator("#details-parts .part").count() == 3
    assert page.locator("#file-chart polygon").count() >= 3


def test_bad_input_gets_one_sentence_and_spoils_nothing(page: Page, tmp_path: Path) -> None:
    """Among good files; each bad one says what is wrong, and nobody else's result is lost."""
    rate = 22_050
    (tmp_path / "notes.txt").write_text("no music " * 100)
    (tmp_path / "empty.mp3").touch()
    (tmp_path / "renamed.mp3").write_bytes(np.random.default_rng(0).bytes(100_000))
    soundfile.write(tmp_path / "short.wav", np.zeros(rate), rate)
    soundfile.write(tmp_path / "silence.wav", np.zeros(8 * rate), rate)
    truncated = FILES[1].read_bytes()[:60]
    (tmp_path / "truncated.ogg").write_bytes(truncated)
    names = ("notes.txt", "empty.mp3", "renamed.mp3", "short.wav", "silence.wav", "truncated.ogg")
    classified(page, FILES[0], *(tmp_path / name for name in names), FILES[1])
    unreadable = "This file can't be read as music. Try another one (WAV, FLAC, MP3 or OGG)."
    found = dict(row.split(" ", 1) for row in rows(page))
    assert found["rumba.ogg"].startswith("Rumba")
    assert found["notes.txt"] == unreadable
    assert found["empty.mp3"] == "This file is empty (0 bytes)."
    assert found["renamed.mp3"] == unreadable
    assert found["short.wav"] == "That was too short to tell. Six seconds of music are enough."
    assert found["silence.wav"].startswith("No music")
    assert found["truncated.ogg"] == unreadable
    assert found["quickstep.ogg"].startswith("Quickstep")
    assert unreadable in download(page, "#files-csv")


def ffmpeg(*arguments: object) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("channels", [2, 3])
def test_channels_that_cancel(page: Page, medley: tuple[Float32, int], tmp_path: Path, channels: int) -> None:
    """One wired the wrong way round: their mean is silence, and the page hears what Python hears."""
    samples, rate = medley
    wrong_way_round = np.outer(samples[: 24 * rate], [0.5, -0.5, 0.0][:channels])
    soundfile.write(tmp_path / "karaoke.flac", wrong_way_round, rate)
    ours = runtime.classify(tmp_path / "karaoke.flac")
    assert ours.dance == "quickstep"
    classified(page, tmp_path / "karaoke.flac")
    (record,) = json.loads(download(page, "#files-json"))
    assert record["dance"] == "quickstep"
    assert record["confidence"] == pytest.approx(ours.confidence, abs=2e-3)


def test_videos(page: Page, tmp_path: Path) -> None:
    """The sound of one that has any is as good as a recording; of one that has none, a sentence."""
    picture = ("-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=8")
    ffmpeg(
        *picture, "-i", FILES[0], "-shortest", "-c:v", "libvpx", "-c:a", "libvorbis", tmp_path / "dance.webm"
    )
    ffmpeg(*picture, "-c:v", "libvpx", tmp_path / "mute.webm")
    classified(page, tmp_path / "dance.webm", tmp_path / "mute.webm")
    sounding, mute = rows(page)
    assert "Rumba" in sounding
    assert (
        mute == "mute.webm No sound can be read from this video. Save its sound as MP3 or WAV, and open that."
    )


SLOW = pytest.mark.slow
LOADED = "(name) => performance.getEntriesByType('resource').some((entry) => entry.name.includes(name))"
WITHOUT_PACKETS = "delete window.AudioDecoder;"


@pytest.mark.parametrize(
    "suffix",
    ["wav", *(pytest.param(s, marks=SLOW) for s in ("m4a", "mp3", "flac", "webm", "mp4", "ogg", "aac"))],
)
def test_long_recordings_in_pieces_answer_as_python_does(
    page: Page, built: Build, medley: tuple[Float32, int], tmp_path: Path, suffix: str
) -> None:
    """Four minutes, decoded piece by piece, whatever they are packed in; the seams are not heard."""
    samples, rate = medley
    path = tmp_path / f"long.{suffix}"
    stereo = np.tile(samples, 4)[:, None] * np.array([[0.5, 0.4]], np.float32)
    wav = tmp_path / "long.wav"
    if suffix in ("mp3", "m4a"):
        soundfile.write(wav, np.repeat(stereo, 2, axis=0), 2 * rate)
        ffmpeg("-i", wav, "-b:a", "160k", path)
        assert path.stat().st_size > 3 << 20  # several pieces
    else:
        soundfile.write(wav, stereo, rate)
        if suffix != "wav":
            rest = {"webm": ("-c:a", "libopus"), "ogg": ("-c:a", "libvorbis")}.get(suffix, ())
            ffmpeg("-i", wav, *rest, "-b:a", "128k", path)
            assert path.stat().st_size > 1 << 20
    ours = runtime.classify(path, model=built.model)  # int8 moves a boundary by a segment at times
    page.set_default_timeout(3 * PATIENCE)
    classified(page, path)
    (record,) = json.loads(download(page, "#files-json"))
    assert page.evaluate(LOADED, "vendor/mediabunny") == (suffix not in ("wav", "mp3"))
    assert record["duration"] == pytest.approx(ours.duration, abs=0.1)
    assert [part["dance"] for part in record["parts"]] == [part.dance for part in ours.parts]
    for theirs, mine in zip(record["parts"], ours.parts, strict=True):
        assert theirs["start"] == pytest.approx(mine.start, abs=0.1)


def decoded_seconds(path: Path) -> float:
    """What FFmpeg makes of a recording of `phone.RATE`."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-f", "u8", "-ac", "1", "-"]
    return len(subprocess.run(command, check=True, capture_output=True).stdout) / phone.RATE


@pytest.mark.slow
@pytest.mark.parametrize("suffix", phone.FORMATS)
def test_an_hour_fits_into_a_phone(browser: Browser, built: Build, tmp_path: Path, suffix: str) -> None:
    """What a recording of an hour takes of memory: it was 4 GB, and phones end a tab that takes so much."""
    soundfile.write(tmp_path / "music.wav", music(16, phone.RATE), phone.RATE)
    recording = phone._recording(tmp_path, tmp_path / "music.wav", suffix, 60)
    peak, answer = phone._memory(browser, built.folder, recording)
    # packets are not cut, and every repetition of the piece brings the padding of its encoder along, as heard
    assert answer.endswith(clock(decoded_seconds(recording))), answer
    assert peak <= phone.MEMORY_AIM


@pytest.mark.slow
def test_three_hours(page: Page, medley: tuple[Float32, int], tmp_path: Path) -> None:
    """WAV of any length is read, and so is Opus; what must be decoded at once is refused in words."""
    samples, _ = medley
    with soundfile.SoundFile(tmp_path / "night.wav", "w", 11_025, 1) as file:
        for _ in range(3 * 60 * 60 // 72):
            file.write(samples[::2])
    ffmpeg("-i", tmp_path / "night.wav", "-c:a", "libopus", "-b:a", "24k", tmp_path / "night.opus")
    page.set_default_timeout(900_000)
    classified(page, tmp_path / "night.opus", tmp_path / "night.wav")
    assert all(row.endswith("3:00:00") for row in rows(page))
    page.evaluate(WITHOUT_PACKETS)
    page.click("#files-clear")
    classified(page, tmp_path / "night.opus")
    (opus,) = rows(page)
    most = re.search(r"180 minutes are too long to decode at once\. .* cut it below (\d+) minutes\.$", opus)
    assert most
    memory = page.evaluate("navigator.deviceMemory")  # GiB; a quarter of it for two channels of float32
    assert int(most[1]) == memory * 2**28 // (60 * 48_000 * 2 * 4 * 3)  # held three times


def test_a_browser_without_packets_decodes_at_once(
    page: Page, medley: tuple[Float32, int], tmp_path: Path
) -> None:
    """As far as its memory goes; beyond that it says so, and how long a recording may be."""
    samples, rate = medley
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 4), rate)
    ffmpeg("-i", tmp_path / "long.wav", "-b:a", "128k", tmp_path / "long.m4a")
    page.evaluate(WITHOUT_PACKETS)
    classified(page, tmp_path / "long.m4a")
    assert rows(page)[0].endswith("4:48")
    assert not page.evaluate(LOADED, "vendor/mediabunny")
    page.evaluate("Object.defineProperty(navigator, 'deviceMemory', { value: 0.25 })")
    page.click("#files-clear")
    classified(page, tmp_path / "long.m4a")
    assert "5 minutes are too long to decode at once." in rows(page)[0]


def test_a_stream_that_ends_in_the_middle(page: Page, medley: tuple[Float32, int], tmp_path: Path) -> None:
    """What of it can be read is read, or a sentence; and the next file is well."""
    samples, rate = medley
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 4), rate)
    ffmpeg("-i", tmp_path / "long.wav", "-b:a", "128k", "-movflags", "faststart", tmp_path / "whole.m4a")
    content = (tmp_path / "whole.m4a").read_bytes()
    (tmp_path / "cut.m4a").write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    noise = np.random.default_rng(0).bytes(200_000)
    (tmp_path / "damaged.m4a").write_bytes(content[:middle] + noise + content[middle + len(noise) :])
    classified(page, tmp_path / "cut.m4a", tmp_path / "damaged.m4a", FILES[0])
    found = dict(row.split(" ", 1) for row in rows(page))
    unreadable = "This file can't be read as music."
    for name in ("cut.m4a", "damaged.m4a"):
        assert "Quickstep" in found[name] or unreadable in found[name], found[name]
    assert found["rumba.ogg"].startswith("Rumba")


def test_the_exact_model_on_request(context: BrowserContext, built: Build, server: Server) -> None:
    """Off until it is wanted; then it comes, answers what Python's does, and stays without a network."""
    float_model, _ = built.wanted
    kept = f"caches.match('{float_model}').then((one) => !!one)"
    with serving(built.folder) as running:
        page = ready(context, running.url, OFFLINE)
        assert page.evaluate(kept) is False
        page.click("#to-settings")
        expect(page.locator("#exact-words")).to_contain_text(f"({built.sizes[float_model] / 1e6:.1f} MB)")
        page.check("#exact")
        expect(page.locator("#about")).to_contain_text("(float)", timeout=PATIENCE)
        assert page.evaluate(kept) is True
    page.goto("about:blank")
    page.goto(running.url)  # nobody is there any more
    page.wait_for_selector(READY)
    page.click("#to-settings")
    expect(page.locator("#exact")).to_be_checked()
    expect(page.locator("#about")).to_contain_text("(float)")
    classified(page, FILES[1])
    (record,) = json.loads(download(page, "#files-json"))
    assert record["confidence"] == pytest.approx(runtime.classify(FILES[1]).confidence, abs=1e-3)
    page.click("#to-settings")
    page.uncheck("#exact")
    expect(page.locator("#about")).to_contain_text("(int8)")


def test_an_exact_model_that_does_not_come_is_said(
    context: BrowserContext, built: Build, tmp_path: Path
) -> None:
    shutil.copytree(built.folder, tmp_path / "page")
    (tmp_path / "page" / built.wanted[0]).unlink()
    with serving(tmp_path / "page") as running:
        page = ready(context, running.url, OFFLINE)
        page.click("#to-settings")
        page.locator("#exact").click()
        expect(page.locator("#exact-words")).to_contain_text("What has come is kept", timeout=PATIENCE)
        expect(page.locator("#exact")).not_to_be_checked()
        classified(page, FILES[0])
        assert "Rumba" in rows(page)[0]


def test_reading_can_be_stopped(page: Page, medley: tuple[Float32, int], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.tile(medley[0], 30), medley[1])
    page.click("#to-files")
    page.set_input_files("#file-input", [str(tmp_path / "long.wav"), str(FILES[0])])
    page.wait_for_selector("#results-body progress[value]:not([value='0'])")
    page.click("#files-stop")
    page.wait_for_selector("#files-clear:not([hidden])")
    assert [row.split()[-1] for row in rows(page)] == ["stopped", "stopped"]
    page.click("#files-clear")
    classified(page, FILES[1])
    assert "Quickstep" in rows(page)[0]


def test_works_in_flight_mode_after_the_first_visit(context: BrowserContext, built: Build) -> None:
    with serving(built.folder) as server:
        page = ready(context, server.url, OFFLINE)
    page.goto("about:blank")
    page.goto(server.url)  # nobody is there any more
    page.wait_for_selector(READY)
    classified(page, FILES[0])
    assert "Rumba" in rows(page)[0]
    page.click("#to-settings")
    page.select_option("#language", "cs")
    expect(page.locator("#view-settings h2")).to_have_text("Nastavení")
    assert page.evaluate("fetch('nothing.txt').then(() => 'network', () => 'none')") == "none"


CORRUPT = """async (file) => {
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    const kept = await cache.match(file);
    const bytes = new Uint8Array(await kept.arrayBuffer());
    bytes[bytes.length >> 1] ^= 255;
    await cache.put(file, new Response(bytes, { headers: kept.headers }));
  }
}"""


INTACT = """async ([file, hash]) => {
  for (const name of await caches.keys()) {
    const kept = await (await caches.open(name)).match(file);
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await kept.arrayBuffer()));
    return 'sha256-' + btoa(String.fromCharCode(...digest)) === (hash ?? kept.headers.get('X-Content-Hash'));
  }
}"""


@pytest.mark.parametrize(
    "file",
    [
        "model/NAME",
        *(pytest.param(f, marks=pytest.mark.slow) for f in (ORT_WASM, "engine/evidence.js", "index.html")),
    ],
)
def test_a_corrupted_cache_is_mended_and_never_used(browser: Browser, built: Build, file: str) -> None:
    """Flipped bits of what is stored: mended online, and without a network said in words."""
    file = next(name for name in built.sizes if name.startswith(file.replace("NAME", built.model.name)))
    context = browser.new_context()
    with serving(built.folder) as server:
        page = ready(context, server.url, OFFLINE)
        page.evaluate(CORRUPT, file)
        page.goto("about:blank")
        _let_the_service_worker_end(context)
        page = ready(context, server.url)
        classified(page, FILES[0])
        assert "Rumba" in rows(page)[0]
        listed, _ = json.JSONDecoder().raw_decode((built.folder / WORKER).read_text(), len(LISTED))
        assert page.evaluate(INTACT, [file, listed["unpacked"].get(file)])

        if file.startswith("model/"):
            page.evaluate(CORRUPT, file)
            page.goto("about:blank")
            _let_the_service_worker_end(context)
    if file.startswith("model/"):  # the server is gone now
        page.goto(server.url)
        expect(page.locator("#failure")).to_contain_text("could not be loaded completely", timeout=PATIENCE)
        with serving(built.folder, server.server_port):
            page.click("#retry")
            page.wait_for_selector(READY)
    context.close()


def _let_the_service_worker_end(context: BrowserContext) -> None:
    """Browsers end it when it idles; what it knew is gone then."""
    session = context.new_cdp_session(context.pages[0])
    session.send("ServiceWorker.enable")
    session.send("ServiceWorker.stopAllWorkers")
    session.detach()


@pytest.mark.slow
def test_a_half_finished_update_changes_nothing(browser: Browser, built: Build, tmp_path: Path) -> None:
    """A host in the middle of an upload serves a new list and an old file: the old version stays."""
    folder = tmp_path / "page"
    shutil.copytree(built.folder, folder)
    with serving(folder) as server:
        context = browser.new_context()
        page = ready(context, server.url, OFFLINE)
        listed = (folder / WORKER).read_text()
        damaged = re.sub(r'("style.css": "sha256-).{4}', r"\1AAAA", listed)
        (folder / WORKER).write_text(damaged.replace(built.version, "0" * 16))
        page.reload()
        page.wait_for_selector(READY)
        page.wait_for_timeout(500)
        assert page.locator("#renew").is_hidden()
        assert page.evaluate("caches.keys()") == [f"whichdance-{built.version}"] or page.evaluate(
            "navigator.serviceWorker.getRegistration().then((one) => one.waiting === null)"
        )
        context.close()


def test_a_new_version_waits_until_it_is_wanted(browser: Browser, built: Build, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(built.folder, folder)
    with serving(folder) as server:
        context = browser.new_context()
        page = ready(context, server.url, OFFLINE)
        (folder / WORKER).write_text((folder / WORKER).read_text().replace(built.version, "f" * 16))
        page.reload()
        page.wait_for_selector("#renew:not([hidden])", timeout=PATIENCE)
        page.click("#renew-button")
        page.wait_for_function("() => document.readyState === 'complete'", polling=200)
        page.wait_for_selector(READY)
        expect(page.locator("#renew")).to_be_hidden()
        page.wait_for_timeout(300)
        assert page.evaluate("caches.keys()") == ["whichdance-" + "f" * 16]
        context.close()


def test_every_request_goes_to_the_page_itself(context: BrowserContext, server: Server) -> None:
    """A whole session, recorded by the browser: workers and the service worker included."""
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    page = ready(context, server.url, OFFLINE)
    classified(page, FILES[0])
    for section in SECTIONS:
        page.click(f"#to-{section}")
    page.reload()
    page.wait_for_selector(READY)
    elsewhere = [url for url in requests if urlsplit(url).scheme not in ("data", "blob")]
    assert len(elsewhere) > 40  # it was recorded
    assert {urlsplit(url).netloc for url in elsewhere} == {urlsplit(server.url).netloc}
    assert not any("?" in url for url in elsewhere)  # nothing is told by an address either


ASK = """async (where) => {
  const asked = (url) => fetch(url, { mode: 'no-cors' }).then(() => 'sent', (error) => 'refused');
  return asked(where);
}"""


FORBIDDEN = """() => new Promise((resolve) => {
  self.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
  fetch('http://127.0.0.1:9/', { mode: 'no-cors' }).catch(() =>
    setTimeout(() => resolve('not by policy'), 500));
})"""


def test_the_policy_forbids_asking_others(
    context: BrowserContext, built: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the page, and in the worker, also where the host sends no header at all, as most do."""
    monkeypatch.setattr("web_app.serve.Handler.end_headers", SimpleHTTPRequestHandler.end_headers)
    with serving(built.folder) as server:
        page = ready(context, server.url, OFFLINE)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        assert page.evaluate(ASK, "http://127.0.0.1:9/") == "refused"
        assert any("Content Security Policy" in text for text in said)
        (worker,) = page.workers
        assert worker.evaluate(FORBIDDEN) == "connect-src"
    policy = page.evaluate("fetch('engine/worker.js').then((r) => r.headers.get('content-security-policy'))")
    for rule in ("default-src 'self'", "connect-src 'self'"):
        assert rule in policy


def test_what_is_danced_here(page: Page) -> None:
    """Held to the Latin dances, a quickstep is none of these; where nothing else is played, one of them."""
    page.click("#to-settings")
    page.select_option("#danced", "latin")
    classified(page, FILES[0], FILES[1])
    rumba, quickstep = json.loads(download(page, "#files-json"))
    latin = {label for label, facts in ours().items() if facts.family == "Latin"}
    assert set(quickstep["scores"]) == latin | {"other"}
    assert rumba["dance"] == "rumba"
    assert quickstep["dance"] is None
    page.click("#to-settings")
    page.check("#nothing-else")
    page.reload()  # it stays
    page.wait_for_selector(READY)
    expect(page.locator("#danced-now")).to_have_text("Danced here: Latin (And nothing else)")
    classified(page, FILES[1])
    (closed,) = json.loads(download(page, "#files-json"))
    assert closed["scores"]["other"] < 0.01
    assert closed["verdict"] != "none"


def ours() -> dict[str, Dance]:
    """The dances that the page's model knows."""
    return {label: dance(label) for label in runtime.model.Model.load(threads=1).info.labels}


def test_settings_stay(page: Page) -> None:
    page.click("#to-settings")
    page.check("input[name=look][value=dark]")
    page.check("input[name=size][value=huge]")
    page.uncheck("#awake")
    page.select_option("#language", "es")
    expect(page.locator("#to-settings-word")).to_have_text("Ajustes")
    page.reload()
    page.wait_for_selector(READY)
    root = page.locator("html")
    expect(root).to_have_attribute("data-look", "dark")
    expect(root).to_have_attribute("data-size", "huge")
    expect(root).to_have_attribute("lang", "es")
    expect(page.locator("#awake")).not_to_be_checked()


@pytest.mark.parametrize(
    ("locale", "word"), [("de-AT", "Zuhören"), ("cs-CZ", "Poslouchat"), ("ja-JP", "Listen")]
)
def test_speaks_the_devices_language(browser: Browser, server: Server, locale: str, word: str) -> None:
    context = browser.new_context(locale=locale, service_workers="block")
    page = ready(context, server.url)
    expect(page.locator("#to-listen-word")).to_have_text(word)
    context.close()


IN_PRIVATE = [{"errorId": "in-incognito", "errorArguments": []}]  # what a test's browser is

EVENING = """() => import(new URL('ui/store.js', location.href)).then(({ keep }) => keep({
  id: 'one', started: '2026-05-01T20:00:00.000Z', duration: 60, model: 'mine 1',
  parts: [{ start: 0, end: 60, dance: 'rumba', verdict: 'dance', confidence: 0.9, best: 'rumba', also: [] }],
}))"""

AXE = NODE_MODULES / "axe-core" / "axe.min.js"
EXPERIMENTAL = json.dumps({"label-content-name-mismatch": {"enabled": True}})  # not asked for by itself


@pytest.mark.parametrize("look", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing(browser: Browser, server: Server, look: str) -> None:
    """Every section, filled, in both looks."""
    context = browser.new_context(color_scheme=look, viewport={"width": 360, "height": 720})  # type: ignore[arg-type]
    page = ready(context, server.url)
    classified(page, FILES[0], Path(__file__))
    page.evaluate(EVENING)
    page.evaluate(AXE.read_text("utf-8"))
    for section in SECTIONS:
        page.click(f"#to-{section}")
        page.wait_for_timeout(250)  # colours fade
        if section == "evening":
            expect(page.locator("#evening-list article")).to_have_count(1)
        found = page.evaluate(f"axe.run({{ rules: {EXPERIMENTAL} }}).then(({{ violations }}) => violations)")
        problems = [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]
        assert problems == [], section
    context.close()


def test_works_from_the_keyboard(page: Page) -> None:
    """From the top: skip link, the button, the sections; every stop can be seen."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "listen-button"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for wanted in ("to-listen", "to-files"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == wanted
    page.keyboard.press("Enter")
    expect(page.locator("#view-files")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"


@pytest.mark.parametrize(
    ("width", "height", "size"), [(360, 720, "normal"), (320, 568, "huge"), (1024, 768, "normal")]
)
def test_nothing_is_cut(page: Page, width: int, height: int, size: str) -> None:
    """No section is wider than the screen, in any language."""
    page.set_viewport_size({"width": width, "height": height})
    classified(page, FILES[2], Path(__file__))
    page.click("#to-settings")
    page.check(f"input[name=size][value={size}]")
    for language in ("en", "de", "cs", "es"):
        page.click("#to-settings")
        page.select_option("#language", language)
        expect(page.locator("html")).to_have_attribute("lang", language)
        for section in SECTIONS:
            page.click(f"#to-{section}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (language, section)


def test_can_be_installed(context: BrowserContext, server: Server) -> None:
    """By what Chromium itself asks of a page that wants to be on the home screen."""
    page = ready(context, server.url, OFFLINE)
    session = context.new_cdp_session(page)
    assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] in ([], IN_PRIVATE)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    icons = json.loads(manifest["data"])["icons"]
    for icon in icons:
        answer = page.request.get(server.url + icon["src"])
        assert answer.ok
        assert answer.headers["content-type"] == icon["type"]


def test_builds_anew_into_its_own_folder_only(built: Build, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(runtime.ParameterError, match=r"neither empty nor an earlier build"):
        build(mine)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]
    again = build(tmp_path / "page")
    assert build(tmp_path / "page").version == again.version == built.version  # reproducible
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "page"]


def test_first_download(built: Build, exact: Build) -> None:
    """At most 6 MB, and 6.5 MB with what comes later, on a host that compresses nothing; 11 MB in float."""
    asked = {name: built.sizes[name] for name in (*built.later, *built.wanted)}
    assert built.download == sum(built.sizes.values()) - sum(asked.values()) < 6e6
    assert built.download + built.background < phone.DOWNLOAD_AIM
    assert exact.download < 11e6
    assert [name.endswith(".rehearsal.json.gzip") for name in exact.wanted] == [True]  # to be taught


def test_the_small_model_is_chosen_only_where_it_agrees(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By what was measured at its export: one recording of other opinion, or no measure: float."""
    name = next(iter(runtime.model.shipped()))
    small = f"{name}-int8"
    if small not in runtime.model.shipped():
        pytest.skip("the default model is shipped in float alone")
    file = runtime.model.shipped()[small]["file"]

    def measured(right: int, total: int) -> str:
        compared = {"confident": {"right": right, "total": total}}
        return json.dumps({"files": [{"file": file, "comparisons": [compared]}]})

    monkeypatch.setattr("web_app.build.FACTS", tmp_path)
    for content, wanted in {
        measured(1104, 1104): small,
        measured(1103, 1104): name,
        measured(0, 0): name,
        json.dumps({"files": []}): name,
        "damaged": name,
    }.items():
        (tmp_path / f"{name}.json").write_text(content)
        assert chosen() == runtime.model.resolve(wanted), content
    (tmp_path / f"{name}.json").unlink()
    assert chosen() == runtime.model.resolve(name)
