"""Files over the wire are bounded and checked before anybody reads them."""

import gzip
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.runtime.errors import InvalidInput
from services.storage.receiving import FileHeader, Part, check_file_name, incoming, receive, unpacked


async def parts(*given: Part) -> AsyncIterator[Part]:
    for part in given:
        yield part


def header(path: str, data: bytes, size: int | None = None) -> FileHeader:
    return FileHeader(path, hashlib.sha256(data).hexdigest(), size)


async def test_files_are_written_one_after_another(tmp_path: Path) -> None:
    sent = parts(header("a.json", b"{}"), b"{", b"}", header("b.txt", b"text", 4), b"text", header("c.txt", b""))
    paths = await receive(sent, tmp_path, max_bytes=100)
    assert [(path.name, path.read_bytes()) for path in paths] == [("a.json", b"{}"), ("b.txt", b"text"), ("c.txt", b"")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([b"x"], "part: got a chunk before any header, expected a header first"),
        ([], "parts: got no file, expected a header, then the file's bytes"),
        ([header("a", b"x"), b"y"], "a.sha256: got a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa"),
        ([header("a", b"x", 2), b"x"], "a.size_bytes: got 1 bytes, expected the 2 of the header"),
        ([header("a", b""), header("a", b"")], "file.path: got 'a' again, expected a name that no other file has"),
        ([header("a", b"", 11)], "a: got 11 bytes or more, expected at most 0 MiB"),
        ([header("a", b"x"), b"x" * 6, b"x" * 6], "a: got 12 bytes or more, expected at most 0 MiB"),
        ([header("a", b"x" * 6), b"x" * 6, header("b", b"x" * 6), b"x" * 6], "b: got 6 bytes or more"),
    ],
)
async def test_what_is_wrong_is_told(given: list[Part], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as raised:
        await receive(parts(*given), tmp_path, max_bytes=10)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", ".hidden", "", "a..b", "x" * 201, "nul\0", "a b", "/etc/passwd"]
)
def test_a_name_is_one_plain_part(name: str) -> None:
    with pytest.raises(InvalidInput, match="expected a plain file name"):
        check_file_name(name)


def break_off(work_dir: Path) -> None:
    with incoming(work_dir) as folder:
        (folder / "file").write_text("x")
        raise KeyError


def test_a_folder_for_incoming_files_is_gone_afterwards(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        break_off(tmp_path / "work")
    assert not list((tmp_path / "work").iterdir())


def test_a_gzip_file_is_unpacked_as_far_as_allowed(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl.gz"
    path.write_bytes(gzip.compress(b"x" * 3000) + gzip.compress(b"y" * 1000))
    assert unpacked(path, 4000).read_bytes() == b"x" * 3000 + b"y" * 1000
    assert unpacked(tmp_path / "file.jsonl", 1) == tmp_path / "file.jsonl", "what is not packed stays as it is"


def test_a_small_gzip_file_cannot_hide_a_large_one(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl.gz"
    path.write_bytes(gzip.compress(b"x" * (5 << 20)))
    assert path.stat().st_size < 10_000
    with pytest.raises(InvalidInput, match=r"file.jsonl.gz: got more than 2 MiB once unpacked, expected at most 2 MiB"):
        unpacked(path, 2 << 20)
    assert (tmp_path / "file.jsonl").stat().st_size <= 2 << 20


@pytest.mark.parametrize(
    "data",
    [b"no gzip at all", gzip.compress(b"x" * 99)[:-5], gzip.compress(b"x")[:-1] + b"y"],
    ids=["other bytes", "cut off", "another size"],  # gzip writes the time: names made from it differ between processes
)
def test_a_broken_gzip_file_is_told(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.csv.gz"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="expected a whole gzip file"):
        unpacked(path, 1000)
