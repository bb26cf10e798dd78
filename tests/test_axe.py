"""The program that looks for what keeps people out is the one that is pinned, or a test fails."""

from __future__ import annotations

import axe
import pytest


def test_another_archive_is_refused(tmp_path):
    archive = tmp_path / f"axe-core-{axe.VERSION}.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(RuntimeError, match="has the checksum sha512-.*npm pack axe-core@"):
        axe.script(tmp_path)
    assert not archive.exists()


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A program that stands for npm and fails as told."""

    def put(message: str) -> None:
        program = tmp_path / "npm"
        program.write_text(f"#!/bin/sh\necho '{message}' >&2\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return put


def test_no_network_is_told_from_other_failures(npm, tmp_path):
    npm("npm error code ENOTFOUND")
    with pytest.raises(axe.Unreachable, match="registry cannot be reached"):
        axe.script(tmp_path / "tools")
    npm("npm error code E404")
    with pytest.raises(RuntimeError, match="E404\\n`npm pack"):
        axe.script(tmp_path / "tools")


def test_without_npm_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="npm is not installed.*Node.js.*axe-core-"):
        axe.script(tmp_path / "tools")
