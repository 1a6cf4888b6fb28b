"""Files on their way to the catalog and back: chunks, checksums, and folders that appear whole or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rlhf.calls import Progress
from rlhf.errors import TransferError
from rlhf.v1 import catalog_pb2

CHUNK_BYTES = 2**20


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def silent(done: int, total: int) -> None:
    """The progress of those who did not ask for it."""


class FileSink:
    """A download of one file: written beside its place, checked, then moved there."""

    def __init__(self, path: Path, sha256: str, progress: Progress = silent) -> None:
        self.path, self.expected, self.progress, self.done = path, sha256, progress, 0
        self.digest = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, self.part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        self.file = os.fdopen(handle, "wb")

    def accept(self, item: catalog_pb2.DownloadDatasetResponse) -> None:
        self.file.write(item.chunk)
        self.digest.update(item.chunk)
        self.done += len(item.chunk)
        self.progress(self.done, self.done)

    def result(self) -> Path:
        self.file.close()
        if self.digest.hexdigest() != self.expected:
            raise TransferError(f"{self.path.name} arrived damaged: its sha256 is not {self.expected}")
        os.replace(self.part, self.path)
        return self.path

    def close(self) -> None:
        self.file.close()
        Path(self.part).unlink(missing_ok=True)


class ExportSink(FileSink):
    """The same where the digest comes last."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, sha256="none came")

    def accept(self, item: Any) -> None:
        if item.HasField("summary"):
            self.expected = item.summary.sha256
        else:
            super().accept(item)


class FolderSink:
    """A download of a folder: every file is checked by size and sha256, then all appear at once."""

    def __init__(self, folder: Path, progress: Progress = silent) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise TransferError(f"{folder} is there and not empty; give a folder that is new or empty")
        self.folder, self.progress, self.done, self.total = folder, progress, 0, 0
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        self.current: catalog_pb2.ModelFile | None = None
        self.file: IO[bytes] | None = None
        self.digest = hashlib.sha256()

    def accept(self, item: Any) -> None:
        if item.WhichOneof("part") == "file":
            self._finish_file()
            self._open(item.file)
        elif self.file is None:
            raise TransferError("the service sent bytes of no file")
        else:
            self._write(item.chunk)

    def result(self) -> Path:
        self._finish_file()
        if not self.total:
            raise TransferError("the service sent no files")
        if self.folder.exists():
            self.folder.rmdir()
        self.part.chmod(0o755)
        os.replace(self.part, self.folder)
        return self.folder

    def close(self) -> None:
        if self.file:
            self.file.close()
        shutil.rmtree(self.part, ignore_errors=True)

    def _open(self, file: catalog_pb2.ModelFile) -> None:
        self.current, self.digest = file, hashlib.sha256()
        self.total += file.size_bytes
        self.file = (self.part / plain_name(file.path)).open("xb")

    def _write(self, chunk: bytes) -> None:
        assert self.file
        self.file.write(chunk)
        self.digest.update(chunk)
        self.done += len(chunk)
        self.progress(self.done, self.total)

    def _finish_file(self) -> None:
        if self.file is None or self.current is None:
            return
        size = self.file.tell()
        self.file.close()
        if (size, self.digest.hexdigest()) != (self.current.size_bytes, self.current.sha256):
            raise TransferError(f"{self.current.path} arrived damaged: {size} of {self.current.size_bytes} bytes")


def plain_name(path: str) -> str:
    """The name of a file without any folder; anything else could write outside the target."""
    if not path or "\\" in path or "\0" in path or path in (".", "..") or PurePosixPath(path).name != path:
        raise TransferError(f"the service sent the path {path!r}, expected a plain file name")
    return path
