"""A server behind a bad connection: slow, late, and it may break."""

import re
import threading
import time
from pathlib import Path
from typing import IO, Any

from web_app.serve import Handler, Server

SLOW_4G = 1.6e6  # bit/s; what Lighthouse and WebPageTest call slow 4G
LATENCY = 0.15  # s until an answer begins
REST = re.compile(r"bytes=(\d+)-")
PIECE = 4096  # bytes sent at a time


class SlowServer(Server):
    """The page in a folder, behind a slow connection that all requests share.

    Parameters
    ----------
    folder : Path
        As `web_app.build.build` writes it.
    bits_per_second : float
    latency : float
        Seconds until an answer begins.
    ranges : bool
        Whether a request for the rest of a file gets that; if not, it gets all of it.
    max_age : int, optional
        Seconds for which browsers may keep files without asking, as most hosts tell them; 0 if None.

    Attributes
    ----------
    sent : int
        Bytes of files sent so far.
    asked : list of str
        Paths that were asked for, in order.
    cut_after : float
        The connection is cut as soon as `sent` exceeds this, and stays so until it is set anew.
    """

    def __init__(
        self,
        folder: Path,
        bits_per_second: float = SLOW_4G,
        latency: float = LATENCY,
        max_age: int | None = None,
        *,
        ranges: bool = True,
    ) -> None:
        super().__init__(folder, 0)
        self.RequestHandlerClass = type("Bound", (_SlowHandler,), {"folder": str(folder)})
        self.latency = latency
        self.max_age = max_age
        self.ranges = ranges
        self.sent = 0
        self.asked: list[str] = []
        self.cut_after = float("inf")
        self._bytes_per_second = bits_per_second / 8
        self._free_at = 0.0  # moment at which the line has sent all that it took
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Wait until the line has taken so many bytes; ConnectionError where it is cut."""
        with self._lock:
            if self.sent > self.cut_after:
                raise ConnectionAbortedError("cut")
            self.sent += count
            self._free_at = max(self._free_at, time.monotonic()) + count / self._bytes_per_second
            wait = self._free_at - time.monotonic()
        time.sleep(max(0.0, wait))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: cut connections are what this server is for."""


class _SlowHandler(Handler):
    folder: str
    server: SlowServer

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=self.folder)

    def do_GET(self) -> None:
        if self.server.sent > self.server.cut_after:
            raise ConnectionAbortedError("cut")
        self.server.asked.append(self.path)
        time.sleep(self.server.latency)
        if (rest := REST.fullmatch(self.headers.get("Range", ""))) and self.server.ranges:
            self._send_rest(Path(self.translate_path(self.path)), int(rest[1]))
        else:
            super().do_GET()

    def _send_rest(self, path: Path, start: int) -> None:
        """The file from a byte on (RFC 9110, 14)."""
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        with path.open("rb") as source:
            source.seek(start)
            self.copyfile(source, self.wfile)

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Cache-Control" and self.server.max_age is not None:
            value = f"max-age={self.server.max_age}"
        super().send_header(keyword, value)

    def copyfile(self, source: IO[bytes], outputfile: Any) -> None:  # type: ignore[override]
        while piece := source.read(PIECE):
            self.server.take(len(piece))
            outputfile.write(piece)
