"""A page in headless Chromium, by its DevTools protocol over a pipe: no driver, no port, no package."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE = 120  # seconds
LOOK = """(async () => {
  document.querySelectorAll("details").forEach(details => details.open = true);
  await Promise.allSettled([...document.images].map(image => image.decode()));
  return {
    content: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
    pictures: document.images.length,
    broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt || i.src),
    nameless: [...document.images].filter(image => !image.alt).length,
  };
})()"""


def find_chromium() -> str | None:
    """The browser's program, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True)
class Seen:
    """What a page did: errors on the console, requests beside itself and data URIs, and the look of it.

    `overflow` is by how many pixels it is wider than the window; `nameless` pictures have no alt text.
    """

    errors: list[str]
    requests: list[str]
    overflow: int
    pictures: int
    broken: list[str]
    nameless: int


class Browser:
    """Chromium with an empty profile; use it in a `with` block."""

    def __init__(self, program: str) -> None:
        self.profile = tempfile.mkdtemp()
        to_read, self.out = os.pipe()
        self.inlet, to_write = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4
        script = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        command = ["bash", "-c", script, program, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(
            command, pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        self.count, self.rest, self.events = 0, b"", deque[dict[str, Any]]()

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
            self.process.wait(20)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.inlet)
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        """Send one command and wait for its answer; events that come meanwhile are kept."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self.count:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            if not select.select([self.inlet], [], [], PATIENCE)[0]:
                raise RuntimeError(f"Chromium has said nothing for {PATIENCE} seconds")
            chunk = os.read(self.inlet, 1 << 20)
            if not chunk:
                raise RuntimeError("Chromium has ended")
            self.rest += chunk
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def look_at(self, page: Path, width: int, height: int = 900) -> Seen:
        """Open a local page in a new tab `width` pixels wide; below 640 the tab behaves as a phone does."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 640}
        self.call("Emulation.setDeviceMetricsOverride", session, **size)
        self.events.clear()
        address = page.resolve().as_uri()
        self.call("Page.navigate", session, url=address)
        self._wait_for_load(session)
        look = self.call("Runtime.evaluate", session, expression=LOOK, awaitPromise=True, returnByValue=True)
        found = look["result"]["value"]
        events = [event for event in self.events if event.get("sessionId") == session]
        self.call("Target.closeTarget", targetId=target)
        requested = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return Seen(
            errors=[error for event in events if (error := error_of(event))],
            requests=[url for url in requested if url != address and not url.startswith("data:")],
            overflow=found.pop("content") - min(found.pop("window"), width),
            **found,
        )

    def _wait_for_load(self, session: str) -> None:
        end = time.monotonic() + PATIENCE
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            if time.monotonic() > end:
                raise RuntimeError("the page does not finish loading")
            self.call("Runtime.evaluate", session, expression="1")
            time.sleep(0.05)


def error_of(event: dict[str, Any]) -> str | None:
    """The error that an event tells of, if it tells of one."""
    params = event["params"]
    if event["method"] == "Runtime.exceptionThrown":
        return str(params["exceptionDetails"].get("exception", {}).get("description"))
    if event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
        return str(params["args"])
    if event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
        return str(params["entry"]["text"])
    return None
