"""Downloads, always from a server on this machine, and unpacking."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from making import write_folder

from colorize_lib.data.download import download, extract
from colorize_lib.data.images import list_images

CONTENT = np.random.default_rng(0).bytes(100_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


def fetch(served, name="file", path="/file", **options):
    return download(served.url + path, name, progress=False, **options)


def test_a_finished_file_is_checked_and_not_downloaded_again(served, tmp_path):
    served.files["/file"] = CONTENT
    assert fetch(served, sha256=SHA).read_bytes() == CONTENT == fetch(served, sha256=SHA).read_bytes()
    assert served.requests == ["/file"]
    assert [p.name for p in (tmp_path / "cache" / "downloads").iterdir() if p.suffix != ".lock"] == ["file"]


def test_an_interrupted_download_leaves_nothing_and_the_next_mirror_is_tried(served, tmp_path):
    served.files |= {"/file": CONTENT, "/other": CONTENT}
    served.cuts = 1
    with pytest.raises(OSError, match="(?s)could not download file.*40000 bytes read"):
        fetch(served, sha256=SHA, folder=tmp_path / "one")
    assert [p.name for p in (tmp_path / "one").iterdir() if p.suffix != ".lock"] == []
    served.cuts = 1  # no hash is needed to see it
    urls = [served.url + "/file", served.url + "/other"]
    assert download(urls, "file", folder=tmp_path / "two", progress=False).read_bytes() == CONTENT


def test_progress_of_a_download(served, capsys):
    served.files["/file"] = CONTENT
    download(served.url + "/file", "file")
    shown = capsys.readouterr().err
    assert shown.startswith(f"downloading {served.url}/file\n") and "of 100kB" in shown


def test_a_wrong_hash_is_refused(served, tmp_path):
    served.files["/file"] = b"something else"
    found = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(OSError, match=f"(?s){found}.*{SHA}.*refused"):
        fetch(served, sha256=SHA, folder=tmp_path)
    assert not (tmp_path / "file").exists() and not (tmp_path / "file.part").exists()
    assert (tmp_path / f"file.{found[:8]}.refused").read_bytes() == b"something else"
    (tmp_path / "file").write_bytes(b"damaged since")  # a cached file is checked as well, and fetched again
    with pytest.raises(OSError, match=f"(?s){hashlib.sha256(b'damaged since').hexdigest()}.*{found}"):
        fetch(served, sha256=SHA, folder=tmp_path)
    assert {p.read_bytes() for p in tmp_path.glob("*.refused")} == {b"something else", b"damaged since"}, "none is lost"
    (tmp_path / "file").write_bytes(b"damaged since")
    served.files["/file"] = CONTENT
    assert fetch(served, sha256=SHA, md5=hashlib.md5(CONTENT).hexdigest(), folder=tmp_path).read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn(served, tmp_path):
    served.files |= {"/wrong": b"a login page", "/file": CONTENT}
    urls = ["http://127.0.0.1:9/file", "file:///etc/hostname", served.url + "/gone", served.url + "/wrong"]
    assert download([*urls, served.url + "/file"], "file", SHA, progress=False).read_bytes() == CONTENT
    with pytest.raises(OSError, match="(?s)refused.*No connection adapters.*404") as error:
        download(urls[:3], "other", progress=False)
    assert str(error.value).count("\n") == 3


def tar_with(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, link in [("good.txt", tarfile.REGTYPE, ""), *members]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            tar.addfile(member, io.BytesIO())
    return path


@pytest.mark.parametrize(
    "member",
    [
        ("../evil.txt", tarfile.REGTYPE, ""),
        ("a/../../evil.txt", tarfile.REGTYPE, ""),
        ("/evil.txt", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "../../outside"),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("hard", tarfile.LNKTYPE, "../outside"),
        ("pipe", tarfile.FIFOTYPE, ""),
    ],
)
def test_unsafe_archives_are_refused(tmp_path, member):
    archive = tar_with(tmp_path / "bad.tar.gz", member)
    with pytest.raises(ValueError, match="was refused"):
        extract(archive, tmp_path / "out" / "deep")
    assert not (tmp_path / "out" / "deep").exists() and not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize(
    "members",
    [
        [("x" * 300, tarfile.REGTYPE, "")],
        [("good.txt/below.txt", tarfile.REGTYPE, "")],
        [("folder/a.txt", tarfile.REGTYPE, ""), ("folder", tarfile.REGTYPE, "")],
    ],
    ids=["name too long", "folder over a file", "file over a folder"],
)
def test_impossible_archives_are_refused(tmp_path, members):
    archive = tar_with(tmp_path / "bad.tar.gz", *members)
    with pytest.raises(ValueError, match="bad.tar.gz was refused"):
        extract(archive, tmp_path / "out" / "deep")
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".deep.lock"]


def test_a_folder_that_cannot_be_written_is_not_the_fault_of_the_archive(tmp_path, monkeypatch):
    archive = tar_with(tmp_path / "good.tar.gz")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    with pytest.raises(OSError, match="No space left"):
        extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_archives_are_refused_and_good_ones_unpacked_once(tmp_path, scenes):
    write_folder(tmp_path / "p", scenes[:4])
    with tarfile.open(tmp_path / "good.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "p", "p")
    folder = extract(tmp_path / "good.tar.gz")
    assert len(list_images(folder)) == 4 and extract(tmp_path / "good.tar.gz") == folder
    (tmp_path / "cut.tar.gz").write_bytes((tmp_path / "good.tar.gz").read_bytes()[:2000])
    with pytest.raises(ValueError, match="was refused"):
        extract(tmp_path / "cut.tar.gz")
    (tmp_path / "page.tar.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="was refused"):
        extract(tmp_path / "page.tar.gz")
