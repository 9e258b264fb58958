"""Pages in Debian's Chromium, by Playwright: what they show, request and complain of."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

PATIENCE = 120_000  # milliseconds
expect.set_options(timeout=PATIENCE)
LOOK = """async () => {
  document.querySelectorAll("details").forEach(details => details.open = true);
  await Promise.allSettled([...document.images].map(image => image.decode()));
  return {
    overflow: document.documentElement.scrollWidth
      - Math.min(document.documentElement.clientWidth, screen.width),
    pictures: document.images.length,
    broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt || i.src),
    nameless: [...document.images].filter(image => !image.alt).length,
  };
}"""


def find_chromium() -> str | None:
    """The browser's program, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def headless(program: str) -> Iterator[Browser]:
    """A Chromium of its own, with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page with what it requested, itself apart, and the errors on its console and in its scripts."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def _log(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            self.errors.append(message.text)


@contextmanager
def open_tab(browser: Browser, address: str, width: int, height: int = 900) -> Iterator[Tab]:
    """`address` in a new tab of `width` x `height` pixels; below 640 it behaves as a phone does."""
    context = browser.new_context(viewport={"width": width, "height": height}, is_mobile=width < 640)
    context.set_default_timeout(PATIENCE)
    tab = Tab(context.new_page())
    tab.page.on("console", tab._log)
    tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.page.on("request", lambda request: tab.requests.append(request.url))
    tab.page.goto(address)
    tab.requests.remove(tab.page.url)
    yield tab
    context.close()


@dataclass(frozen=True)
class Seen:
    """What a page did and shows: errors, requests beside itself and data URIs; by how many pixels it is wider than
    the window; its pictures, those that are broken, and how many have no alt text."""

    errors: list[str]
    requests: list[str]
    overflow: int
    pictures: int
    broken: list[str]
    nameless: int


def look_at(browser: Browser, page: Path, width: int) -> Seen:
    """Open a local page in a new tab `width` pixels wide, with all that is folded unfolded."""
    with open_tab(browser, page.resolve().as_uri(), width) as tab:
        found = tab.page.evaluate(LOOK)
        requests = [address for address in tab.requests if not address.startswith("data:")]
        return Seen(tab.errors, requests, **found)
