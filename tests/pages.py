"""Pages in a real browser: Debian's Chromium, driven by Playwright; one for all tests of a module."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nanmap.report import page as page_of
from nanmap.report import write_page
from nanmap.results.folder import RunFolder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
READY = "body[data-ready=yes], html[data-failed]"
TOLD = """for (const kind of ["error", "unhandledrejection"])
  addEventListener(kind, (event) => (document.documentElement.dataset.failed = String(event.reason || event.message)));"""


@contextmanager
def a_browser() -> Iterator[Any]:
    """A browser without a window; the test is skipped, with the reason, where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra `dev` has Playwright, which drives pages")
    if CHROMIUM is None:
        pytest.skip("no Chromium: `apt-get install chromium` has it")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--force-color-profile=srgb"])
        yield browser
        browser.close()


class Opened:
    """A page that is open, and whatever its console said."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        context = {"viewport": {"width": 1200, "height": 900}, "device_scale_factor": 1, **context}
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.messages: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.add_init_script(TOLD)  # a page that fails is not waited for
        self.page.goto(address)
        self.page.wait_for_selector(READY, state="attached")
        assert self.page.locator("html").get_attribute("data-failed") is None, self.messages

    def __getattr__(self, name: str) -> Any:
        """Everything else is Playwright's."""
        return getattr(self.page, name)

    def value(self, script: str, *arguments: Any) -> Any:
        """What an expression gives in the page."""
        return self.page.evaluate(script, *arguments)

    def text(self, selector: str) -> str:
        """What is read there."""
        return str(self.page.inner_text(selector))

    def middle_of(self, x: int, y: int, panel: int = 0) -> tuple[float, float]:
        """Where on the screen the middle of a pixel of the map is."""
        place = "([panel, x, y]) => toSheet(page.sheet.boxes[panel], x + 0.5, y + 0.5)"
        left, top = self.value(place, [panel, x, y])
        box = self.page.locator("#cursor").bounding_box()
        return box["x"] + left, box["y"] + top

    def hover(self, x: int, y: int, panel: int = 0) -> None:
        """Moves the pointer to a pixel."""
        self.page.mouse.move(*self.middle_of(x, y, panel))
        self.page.wait_for_function(
            "([panel, x, y]) => page.state.cursor && page.state.cursor.panel === panel && page.state.cursor.x === x && page.state.cursor.y === y",
            arg=[panel, x, y],
        )

    def click_pixel(self, x: int, y: int, panel: int = 0) -> None:
        """Clicks a pixel."""
        self.page.mouse.click(*self.middle_of(x, y, panel))


Open = Callable[..., Opened]


@contextmanager
def opening(browser: Any, folder: Path) -> Iterator[Open]:
    """`open(run, hash="#x=…", **context)`: the page of a run, on which nothing may be said on the console."""
    pages: list[Opened] = []

    def open_(run: RunFolder, hash: str = "", **context: Any) -> Opened:
        file = folder / "page.html"
        write_page(file, page_of(run))
        pages.append(Opened(browser, f"{file.as_uri()}{hash}", **context))
        return pages[-1]

    yield open_
    said = [message for each in pages for message in each.messages]
    for each in pages:
        each.context.close()
    assert said == []
