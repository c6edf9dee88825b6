"""`python -m web_app serve`: the page on this machine, with the headers that a careful host sends."""

import functools
import http.server
import socketserver
from pathlib import Path

from runtime.errors import WhichdanceError
from web_app import build

HOST = "127.0.0.1"  # browsers give the microphone to this address without HTTPS
DEFAULT_PORT = 8000

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Static files; quiet."""

    protocol_version = "HTTP/1.1"
    # Not the system's: some say text/plain for modules, which browsers refuse.
    extensions_map = {  # noqa: RUF012
        "": "application/octet-stream",
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".png": "image/png",
        ".svg": "image/svg+xml",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
    }

    def end_headers(self) -> None:
        policy = {"Content-Security-Policy": build.policy()}
        for name, value in (HEADERS | policy).items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: whoever serves the page to themselves knows that they look at it."""


class Server(http.server.ThreadingHTTPServer):
    """A page in a folder, on `HOST`.

    Parameters
    ----------
    folder : Path
        As `web_app.build.build` writes it.
    port : int
        0 takes a free one.

    Raises
    ------
    WhichdanceError
        If the port is taken.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = DEFAULT_PORT) -> None:
        try:
            super().__init__((HOST, port), functools.partial(Handler, directory=str(folder)))
        except OSError as error:
            raise WhichdanceError(
                f"port {port} cannot be opened ({error.strerror}); `--port` takes another"
            ) from error

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks the network for this machine's name
        self.server_name, self.server_port = HOST, self.server_address[1]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"
