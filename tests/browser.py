"""Headless Chromium for the tests of the built book, driven over a pipe: no driver, no further package.

The messages are those of the Chrome DevTools Protocol, JSON ended by a zero byte.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import http.server
import json
import os
import select
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = """--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-sync
    --disable-quic --disable-background-networking --disable-component-update --remote-debugging-pipe"""


def find() -> str | None:
    """Path of a Chromium or Chrome, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve(folder: Path):
    """Serve a folder to this machine for a while; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Browser:
    """One page of a headless browser. `events` collects what the page does since the last `open`."""

    def __init__(self, seconds: float = 60):
        self.seconds, self.events, self._count, self._buffer = seconds, [], 0, b""
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        # descriptors from 10 up, so that the shell can put them at 3 and 4, where Chromium looks
        ours, theirs = zip(*(_pipe(reading) for reading in (False, True)), strict=True)
        self._write, self._read = ours
        shell = f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
        command = [
            "bash",
            "-c",
            shell,
            "chromium",
            find(),
            *SWITCHES.split(),
            f"--user-data-dir={self._profile}",
            "about:blank",
        ]
        self._process = subprocess.Popen(command, pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in theirs:
            os.close(end)
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Network.setCacheDisabled", cacheDisabled=True)  # so that each page is weighed whole
        self.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True)

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(OSError):
            os.close(self._write)
            os.close(self._read)
        self._process.terminate()
        self._process.wait(10)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **params) -> dict:
        """Send a command and wait for its answer."""
        number = self._send(method, self._session, params)
        return self._until(lambda m: m.get("id") == number, method)["result"]

    def _send(self, method: str, session: str | None, params: dict) -> int:
        """Send a command to the page or to one of its Workers; the number that its answer will have."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._count

    def _until(self, wanted, what: str) -> dict:
        until = time.monotonic() + self.seconds
        while True:
            while b"\0" in self._buffer:
                text, _, self._buffer = self._buffer.partition(b"\0")
                message = json.loads(text)
                if "method" in message:
                    self.events.append(message)
                    self._follow(message)
                if wanted(message):
                    if "error" in message:
                        raise RuntimeError(f"{what}: {message['error']}")
                    return message
            if not select.select([self._read], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError(f"{what}: no answer within {self.seconds} s")
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise RuntimeError(f"{what}: the browser ended")
            self._buffer += chunk

    def _follow(self, message: dict) -> None:
        """Hear what a Worker of the page asks for, too: its requests are not among those of the page."""
        if message["method"] == "Target.attachedToTarget" and message["params"]["targetInfo"]["type"] == "worker":
            self._send("Network.enable", message["params"]["sessionId"], {})

    def resize(self, width: int, height: int = 900) -> None:
        """Set the size of the view in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str) -> None:
        """Open a page and wait until it has loaded and its formulas are drawn."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        if not any(m["method"] == "Page.loadEventFired" for m in self.events):
            self._until(lambda m: m.get("method") == "Page.loadEventFired", url)
        self.ask("window.MathJax?.startup ? MathJax.startup.promise.then(() => 1) : 1")

    def ask(self, expression: str):
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def run(self, file: Path) -> None:
        """Run a script in the page."""
        self.ask(f"{file.read_text()}\n;0")

    def requests(self) -> list[str]:
        """Addresses that the page and its Workers have asked for, sockets among them."""
        sent = {"Network.requestWillBeSent", "Network.webSocketCreated"}
        asked = [m["params"] for m in self.events if m["method"] in sent]
        return [params["request"]["url"] if "request" in params else params["url"] for params in asked]

    def weight(self, apart: str = "\0") -> int:
        """Bytes of all that the page has loaded, except from addresses that contain `apart`."""
        sent = [m["params"] for m in self.events if m["method"] == "Network.requestWillBeSent"]
        left = {p["requestId"] for p in sent if apart in p["request"]["url"]}
        loaded = [m["params"] for m in self.events if m["method"] == "Network.loadingFinished"]
        return sum(int(p["encodedDataLength"]) for p in loaded if p["requestId"] not in left)

    def messages(self) -> list[str]:
        """All that stands in the page's console, of any level: what is thrown, what the browser and scripts say."""
        found = []
        for m in self.events:
            params = m["params"]
            if m["method"] == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif m["method"] == "Log.entryAdded":
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            elif m["method"] == "Runtime.consoleAPICalled":
                found.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        return found


def _pipe(we_read: bool) -> tuple[int, int]:
    """A pipe as (our end, the browser's end), both from descriptor 10 up."""
    read, write = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (read, write)]
    os.close(read)
    os.close(write)
    return (high[0], high[1]) if we_read else (high[1], high[0])
