"""A page that follows a run while it is trained: two addresses on this machine alone, which nobody finds without the token."""

import hashlib
import hmac
import secrets
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from nanmap.errors import InputError, NanmapError, RunFolderError
from nanmap.report.document import make_document
from nanmap.report.page import as_html, as_json
from nanmap.results.folder import RunFolder

HERE = "127.0.0.1"


class Served(ThreadingHTTPServer):
    """A run's page at `address`: `serve_forever` answers until `shutdown`.

    Args:
        open_run: gives the run as it is now.
        port: 0 for a free one.
        title: in place of the sweep's.

    Raises:
        InputError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, open_run: Callable[[], RunFolder], port: int = 0, title: str | None = None) -> None:
        self.open_run, self.title = open_run, title
        self.token = secrets.token_urlsafe(16)
        self._lock, self._made = Lock(), ("", "")
        try:
            super().__init__((HERE, port), _Handler)
        except (OSError, OverflowError) as error:
            mend = "take another one, or leave --port out for a free one"
            raise InputError(f"cannot listen there: {error}", key="--port", value=port, mend=mend) from None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that left while it was answered is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HERE}:{self.server_address[1]}/{self.token}/"

    def page(self) -> str:
        """The page with the rows that are there, which then asks for more."""
        run = self.open_run()
        return as_html(self._document(run, state_of(run)), live=True)

    def data(self) -> tuple[str, str]:
        """The rows that are there as JSON, and a name for this state of them; made once for each state."""
        with self._lock:
            run = self.open_run()
            state = state_of(run)
            if self._made[0] != state:
                self._made = state, as_json(self._document(run, state))
            return self._made[1], state

    def _document(self, run: RunFolder, state: str) -> dict[str, Any]:
        """What a page holds of a run in this state.

        Raises:
            RunFolderError: it was replaced while it was read, so that its parts do not belong together.
        """
        try:
            return make_document(run, self.title)
        except (ValueError, LookupError, OSError):
            if state_of(run) == state:
                raise
            raise RunFolderError("was replaced while it was read", file=run.path, mend="look again") from None


def state_of(run: RunFolder) -> str:
    """A name for what is in a run folder at the moment, in no more than a look at its files.

    Runs that were put together are those of the folders that they stand on.
    """
    looked = []
    for each in getattr(run, "runs", [run]):
        folders = (each.cells.path, each.edges.path, each.history.path, each.first_tensors.path)
        files = [each.cells.manifest_file, *(file for folder in folders for file in sorted(folder.glob("*.parquet")))]
        for file in files:
            try:
                status = file.stat()
            except FileNotFoundError:  # replaced just now
                continue
            looked.append((str(file), status.st_size, status.st_mtime_ns, status.st_ino))
    return hashlib.sha256(repr(looked).encode()).hexdigest()[:16]


class _Handler(BaseHTTPRequestHandler):
    """Two routes, for whoever knows the token and asks for this very address."""

    server: Served
    server_version, sys_version = "nanmap", ""

    def do_GET(self) -> None:
        """The page, or its newer data."""
        if not self._asks_for_us():
            return self._refuse(HTTPStatus.FORBIDDEN)
        token, slash, route = self.path.removeprefix("/").partition("/")
        if not (slash and hmac.compare_digest(token.encode(), self.server.token.encode())) or route not in ("", "data"):
            return self._refuse(HTTPStatus.NOT_FOUND)
        try:
            if route == "data":
                text, state = self.server.data()
                return self._answer(text, "application/json", state)
            return self._answer(self.server.page(), "text/html")
        except NanmapError as error:  # of a run that is being replaced, or was removed
            return self._answer(str(error), "text/plain", status=HTTPStatus.SERVICE_UNAVAILABLE)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal is for the user."""

    def _asks_for_us(self) -> bool:
        """Whether the request names this host: a page elsewhere that had a name turned to this machine does not."""
        port = self.server.server_address[1]
        return self.headers.get("Host") in (f"{HERE}:{port}", f"localhost:{port}")

    def _refuse(self, status: HTTPStatus) -> None:
        self._answer(status.phrase, "text/plain", status=status)

    def _answer(self, text: str, kind: str, state: str = "", status: HTTPStatus = HTTPStatus.OK) -> None:
        body, tag = text.encode(), f'"{state}"'
        if state and self.headers.get("If-None-Match") == tag:
            body, status = b"", HTTPStatus.NOT_MODIFIED
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-cache" if state else "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            **({"ETag": tag} if state else {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
