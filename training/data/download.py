"""Recordings from a list of links, by yt-dlp and ffmpeg (thesis 3.5.1).

The list is a CSV file with a column `url` and, where they are known, `dance`, `split` and `source`.
What became of each link is kept in `downloads.csv` beside the recordings: a later run skips what is
there and tries again what failed.
"""

import csv
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path

from runtime.atomic import replacing
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError
from training.data.manifest import OTHER, SPLITS, Recording

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
    path : str
        The recording, relative to the folder; '' as long as there is none.
    error : str
        Why there is none.
    """

    url: str
    dance: str = ""
    split: str = ""
    source: str = ""
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
                if link.dance not in (*DANCE_KEYS, OTHER, ""):
                    raise WhichdanceError(
                        f"{where}: dance is {link.dance!r}, not one of {', '.join(DANCE_KEYS)}"
                    )
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
    try:
        yt_dlp = import_module("yt_dlp")
    except ImportError as error:
        raise WhichdanceError("downloading needs yt-dlp: pip install 'whichdance[training]'") from error
    if shutil.which("ffmpeg") is None:
        raise WhichdanceError("downloading needs ffmpeg on PATH to convert what comes")
    options = {
        "format": "bestaudio/best",
        "outtmpl": str(folder / "%(title).120B [%(id)s].%(ext)s"),
        "postprocessors": [{"key": "FFmpegExtractAudio", "preferredcodec": audio_format}],
        "noplaylist": True,
        "continuedl": True,
        "windowsfilenames": True,
        "quiet": True,
        "noprogress": True,
        "no_warnings": True,
        "logger": _Silent(),
    }
    try:
        with yt_dlp.YoutubeDL(options) as downloader:
            info = downloader.extract_info(url)
            return Path(info["requested_downloads"][0]["filepath"])
    except yt_dlp.utils.YoutubeDLError as error:
        raise DownloadError(str(error).removeprefix("ERROR: ").splitlines()[0]) from error
    except (KeyError, IndexError, TypeError) as error:
        raise DownloadError("is no single video or audio file") from error


class _Silent:
    """yt-dlp's messages come back as errors; printing them would tear the progress bar."""

    def debug(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None: ...


def download(
    links: Sequence[Link],
    folder: str | Path,
    *,
    audio_format: str = "flac",
    fetch: Callable[[str, Path, str], Path] = fetch,
    progress: Callable[[int, Link], None] = lambda done, link: None,
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
    progress : callable
        Called with the number of links done and the last one.

    Returns
    -------
    list of Link
        The links with their paths and errors, as in `downloads.csv`.
    """
    if audio_format not in FORMATS:
        raise WhichdanceError(f"the format must be one of {', '.join(FORMATS)}, got {audio_format!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG
    earlier = {link.url: link for link in read_links(log)} if log.exists() else {}
    result: dict[str, Link] = dict(earlier)
    for done, link in enumerate(links, 1):
        path = earlier[link.url].path if link.url in earlier else ""
        error = ""
        if not (path and (folder / path).exists()):
            target = folder / (link.dance or "unlabelled")
            target.mkdir(exist_ok=True)
            try:
                path = fetch(link.url, target, audio_format).relative_to(folder).as_posix()
            except DownloadError as failure:
                path, error = "", str(failure)
        result[link.url] = Link(link.url, link.dance, link.split, link.source, path, error)
        _write_log(log, list(result.values()))
        progress(done, result[link.url])
    return [result[link.url] for link in links]


def recordings(links: Sequence[Link], folder: str | Path) -> list[Recording]:
    """The downloaded recordings whose dance is known."""
    return [
        Recording(Path(folder) / link.path, link.dance, link.split, link.source or link.url)
        for link in links
        if link.path and link.dance
    ]


def _write_log(path: Path, links: Sequence[Link]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Link)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(link) for link in links)
