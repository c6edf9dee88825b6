"""Recordings from a list of links, by yt-dlp and ffmpeg (thesis 3.5.1).

The list is a CSV file with a column `url` and, where they are known, `dance`, `split` and `source`. A link
to many recordings (a channel, a playlist, a podcast's RSS feed) becomes a row per recording, with its title.
What became of each link is kept in `downloads.csv` beside the recordings: a later run skips what is
there and tries again what failed.
"""

import csv
import os
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from runtime.atomic import replacing
from runtime.errors import WhichdanceError
from training.data.manifest import SPLITS, Recording, label_fault

LOG = "downloads.csv"
FORMATS = ("flac", "wav")  # what ffmpeg converts to; the thesis has wav, flac takes half the space


class DownloadError(WhichdanceError):
    """A link gave no audio."""


@dataclass(frozen=True)
class Link:
    """A row of the list, and what became of it.

    Attributes
    ----------
    url, dance, split, source : str
    title : str
        Of the recording, where a channel, playlist or feed names it.
    path : str
        The recording, relative to the folder; '' as long as there is none.
    error : str
        Why there is none.
    """

    url: str
    dance: str = ""
    split: str = ""
    source: str = ""
    title: str = ""
    path: str = ""
    error: str = ""


def read_links(path: str | Path) -> list[Link]:
    """The links in a CSV file; lines that repeat a link are dropped.

    Raises
    ------
    WhichdanceError
        Naming the file, the line and what is wrong.
    """
    names = {f.name for f in fields(Link)}
    links: dict[str, Link] = {}
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "url" not in (reader.fieldnames or ()):
                raise WhichdanceError(f"{path}: no column url in the first line")
            for row in reader:
                cells = {
                    k: (v or "").strip() for k, v in row.items() if k in names and not isinstance(v, list)
                }
                link = Link(**cells)
                where = f"{path}, line {reader.line_num}"
                if not link.url:
                    raise WhichdanceError(f"{where}: url is empty")
                if link.dance and (fault := label_fault(link.dance)):
                    raise WhichdanceError(f"{where}: dance is {link.dance!r}; {fault}")
                if link.split not in SPLITS:
                    raise WhichdanceError(f"{where}: split is {link.split!r}, not train, validation or test")
                links.setdefault(link.url, link)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WhichdanceError(f"{path} cannot be read as a list of links ({error})") from error
    return list(links.values())


def fetch(url: str, folder: Path, audio_format: str) -> Path:
    """Download one link and convert it; the only function here that uses the network.

    Parameters
    ----------
    url : str
        Anything that yt-dlp knows, or a direct link to a media file.
    folder : Path
    audio_format : str
        'flac' or 'wav'.

    Returns
    -------
    Path
        `<title> [<id>].<audio_format>` in the folder: labels are read from titles (thesis 3.5.2).

    Raises
    ------
    DownloadError
    """
    yt_dlp = _yt_dlp()
    if shutil.which("ffmpeg") is None:
        raise WhichdanceError("downloading needs ffmpeg on PATH to convert what comes")
    options = {
        "format": "bestaudio/best",
        "outtmpl": str(folder / "%(title).120B [%(id)s].%(ext)s"),
        "postprocessors": [{"key": "FFmpegExtractAudio", "preferredcodec": audio_format}],
        "noplaylist": True,
        "continuedl": True,
        "windowsfilenames": True,
        **QUIET,
    }
    try:
        with yt_dlp.YoutubeDL(options) as downloader:
            info = downloader.extract_info(url)
            return Path(info["requested_downloads"][0]["filepath"])
    except yt_dlp.utils.YoutubeDLError as error:
        raise DownloadError(_reason(error)) from error
    except (KeyError, IndexError, TypeError) as error:
        raise DownloadError("is no single video or audio file") from error


def items(link: Link) -> list[Link]:
    """The recordings behind a link, a row each: itself, or all of a channel, playlist or feed.

    Parameters
    ----------
    link : Link

    Returns
    -------
    list of Link
        With the link's dance and split, and its source or else the channel's title.

    Raises
    ------
    DownloadError
    """
    yt_dlp = _yt_dlp()
    options = {"extract_flat": "in_playlist", "skip_download": True, "noplaylist": True, **QUIET}
    try:
        with yt_dlp.YoutubeDL(options) as downloader:
            found = _entries(downloader, link.url, link.source, depth=0)
    except yt_dlp.utils.YoutubeDLError as error:
        raise DownloadError(_reason(error)) from error
    if found is None:
        return [link]
    rows = {url: replace(link, url=url, title=title, source=source) for url, title, source in found}
    return list(rows.values())


def _entries(downloader: Any, url: str, source: str, depth: int) -> list[tuple[str, str, str]] | None:
    """(url, title, source) of what a list holds; None for a single recording.

    A channel is a list of lists: its videos, its live streams, its shorts.
    """
    info = downloader.extract_info(url, download=False) or {}
    if info.get("_type") not in ("playlist", "multi_video"):
        return None
    source = source or str(info.get("title") or url)
    found: list[tuple[str, str, str]] = []
    for entry in info.get("entries") or ():
        if not entry or not (address := entry.get("url") or entry.get("webpage_url")):
            continue
        is_list = entry.get("_type") == "playlist" or "playlist" in str(entry.get("ie_key", "")).lower()
        nested = _entries(downloader, address, source, depth + 1) if is_list and depth < MAX_DEPTH else None
        address = import_module("yt_dlp.utils").unsmuggle_url(address)[0]
        found += nested if nested is not None else [(address, str(entry.get("title") or ""), source)]
    return found


def _yt_dlp() -> Any:
    try:
        return import_module("yt_dlp")
    except ImportError as error:
        raise WhichdanceError("downloading needs yt-dlp: pip install 'whichdance[training]'") from error


def _reason(error: Exception) -> str:
    return str(error).removeprefix("ERROR: ").splitlines()[0]


class _Silent:
    """yt-dlp's messages come back as errors; printing them would tear the progress bar."""

    def debug(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None: ...


QUIET = {"quiet": True, "noprogress": True, "no_warnings": True, "logger": _Silent()}
MAX_DEPTH = 3  # of lists in lists


def download(
    links: Sequence[Link],
    folder: str | Path,
    *,
    audio_format: str = "flac",
    fetch: Callable[[str, Path, str], Path] = fetch,
    items: Callable[[Link], list[Link]] = items,
    progress: Callable[[int, int, Link], None] = lambda done, total, link: None,
) -> list[Link]:
    """Fetch all links that are not there yet; one that fails is noted and does not stop the others.

    Parameters
    ----------
    links : sequence of Link
    folder : str or Path
        Recordings go into a folder per dance, or 'unlabelled'.
    audio_format : str
        'flac' or 'wav'.
    fetch : callable
        `fetch(url, folder, audio_format)`.
    items : callable
        `items(link)` gives the recordings behind a link. Channels grow: they are asked anew at every run.
    progress : callable
        Called with the number of recordings done, that of all that are known of, and the last one.

    Returns
    -------
    list of Link
        The links with their paths and errors, as in `downloads.csv`.
    """
    if audio_format not in FORMATS:
        raise WhichdanceError(f"the format must be one of {', '.join(FORMATS)}, got {audio_format!r}")
    folder = Path(folder).absolute()  # yt-dlp names the files absolutely
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG
    earlier = {link.url: link for link in read_links(log)} if log.exists() else {}
    result: dict[str, Link] = dict(earlier)
    waiting = deque(links)
    expanded: set[str] = set()
    finished: dict[str, Link] = {}
    while waiting:
        link = waiting.popleft()
        if link.url in finished:
            continue
        path = earlier[link.url].path if link.url in earlier else ""
        title = link.title or (earlier[link.url].title if link.url in earlier else "")
        error = ""
        if not (path and (folder / path).exists()):
            path = ""
            target = folder / (link.dance or "unlabelled")
            try:
                if link.url not in expanded:
                    found = items(link)
                    expanded.update(item.url for item in found)
                    if [item.url for item in found] != [link.url]:
                        result.pop(link.url, None)
                        waiting.extendleft(reversed(found))
                        continue
                target.mkdir(exist_ok=True)
                fetched = fetch(link.url, target, audio_format)
                path = Path(os.path.abspath(fetched)).relative_to(folder).as_posix()
            except DownloadError as failure:
                error = str(failure)
        finished[link.url] = result[link.url] = replace(link, title=title, path=path, error=error)
        _write_log(log, list(result.values()))
        progress(len(finished), len(finished) + len(waiting), finished[link.url])
    return list(finished.values())


def recordings(links: Sequence[Link], folder: str | Path) -> list[Recording]:
    """The downloaded recordings whose dance is known."""
    return [
        Recording(
            Path(folder) / link.path,
            link.dance,
            link.split,
            link.source or link.url,
            more=(("title", link.title),) if link.title else (),
        )
        for link in links
        if link.path and link.dance
    ]


def _write_log(path: Path, links: Sequence[Link]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Link)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(link) for link in links)
