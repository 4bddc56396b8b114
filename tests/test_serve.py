"""A page that is served: two routes, on this machine, for who knows the token; and the file that Ctrl-C leaves."""

import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest

from handmade import BATCH, RATE, write_run
from nanmap.errors import InputError
from nanmap.report import Served
from nanmap.results.folder import RunFolder

AXES = [BATCH, RATE]  # 15 cells, of which a shard holds seven


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    write_run(tmp_path / "run", AXES, lost=(1, 2))
    with Served(lambda: RunFolder(tmp_path / "run")) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def ask(server: Served, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.body = answer.read()
    connection.close()
    return answer


def test_the_page_and_its_data(served: Served):
    page, data = ask(served, f"/{served.token}/"), ask(served, f"/{served.token}/data")
    assert page.status == data.status == 200
    assert b"connect-src &#x27;self&#x27;" in page.body
    assert b'data-live="yes"' in page.body
    assert json.loads(data.body)["rows"] == 7


def test_newer_rows_are_told_and_old_ones_are_not_sent_twice(served: Served, tmp_path: Path):
    first = ask(served, f"/{served.token}/data")
    again = ask(served, f"/{served.token}/data", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    write_run(tmp_path / "run", AXES)
    newer = ask(served, f"/{served.token}/data", If_None_Match=first.headers["ETag"])
    assert newer.status == 200
    assert json.loads(newer.body)["rows"] == 15


@pytest.mark.parametrize(
    "path", ["/", "/data", "/{token}", "/{token}x/", "/{token}/cells", "/{token}/../", "/{token}//etc/passwd"]
)
def test_every_other_address_is_turned_away(path: str, served: Served):
    assert ask(served, path.replace("{token}", served.token)).status == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_request_for_another_host_is_turned_away(host: str, served: Served):
    answer = ask(served, f"/{served.token}/data", Host=host)
    assert answer.status == 403
    assert b"cells" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS"])
def test_nothing_but_get_is_answered(method: str, served: Served):
    assert ask(served, f"/{served.token}/", method).status == 501


def test_only_this_machine_is_listened_to(served: Served):
    assert served.server_address[0] == "127.0.0.1"
    assert urlsplit(served.address).hostname == "127.0.0.1"
    assert len(served.token) >= 20


def test_a_run_that_is_gone_is_told(served: Served, tmp_path: Path):
    (tmp_path / "run" / "manifest.json").unlink()
    answer = ask(served, f"/{served.token}/data")
    assert answer.status == 503
    assert b"manifest.json" in answer.body


def test_a_run_that_is_replaced_while_it_is_read_is_looked_at_again(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    def between(run: RunFolder, title: str | None) -> None:
        write_run(tmp_path / "run", AXES)
        raise IndexError("cell 20 of 20")

    with monkeypatch.context() as patched:
        patched.setattr("nanmap.report.serve.make_document", between)
        answers = [ask(served, f"/{served.token}/{route}") for route in ("data", "")]
    assert [each.status for each in answers] == [503, 503]
    assert b"was replaced while it was read" in answers[0].body
    assert ask(served, f"/{served.token}/data").status == 200
    assert capfd.readouterr().err == ""


def test_a_browser_that_leaves_is_no_error(served: Served, capfd: pytest.CaptureFixture[str]):
    answered = Event()
    served.shutdown_request = lambda request, plain=served.shutdown_request: (plain(request), answered.set())
    with socket.create_connection(served.server_address) as left:
        left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes by a reset
        left.sendall(f"GET /{served.token}/ HTTP/1.0\r\nHost: 127.0.0.1:{served.server_address[1]}\r\n\r\n".encode())
    assert answered.wait(20)
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_refused(served: Served, tmp_path: Path):
    with pytest.raises(InputError, match="cannot listen there"):
        Served(lambda: RunFolder(tmp_path / "run"), served.server_address[1])


def test_a_signal_leaves_the_file(tmp_path: Path):
    write_run(tmp_path / "run", AXES)
    command = [sys.executable, "-m", "nanmap", "report", "run", "--watch"]
    started = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline().startswith("http://127.0.0.1:")
    started.send_signal(signal.SIGTERM)
    told, _ = started.communicate(timeout=60)
    assert started.returncode == 0
    assert told.splitlines()[-1] == "run/maps/report.html"
    assert (tmp_path / "run" / "maps" / "report.html").read_text().startswith("<!doctype html>")
