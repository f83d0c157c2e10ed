"""A directory is served and written, and nothing outside of it."""

from __future__ import annotations

import errno
import os
from http import HTTPStatus
from pathlib import Path

import pytest

from scenarios.applications.http.errors import HttpError
from scenarios.applications.http.site import Directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "page.html").write_text("page")
    (root / "archive.tar.gz").write_bytes(b"archive")
    (root / "sub" / "index.html").write_text("index")
    (tmp_path / "secret").write_text("secret")
    return root


def content(root: Path, path: str) -> bytes:
    with Directory(root).open(path) as resource:
        data = bytes(resource.read(0, 1 << 20))
        assert len(data) == resource.length
        return data


def refusal(root: Path, path: str) -> HttpError:
    with pytest.raises(HttpError) as caught:
        Directory(root).open(path)
    return caught.value


def put(root: Path, path: str, data: bytes) -> bool:
    with Directory(root).store(path) as upload:
        upload.write(data)
        return upload.commit()


def test_files(root: Path) -> None:
    assert content(root, "/page.html") == b"page"
    with Directory(root).open("/page.html") as page, Directory(root).open("/archive.tar.gz") as archive:
        assert page.media_type == "text/html"
        assert archive.media_type == "application/octet-stream"
        assert bytes(page.read(1, 2)) == b"ag"


def test_a_directory_has_an_index(root: Path) -> None:
    assert content(root, "/sub/") == b"index"


def test_a_directory_without_an_index_is_listed(root: Path) -> None:
    (root / "<&\"'> ü%").write_text("")
    page = content(root, "/").decode()
    assert '<a href="./page.html">page.html</a>' in page
    assert '<a href="./sub/">sub/</a>' in page
    assert '<a href="./%3C%26%22%27%3E%20%C3%BC%25">&lt;&amp;&quot;&#x27;&gt; ü%</a>' in page


def test_a_directory_without_its_slash_is_elsewhere(root: Path) -> None:
    (root / "ü").mkdir()
    for path, location in {"/sub": "/sub/", "//sub": "/sub/", "/ü": "/%C3%BC/"}.items():
        error = refusal(root, path)
        assert error.status == HTTPStatus.MOVED_PERMANENTLY
        assert error.fields["Location"] == location


@pytest.mark.parametrize(
    "path",
    ["/none", "/page.html/", "/page.html/x", "/" + "a" * 300, "/../secret", "/sub/../../secret", "/.."],
)
def test_what_is_not_there(root: Path, path: str) -> None:
    assert refusal(root, path).status == HTTPStatus.NOT_FOUND


def test_links_lead_nowhere_outside(root: Path) -> None:
    (root / "inside").symlink_to("page.html")
    (root / "outside").symlink_to("../secret")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    assert content(root, "/inside") == b"page"
    for path in ("/outside", "/up/secret", "/up/", "/loop"):
        assert refusal(root, path).status == HTTPStatus.NOT_FOUND
    with pytest.raises(HttpError):
        put(root, "/outside", b"overwritten")
    with pytest.raises(HttpError):
        put(root, "/up/new", b"written")
    assert (root.parent / "secret").read_text() == "secret"
    assert not (root.parent / "new").exists()


def test_a_sibling_with_the_same_beginning_is_outside(root: Path) -> None:
    (root.parent / "root2").mkdir()
    (root.parent / "root2" / "file").write_text("x")
    assert refusal(root, "/../root2/file").status == HTTPStatus.NOT_FOUND


def test_what_is_no_regular_file_is_not_there(root: Path) -> None:
    os.mkfifo(root / "fifo")
    assert refusal(root, "/fifo").status == HTTPStatus.NOT_FOUND


def test_nul_in_a_path(root: Path) -> None:
    assert refusal(root, "/a\0b").status == HTTPStatus.BAD_REQUEST


def test_a_path_that_is_no_text(root: Path) -> None:
    (root / os.fsdecode(b"\xff")).write_text("bytes")
    assert content(root, os.fsdecode(b"/\xff")) == b"bytes"
    assert b"%FF" in content(root, "/")


def test_storing(root: Path) -> None:
    assert put(root, "/new", b"one")
    assert not put(root, "/new", b"two")
    assert (root / "new").read_bytes() == b"two"
    assert (root / "new").stat().st_mode & 0o777 == 0o644


def test_an_upload_that_is_not_committed_changes_nothing(root: Path) -> None:
    before = sorted(root.iterdir())
    with Directory(root).store("/page.html") as upload:
        upload.write(b"half")
    assert sorted(root.iterdir()) == before
    assert (root / "page.html").read_text() == "page"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sub", HTTPStatus.METHOD_NOT_ALLOWED),
        ("/new/", HTTPStatus.METHOD_NOT_ALLOWED),
        ("/none/new", HTTPStatus.NOT_FOUND),
        ("/../new", HTTPStatus.NOT_FOUND),
        ("/page.html/new", HTTPStatus.NOT_FOUND),
    ],
)
def test_where_nothing_can_be_stored(root: Path, path: str, status: HTTPStatus) -> None:
    with pytest.raises(HttpError) as caught:
        put(root, path, b"")
    assert caught.value.status == status


def test_a_full_disk_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(HttpError) as caught:
        put(root, "/new", b"data")
    assert caught.value.status == HTTPStatus.INSUFFICIENT_STORAGE
    assert not [path for path in root.iterdir() if path.suffix == ".part"]


def test_no_such_directory(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Directory(root / "none")
    with pytest.raises(NotADirectoryError):
        Directory(root / "page.html")
