"""Files as they come over the wire, into a temporary folder: named, bounded and checked before anybody reads them."""

import gzip
import hashlib
import re
import shutil
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from services.runtime.errors import InvalidInput, Problem

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_FILES = 2000
MIN_FREE_BYTES = 1 << 30  # left on the disk for everything else
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class FileHeader:
    path: str
    sha256: str  # hex
    size: int | None = None  # bytes; None: not told beforehand


Part = FileHeader | bytes


@contextmanager
def incoming(work_dir: Path) -> Iterator[Path]:
    """A folder that is gone afterwards, whatever happens."""
    work_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="incoming-", dir=work_dir) as name:
        yield Path(name)


async def receive(parts: AsyncIterator[Part], folder: Path, max_bytes: int) -> list[Path]:
    """Writes the files; each begins with its header. Raises InvalidInput for a bad name, too much, or other bytes."""
    paths: list[Path] = []
    file: _Receiving | None = None
    left = max_bytes
    async for part in parts:
        if isinstance(part, FileHeader):
            if file:
                file.finish()
            _check_new(part, folder, paths)
            file = _Receiving(part, folder / part.path, left, max_bytes)
            paths.append(folder / part.path)
        elif file is None:
            raise InvalidInput(Problem("part", "a chunk before any header", "a header first"))
        else:
            left -= file.write(part)
    if file is None:
        raise InvalidInput(Problem("parts", "no file", "a header, then the file's bytes"))
    file.finish()
    return paths


def _check_new(header: FileHeader, folder: Path, paths: list[Path]) -> None:
    check_file_name(header.path)
    if folder / header.path in paths:
        raise InvalidInput(Problem("file.path", f"{header.path!r} again", "a name that no other file has"))
    if len(paths) >= MAX_FILES:
        raise InvalidInput(Problem("files", f"more than {MAX_FILES}", f"at most {MAX_FILES} files"))
    if not DIGEST.fullmatch(header.sha256):
        raise InvalidInput(Problem(f"{header.path}.sha256", repr(header.sha256[:80]), "64 hex digits"))


class _Receiving:
    def __init__(self, header: FileHeader, path: Path, left: int, max_bytes: int) -> None:
        self._header, self._left, self._max_bytes = header, left, max_bytes
        self._digest, self._size = hashlib.sha256(), 0
        self._file: BinaryIO = path.open("xb")
        self._check_size(header.size or 0)

    def write(self, chunk: bytes) -> int:
        self._size += len(chunk)
        self._check_size(self._size)
        self._digest.update(chunk)
        return self._file.write(chunk)

    def finish(self) -> None:
        self._file.close()
        header, name = self._header, self._header.path
        if header.size is not None and header.size != self._size:
            raise InvalidInput(Problem(f"{name}.size_bytes", f"{self._size} bytes", f"the {header.size} of the header"))
        if header.sha256 != self._digest.hexdigest():
            raise InvalidInput(Problem(f"{name}.sha256", self._digest.hexdigest(), f"{header.sha256} of the header"))

    def _check_size(self, size: int) -> None:
        free = shutil.disk_usage(self._file.name).free - MIN_FREE_BYTES
        if size > self._left:
            raise _too_large(self._header.path, f"{size} bytes or more", self._max_bytes)
        if size - self._size > free:
            raise InvalidInput(Problem(self._header.path, f"{size} bytes", "no more than the disk has room for"))


def check_file_name(name: str) -> str:
    """`name` itself: one part, no folder, nothing hidden."""
    if not FILE_NAME.fullmatch(name) or ".." in name:
        expected = "a plain file name: letters, digits, '.', '_', '+' or '-', without folders"
        raise InvalidInput(Problem("file.path", repr(name[:200]), expected))
    return name


def _too_large(name: str, given: str, max_bytes: int) -> InvalidInput:
    return InvalidInput(Problem(name, given, f"at most {max_bytes >> 20} MiB"))


async def single_file(header: FileHeader, requests: AsyncIterator[Any]) -> AsyncIterator[Part]:
    """The parts of a file whose header came first; the others are messages whose `part` is a chunk."""
    yield header
    async for request in requests:
        if request.WhichOneof("part") != "chunk":
            raise InvalidInput(Problem("part", request.WhichOneof("part") or "nothing", "chunks until the end"))
        yield request.chunk


def unpacked(path: Path, max_bytes: int) -> Path:
    """The file itself, or beside a .gz what is in it. Raises InvalidInput where that is larger: a small one can hide a
    large file."""
    if path.suffix.lower() != ".gz":
        return path
    target, size = path.with_suffix(""), 0
    try:
        with gzip.open(path) as source, target.open("xb") as file:
            while piece := source.read(PIECE_BYTES):
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(path.name, f"more than {max_bytes >> 20} MiB once unpacked", max_bytes)
                file.write(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInput(Problem(path.name, str(error)[:200], "a whole gzip file")) from error
    return target


@contextmanager
def told_as(place: str, name: str) -> Iterator[None]:
    """People know their file by its own name, not by the place where it lay for a moment."""
    try:
        yield
    except InvalidInput as error:
        texts = [(p.field, p.given, p.expected) for p in error.problems]
        raise InvalidInput(*(Problem(*(text.replace(place, name) for text in t)) for t in texts)) from error
