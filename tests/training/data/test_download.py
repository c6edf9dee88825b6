import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runtime import audio
from runtime.errors import WhichdanceError
from training.cli import main
from training.data.download import DownloadError, Link, download, fetch, items, read_links, recordings
from training.data.manifest import read_manifest


def copying(url: str, folder: Path, audio_format: str) -> Path:
    """A `fetch` that copies local files and fails where there is none."""
    try:
        return Path(shutil.copy(url, folder / f"{Path(url).stem}.{audio_format}"))
    except OSError as error:
        raise DownloadError("not there") from error


def alone(link: Link) -> list[Link]:
    """An `items` for links to single recordings."""
    return [link]


def test_resumes_skips_and_logs_failures(tmp_path: Path) -> None:
    source = tmp_path / "web"
    source.mkdir()
    (source / "a.wav").write_text("a")
    (tmp_path / "links.csv").write_text(
        f"url,dance,split\n{source}/a.wav,jive,train\n{source}/b.wav,tango,test\n{source}/a.wav,jive,train\n"
    )
    links = read_links(tmp_path / "links.csv")
    assert len(links) == 2
    calls: list[str] = []

    def counting(url: str, folder: Path, audio_format: str) -> Path:
        calls.append(Path(url).name)
        return copying(url, folder, audio_format)

    out = tmp_path / "out"
    first = download(links, out, fetch=counting, items=alone)
    assert [(link.path, link.error) for link in first] == [("jive/a.flac", ""), ("", "not there")]
    assert read_links(out / "downloads.csv") == first

    (source / "b.wav").write_text("b")
    second = download(links, out, fetch=counting, items=alone)
    assert [link.path for link in second] == ["jive/a.flac", "tango/b.flac"]
    assert calls == ["a.wav", "b.wav", "b.wav"]  # what was there is not fetched again

    (out / "jive" / "a.flac").unlink()
    download(links, out, fetch=counting, items=alone)
    assert calls[-1] == "a.wav"
    assert [(r.dance, r.split) for r in recordings(second, out)] == [("jive", "train"), ("tango", "test")]


def test_a_killed_download_goes_on_where_it_was(tmp_path: Path) -> None:
    links = [Link(f"{tmp_path}/{name}.wav", "jive") for name in "abc"]
    for name in "abc":
        (tmp_path / f"{name}.wav").write_text(name)
    calls = 0

    def killed(url: str, folder: Path, audio_format: str) -> Path:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return copying(url, folder, audio_format)

    with pytest.raises(KeyboardInterrupt):
        download(links, tmp_path / "out", fetch=killed, items=alone)
    assert [link.path for link in download(links, tmp_path / "out", fetch=killed, items=alone)] == [
        "jive/a.flac",
        "jive/b.flac",
        "jive/c.flac",
    ]
    assert calls == 4


def test_links_without_a_dance_wait_for_labels(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("a")
    links = download([Link(str(tmp_path / "a.wav"))], tmp_path / "out", fetch=copying, items=alone)
    assert links[0].path == "unlabelled/a.flac"
    assert recordings(links, tmp_path / "out") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("link\nx\n", "no column url"),
        ("url,dance\nx,tangos\n", "line 2: dance is 'tangos'; is tango meant"),
        ("url,split\nx,dev\n", "line 2: split is 'dev'"),
        ("url,dance\n,jive\n", "line 2: url is empty"),
    ],
)
def test_errors_in_the_list(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "links.csv").write_text(content)
    with pytest.raises(WhichdanceError, match=message):
        read_links(tmp_path / "links.csv")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "www"
    folder.mkdir()
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.filterwarnings("ignore")  # of yt-dlp
def test_yt_dlp_from_a_local_server(server: str, tmp_path: Path, write_clicks: Callable[..., None]) -> None:
    pytest.importorskip("yt_dlp")
    write_clicks(tmp_path / "www" / "Slow Jive.ogg", "rumba", seconds=3)
    out = tmp_path / "out"
    out.mkdir()
    path = fetch(f"{server}/Slow%20Jive.ogg", out, "flac")
    assert path.suffix == ".flac"
    assert "Slow Jive" in path.name
    samples, rate = audio.read(path)
    assert len(samples) / rate == pytest.approx(3, abs=0.1)
    with pytest.raises(DownloadError):
        fetch(f"{server}/missing.ogg", out, "flac")


FEED = """<?xml version="1.0"?>
<rss version="2.0"><channel><title>Tango hour</title><link>{server}/</link>
<item><title>La Cumparsita</title><enclosure url="{server}/one.ogg" type="audio/ogg" length="1"/></item>
<item><title>Jalousie, live</title><enclosure url="{server}/two.ogg" type="audio/ogg" length="1"/></item>
<item><title>Gone</title><enclosure url="{server}/gone.ogg" type="audio/ogg" length="1"/></item>
{more}</channel></rss>
"""


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.filterwarnings("ignore")  # of yt-dlp
def test_a_feed_into_a_relative_folder(
    server: str, tmp_path: Path, write_clicks: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    www = tmp_path / "www"
    for i, name in enumerate(("one", "two", "three", "alone")):
        write_clicks(www / f"{name}.ogg", "rumba", seconds=3, seed=i)
    (www / "feed.xml").write_text(FEED.format(server=server, more=""))
    (tmp_path / "links.csv").write_text(
        f"url,dance,split\n{server}/feed.xml,tango,train\n{server}/alone.ogg,rumba,test\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["download", "links.csv", "-o", "music"]) == 1  # one is gone
    rows = read_manifest("music/manifest.csv")
    assert [(r.column("title"), r.dance, r.split, r.source) for r in rows] == [
        ("La Cumparsita", "tango", "train", "Tango hour"),
        ("Jalousie, live", "tango", "train", "Tango hour"),
        ("", "rumba", "test", f"{server}/alone.ogg"),
    ]
    assert all(len(audio.read(r.path)[0]) > 0 for r in rows)
    log = {link.url: link for link in read_links("music/downloads.csv")}
    assert set(log) == {f"{server}/{name}.ogg" for name in ("one", "two", "gone", "alone")}
    assert log[f"{server}/gone.ogg"].error

    before = {r.path: r.path.stat().st_mtime_ns for r in rows}
    item = '<item><title>New</title><enclosure url="{server}/three.ogg" type="audio/ogg" length="1"/></item>'
    (www / "feed.xml").write_text(FEED.format(server=server, more=item.format(server=server)))
    assert main(["download", "links.csv", "-o", "music"]) == 1
    rows = read_manifest("music/manifest.csv")
    assert [r.column("title") for r in rows] == ["La Cumparsita", "Jalousie, live", "New", ""]
    assert {path: path.stat().st_mtime_ns for path in before} == before  # what was there stayed


@pytest.mark.filterwarnings("ignore")  # of yt-dlp
def test_what_is_no_list_is_itself(server: str, tmp_path: Path, write_clicks: Callable[..., None]) -> None:
    write_clicks(tmp_path / "www" / "a.ogg", "rumba", seconds=3)
    link = Link(f"{server}/a.ogg", "rumba")
    assert items(link) == [link]
    with pytest.raises(DownloadError):
        items(Link(f"{server}/missing.xml"))
