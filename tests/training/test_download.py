import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runtime import audio
from runtime.errors import WhichdanceError
from training.data.download import DownloadError, Link, download, fetch, read_links, recordings


def copying(url: str, folder: Path, audio_format: str) -> Path:
    """A `fetch` that copies local files and fails where there is none."""
    try:
        return Path(shutil.copy(url, folder / f"{Path(url).stem}.{audio_format}"))
    except OSError as error:
        raise DownloadError("not there") from error


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
    first = download(links, out, fetch=counting)
    assert [(link.path, link.error) for link in first] == [("jive/a.flac", ""), ("", "not there")]
    assert read_links(out / "downloads.csv") == first

    (source / "b.wav").write_text("b")
    second = download(links, out, fetch=counting)
    assert [link.path for link in second] == ["jive/a.flac", "tango/b.flac"]
    assert calls == ["a.wav", "b.wav", "b.wav"]  # what was there is not fetched again

    (out / "jive" / "a.flac").unlink()
    download(links, out, fetch=counting)
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
        download(links, tmp_path / "out", fetch=killed)
    assert [link.path for link in download(links, tmp_path / "out", fetch=killed)] == [
        "jive/a.flac",
        "jive/b.flac",
        "jive/c.flac",
    ]
    assert calls == 4


def test_links_without_a_dance_wait_for_labels(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("a")
    links = download([Link(str(tmp_path / "a.wav"))], tmp_path / "out", fetch=copying)
    assert links[0].path == "unlabelled/a.flac"
    assert recordings(links, tmp_path / "out") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("link\nx\n", "no column url"),
        ("url,dance\nx,polka\n", "line 2: dance is 'polka'"),
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
