import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.runtime.errors import InvalidInput
from services.trainer.uploads import FileHeader, Part, check_file_name, check_model_files, incoming, receive


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


def test_all_that_a_model_lacks_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as raised:
        check_model_files(["tokenizer.json"])
    assert [problem.expected for problem in raised.value.problems] == [
        "weights as *.safetensors",
        "a folder in Hugging Face layout",
    ]


def break_off(work_dir: Path) -> None:
    with incoming(work_dir) as folder:
        (folder / "file").write_text("x")
        raise KeyError


def test_a_folder_for_incoming_files_is_gone_afterwards(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        break_off(tmp_path / "work")
    assert not list((tmp_path / "work").iterdir())
