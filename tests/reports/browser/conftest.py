"""A headless Chromium, spoken to over its DevTools protocol, that is always taken down again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)

PATIENCE_S = 60.0

PROBLEMS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")


class Browser:
    """One browser process group and its DevTools connection.

    Parameters
    ----------
    program : str
        The Chromium executable.
    profile : Path
        An empty folder.
    """

    def __init__(self, program: str, profile: Path) -> None:
        # Its own session, so that every process it starts can be ended with it.
        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.socket: Any = None
        self.events: list[dict[str, Any]] = []
        self._n_sent = 0
        try:
            self._connect(profile / "DevToolsActivePort")
        except BaseException:
            self.close()
            raise

    def _connect(self, announcement: Path) -> None:
        from websocket import create_connection

        deadline = time.monotonic() + PATIENCE_S
        while not announcement.is_file() or announcement.read_text().count("\n") < 1:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Chromium did not open its DevTools port.")
            time.sleep(0.05)
        port, path = announcement.read_text().split()
        self.socket = create_connection(f"ws://127.0.0.1:{port}{path}", timeout=PATIENCE_S)

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a DevTools method and return its result; events are kept on the way."""
        self._n_sent += 1
        call = {"id": self._n_sent, "method": method, "params": parameters}
        self.socket.send(json.dumps(call | ({"sessionId": session} if session else {})))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self._n_sent:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return dict(message["result"])
            self.events.append(message)

    def close(self) -> None:
        """End every process of the browser, whatever state it is in."""
        if self.socket is not None:
            # Asked politely, the browser collects its own children first.
            with contextlib.suppress(Exception):
                self.send("Browser.close")
            self.socket.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=PATIENCE_S)


class Page:
    """A tab that remembers what its page said, asked for and broke.

    Parameters
    ----------
    browser : Browser
        A running browser.
    javascript : bool
        Whether scripts of the page run.
    size : tuple of (int, int)
        Width and height in CSS pixels.
    """

    def __init__(
        self, browser: Browser, *, javascript: bool = True, size: tuple[int, int] = (1400, 900)
    ) -> None:
        self.browser = browser
        target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=target, flatten=True)
        self.target, self.session = target, attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setScriptExecutionDisabled", value=not javascript)
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=1,
            mobile=False,
        )

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a DevTools method on this tab."""
        return self.browser.send(method, self.session, **parameters)

    def open(self, path: Path) -> None:
        """Load a file and wait until everything in it has loaded."""
        self.send("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + PATIENCE_S
        while not self._seen("Page.loadEventFired"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{path} did not load.")
            self.evaluate("0")
            time.sleep(0.02)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Press the left mouse button in the middle of an element."""
        x, y = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
            " const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press_enter(self) -> None:
        """Press the Enter key on whatever has the focus."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        self.send("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        self.send("Input.dispatchKeyEvent", type="keyUp", **key)

    @property
    def problems(self) -> list[dict[str, Any]]:
        """Console output, uncaught errors and refused content since the tab was made."""
        return [event["params"] for name in PROBLEMS for event in self._seen(name)]

    @property
    def requests(self) -> list[str]:
        """Every address the page asked for."""
        sent = self._seen("Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

    def _seen(self, method: str) -> list[dict[str, Any]]:
        return [
            event
            for event in self.browser.events
            if event.get("method") == method and event.get("sessionId") == self.session
        ]

    def close(self) -> None:
        """Close the tab."""
        self.browser.send("Target.closeTarget", targetId=self.target)


def _missing() -> str | None:
    if shutil.which("chromium") is None:
        return "Chromium is not installed; see: apt-get install chromium"
    try:
        import websocket  # noqa: F401  # only whether it is there
    except ImportError:
        return "websocket-client is not installed; see: pip install sonobench[test]"
    return None


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start one browser for all tests; where there is none, skip, but never in CI."""
    reason = _missing()
    if reason is not None and os.environ.get("CI"):
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)
    started = Browser(shutil.which("chromium") or "", tmp_path_factory.mktemp("profile"))
    try:
        yield started
    finally:
        started.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Give a function that opens HTML in a new tab, and close the tabs afterwards."""
    pages: list[Page] = []

    def open_html(html: str, **options: Any) -> Page:
        path = tmp_path / "leaderboard.html"
        path.write_text(html, encoding="utf-8")
        pages.append(Page(browser, **options))
        pages[-1].open(path)
        return pages[-1]

    yield open_html
    for page in pages:
        page.close()
