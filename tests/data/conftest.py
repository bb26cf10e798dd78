"""An own cache for every test, generated scenes, and a server on this machine."""

import http.server
import threading

import pytest

from colorize_lib.data.scenes import synthetic_scenes


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def scenes():
    return synthetic_scenes(40, 32).pixels


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves bytes; breaks the connection after `cut` bytes as often as `cuts` says."""

    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.cuts > 0:
            self.server.cuts -= 1
            content = content[: self.server.cut]
        self.wfile.write(content)

    def log_message(self, *_): ...


@pytest.fixture
def served():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.requests, server.cuts, server.cut = {}, [], 0, 40_000
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
