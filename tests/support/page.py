"""A tab of headless Chromium used as a person does: clicks, drags, keys, files; with all that it requested."""

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.browser import PATIENCE, Browser, error_of

Point = tuple[float, float]


@dataclass
class Page:
    """One tab; use it in a `with` block. `Page.open` makes one."""

    browser: Browser
    target: str
    session: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    downloaded: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, browser: Browser, address: str, width: int, height: int = 900) -> "Page":
        """Open `address` in a new tab of `width` x `height` pixels; below 640 it behaves as a phone does."""
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = cls(browser, target, session)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            page.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 640}
        page.call("Emulation.setDeviceMetricsOverride", **size)
        page.call("Page.bringToFront")
        page.call("Page.navigate", url=address)
        return page

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command of the DevTools protocol to this tab."""
        answer = self.browser.call(method, self.session, **params)
        self._take_events()
        return answer

    def _take_events(self) -> None:
        while self.browser.events:
            event = self.browser.events.popleft()
            if event["method"] == "Browser.downloadProgress" and event["params"]["state"] == "completed":
                self.downloaded.add(event["params"]["guid"])
            if event.get("sessionId") != self.session:
                continue
            if event["method"] == "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
            if error := error_of(event):
                self.errors.append(error)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression holds."""
        end = time.monotonic() + PATIENCE
        while not self.run(condition):
            if time.monotonic() > end:
                raise TimeoutError(
                    f"never so: {condition}; the page says {self.run('document.body.innerText')}"
                )
            time.sleep(0.05)

    def centre(self, selector: str) -> Point:
        """Where an element is in the window, after scrolling to it. It must be there to be seen."""
        box = self.run(
            f"""(element => {{
              element.scrollIntoView({{block: "nearest", behavior: "instant"}});
              const box = element.getBoundingClientRect();
              return [box.x + box.width / 2, box.y + box.height / 2, box.width];
            }})(document.querySelector({json.dumps(selector)}))"""
        )
        assert box[2] > 0, f"{selector} is hidden"
        return box[0], box[1]

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        self.drag([self.centre(selector)])

    def drag(self, points: list[Point]) -> None:
        """Press the mouse at the first point, move it along the others and let go."""
        self._mouse("mouseMoved", points[0], 0)
        self._mouse("mousePressed", points[0], 1)
        for point in points[1:]:
            self._mouse("mouseMoved", point, 1)
        self._mouse("mouseReleased", points[-1], 0)

    def _mouse(self, kind: str, point: Point, buttons: int) -> None:
        button = "none" if kind == "mouseMoved" and not buttons else "left"
        self.call(
            "Input.dispatchMouseEvent",
            type=kind, x=point[0], y=point[1], button=button, buttons=buttons, clickCount=1,
        )  # fmt: skip

    def key(self, key: str, code: int, control: bool = False) -> None:
        """Press and release a key by its name and key code."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind, key=key, windowsVirtualKeyCode=code, modifiers=2 if control else 0,
            )  # fmt: skip

    def choose(self, selector: str, path: Path) -> None:
        """Give a file to a file input."""
        found = self.call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        self.call("DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"])

    def download(self, selector: str, folder: Path, name: str) -> Path:
        """Click on what downloads and wait for the file `name` in `folder`."""
        self.browser.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=True
        )
        before = len(self.downloaded)
        self.click(selector)
        end = time.monotonic() + PATIENCE
        while len(self.downloaded) == before:
            if time.monotonic() > end:
                raise TimeoutError(f"{name} does not arrive; {folder} has {[*folder.iterdir()]}")
            self.run("1")
            time.sleep(0.05)
        return folder / name

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as a PNG file."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
