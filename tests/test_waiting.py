"""A line on a terminal while something takes long, and nothing elsewhere."""

import sys
from threading import Event

import pytest
from rich.status import Status

from nanmap.cli.waiting import waiting


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Set once a line is shown; on a terminal."""
    event = Event()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(
        Status, "start", lambda status: event.set() if status.status.plain == "drawing [a].png" else None
    )
    return event


def test_what_takes_long_is_told_under_its_own_name(shown: Event) -> None:
    with waiting("drawing [a].png", seconds=0):
        assert shown.wait(60)


def test_what_is_quick_is_not_told(shown: Event) -> None:
    with waiting("drawing [a].png", seconds=3600):
        pass
    assert not shown.is_set()


def test_a_file_gets_no_moving_line(shown: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    with waiting("drawing [a].png", seconds=0):
        assert not shown.wait(0.05)


def test_a_mistake_ends_the_line_and_comes_through(shown: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Event()
    monkeypatch.setattr(Status, "stop", lambda _: ended.set())

    def draw() -> None:
        with waiting("drawing [a].png", seconds=0):
            shown.wait(60)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        draw()
    assert ended.is_set()
