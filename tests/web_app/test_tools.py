"""What stands around the page: JavaScript's linter and types, words, and what the bundles of npm contain."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from runtime import mel
from runtime.errors import WhichdanceError
from runtime.model import Model
from web_app import words
from web_app.build import COMMONJS, COPIED, NODE_MODULES, PACKED, PAGE, Build
from web_app.cli import main
from web_app.definition import DARK_GROUND, RATES

WEB_APP = PAGE.parent


@pytest.mark.parametrize("script", ["lint", "types"])
def test_javascript_is_clean(npm_packages: None, script: str) -> None:
    """eslint, and TypeScript's checks of the JSDoc types."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    done = subprocess.run([npm, "run", "--silent", script], cwd=WEB_APP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# What would report to somebody: names of the browser's ways to send, and of services that collect.
SENDS = re.compile(
    rb"sendBeacon|WebSocket|EventSource|RTCPeerConnection|telemetry|applicationinsights|google-analytics|"
    rb"sentry\.io|datadog|mixpanel|amplitude",
    re.IGNORECASE,
)
ADDRESS = re.compile(rb"https?://[\w.-]+[\w/.-]*")
# Documentation, in the texts of error messages and operators; nothing asks them.
NAMED = re.compile(
    rb"https?://(web\.dev|arxiv\.org|docs\.nvidia\.com|github\.com|ieeexplore\.ieee\.org|tinyurl\.com|"
    rb"www\.w3\.org|onnx\.ai|en\.wikipedia\.org|mozilla\.org|www\.webmproject\.org|aomediacodec\.github\.io)/"
)


@pytest.mark.parametrize("file", [*COPIED, *PACKED, *COMMONJS])
def test_bundles_from_npm_report_to_nobody(npm_packages: None, file: str) -> None:
    content = (NODE_MODULES / file).read_bytes()
    assert SENDS.findall(content) == []
    assert [url for url in ADDRESS.findall(content) if not NAMED.match(url)] == []


def test_the_check_finds_what_it_looks_for(npm_packages: None) -> None:
    """Against a bundle that does have such strings, so that the test above can fail."""
    jspi = NODE_MODULES / "onnxruntime-web/dist/ort-wasm-simd-threaded.jspi.wasm"
    assert SENDS.search(jspi.read_bytes())


def test_npm_packages_are_pinned() -> None:
    """Exact versions, with hashes, and no scripts of theirs are run."""
    package = json.loads((WEB_APP / "package.json").read_text())
    lock = json.loads((WEB_APP / "package-lock.json").read_text())
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    assert all("integrity" in one for path, one in lock["packages"].items() if path)


def test_only_the_job_that_deploys_may_write() -> None:
    """Of pages.yml: what installs and builds runs scripts of others."""
    workflow = yaml.safe_load((WEB_APP.parent / ".github/workflows/pages.yml").read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    allowed = {name: job.get("permissions") for name, job in workflow["jobs"].items()}
    assert allowed == {"build": None, "deploy": {"pages": "write", "id-token": "write"}}


def test_nothing_is_offered_that_browsers_can_not_read() -> None:
    offered = re.search(r'id="file-input"[^>]*accept="([^"]+)"', (PAGE / "index.html").read_text("utf-8"))
    assert offered
    assert ".mp3" in offered[1]
    assert "aif" not in offered[1]


def test_numbers_of_the_front_end_are_nowhere_in_javascript() -> None:
    """They are exported: a rate, a length, a band count in JavaScript would be a second definition."""
    numbers = {mel.N_FFT, mel.HOP_LENGTH, mel.N_MELS, mel.SAMPLE_RATE, *RATES}
    for path in sorted((PAGE / "engine").glob("*.js")):
        found = {int(one.replace("_", "")) for one in re.findall(r"(?<![\w.])\d[\d_]*(?![\w.])", _code(path))}
        assert found & numbers == set(), path.name


def _code(path: Path) -> str:
    """Without comments."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)


def test_the_dark_ground_is_the_style_sheets() -> None:
    raised = re.findall(r"--raised: .* var\(--if-dark, (.*?)\);", (PAGE / "style.css").read_text())
    assert raised == [DARK_GROUND]


def test_every_text_exists_in_every_language_and_is_used() -> None:
    labels = Model.load(threads=1).info.labels
    spoken = {language: words.words(language, labels) for language in words.LANGUAGES}
    page = "".join(path.read_text("utf-8") for path in PAGE.rglob("*") if path.suffix in (".js", ".html"))
    for language, texts in spoken.items():
        assert all(texts.values()), language
        for key, text in texts.items():
            assert fields(text) == fields(spoken["en"][key]), (language, key)
    own = {key for key in spoken["en"] if not key.startswith("dance.")}
    unused = {
        key
        for key in own
        if not re.search(rf"['\"]{key}['\"]", page) and not key.startswith(("level_", "group_"))
    }
    assert unused == set()
    for key in re.findall(r"\btr\('(\w+)'", page) + re.findall(r'data-word(?:-label)?="(\w+)"', page):
        assert key in own, key


def fields(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_a_missing_translation_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "words.toml"
    own.write_text('greeting = { en = "Hello", de = "Hallo" }\ngone = { app = "Nobody says this" }\n')
    monkeypatch.setattr(words, "OWN", own)
    with pytest.raises(WhichdanceError, match="greeting is not translated to cs"):
        words.words("cs", ())
    with pytest.raises(WhichdanceError, match="the app's catalogue lacks 'Nobody says this'"):
        words.words("de", ())


def test_build_says_what_it_made(built: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(tmp_path / "page")]) == 0
    assert re.search(
        r"\d+ files, \d+\.\d MB to download and \d\.\d MB later, version [0-9a-f]{16}",
        capsys.readouterr().out,
    )


def test_errors_are_one_line(
    npm_packages: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    assert main(["build", str(tmp_path / "full")]) == 2
    assert main(["build", str(tmp_path / "page"), "--model", "nobody"]) == 1
    assert not (tmp_path / "page").exists()
    monkeypatch.setattr("web_app.build.NODE_MODULES", tmp_path / "nothing")
    assert main(["build", str(tmp_path / "page")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "npm ci --ignore-scripts --prefix" in lines[2]
