"""Debian's Chromium, driven through a pipe by the DevTools protocol: pages are looked at, pointed at and typed at."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# No sandbox of its own: a root that tests has none. Without the network of its maker.
COMMAND = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

# The pipe's ends in the browser.
READS, WRITES = 3, 4

DEADLINE_S = 120

WIDE, PHONE = (1280, 900), (390, 844)


class Browser:
    """One tab. `requests` are the addresses it asked for, `complaints` what its console says."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest, self._last, self._session = b"", 0, ""
        self._waiting: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a method."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        session = {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message | session).encode() + b"\0")
        answer = self._wait(lambda message: message.get("id") == self._last)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, address: str, size: tuple[int, int] = WIDE, *, dark: bool = False, media: str = "") -> None:
        """Open a page on a screen of this size, and wait until it and its graph are there."""
        self.resize(size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.call("Emulation.setTouchEmulationEnabled", enabled=size == PHONE)
        self._waiting.clear()
        self.call("Page.navigate", url=address)
        self.wait_for_load()

    def resize(self, size: tuple[int, int]) -> None:
        """Give the screen another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=1,
            mobile=size == PHONE,
        )

    def wait_for_load(self) -> None:
        """Wait until the next page is loaded."""
        self._wait(lambda message: message.get("method") == "Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Return what a script evaluates to, once it is known."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_until(self, condition: str) -> None:
        """Wait until a condition of the page is true; the browser looks at each of its frames."""
        self.run(
            f"new Promise((done) => {{ const look = () => ({condition}) ? done(1) : setTimeout(look, 20); look(); }})"
        )

    def mouse(self, kind: str, x: float, y: float, *, pressed: bool = False) -> None:
        """Move, press or release the mouse: mouseMoved, mousePressed or mouseReleased."""
        button = "left" if pressed or kind != "mouseMoved" else "none"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=int(pressed), clickCount=1)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """Touch the screen: touchStart, touchMove or touchEnd."""
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in points])

    def key(self, name: str, text: str = "") -> None:
        """Press and release a key."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, code=name, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=name)

    def screenshot(self, file: Path) -> None:
        """Write the whole page as a PNG."""
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(image))

    def _wait(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for index, message in enumerate(self._waiting):
            if is_it(message):
                return self._waiting.pop(index)
        while True:
            message = self._read()
            self._note(message)
            if is_it(message):
                return message
            self._waiting.append(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
            self.complaints.append(json.dumps(parameters))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._from, 1 << 20)
            assert part, "the browser ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        known: dict[str, Any] = json.loads(message)
        return known


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Start a browser that keeps what it has in a folder, and end it."""
    (reads, to_browser), (from_browser, writes) = os.pipe(), os.pipe()
    # A shell moves the ends to the numbers that the browser expects; dash knows numbers of one digit only.
    command = [*COMMAND, f"--user-data-dir={folder}/profile"]
    moved = ["bash", "-c", f'exec "$@" {READS}<&{reads} {WRITES}>&{writes}', "bash", *command]
    process = subprocess.Popen(
        moved,
        pass_fds=(reads, writes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
    os.close(reads)
    os.close(writes)
    try:
        yield Browser(to_browser, from_browser)
    finally:
        process.kill()
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
