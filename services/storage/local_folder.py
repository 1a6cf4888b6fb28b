"""An object store in a local folder, for one machine or a shared file system."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from services.runtime.errors import Conflict
from services.storage.object_store import ObjectInfo, ObjectNotFound, as_folder, check_key

TEMPORARY = ".tmp"  # below the root, hence on the same file system, where a rename is atomic


class LocalFolder:
    """A key is a file below `root`, so a key cannot also be the folder of another one (Conflict)."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        (self.root / TEMPORARY).mkdir(parents=True, exist_ok=True)

    def put(self, key: str, data: bytes) -> None:
        self._write(key, lambda path: path.write_bytes(data))

    def put_file(self, key: str, source: Path) -> None:
        self._write(key, lambda path: shutil.copyfile(source, path))

    def get(self, key: str) -> bytes:
        return self._existing(key).read_bytes()

    def get_file(self, key: str, target: Path) -> None:
        shutil.copyfile(self._existing(key), target)

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from sorted(self._walk(self.root / as_folder(prefix)), key=lambda info: info.key)

    def children(self, prefix: str = "") -> Iterator[str]:
        folder = self.root / as_folder(prefix)
        yield from sorted(p.name for p in folder.glob("*") if p.is_dir() and p != self.root / TEMPORARY)

    def delete(self, key: str) -> None:
        path = self._path(key)
        if path.is_file():
            path.unlink(missing_ok=True)
            self._remove_empty_folders(path.parent)

    def delete_prefix(self, prefix: str) -> None:
        for info in self.list(check_key(prefix.removesuffix("/"))):
            self.delete(info.key)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _existing(self, key: str) -> Path:
        path = self._path(key)
        if not path.is_file():
            raise ObjectNotFound(key)
        return path

    def _write(self, key: str, fill: Callable[[Path], object]) -> None:
        path, temporary = self._path(key), self.root / TEMPORARY / uuid.uuid4().hex
        try:
            fill(temporary)
            _sync(temporary)
            self._rename(temporary, path)
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise Conflict(f"the key {key!r} is a folder, or one of its folders is an object") from error
        finally:
            temporary.unlink(missing_ok=True)

    def _rename(self, temporary: Path, path: Path) -> None:
        """Deleting a folder's last object removes the folder, maybe just as we make it or write into it: then again."""
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(temporary, path)
                break
            except FileNotFoundError:
                if not temporary.exists():
                    raise
            except FileExistsError:
                if any(parent.is_file() for parent in path.parents):
                    raise
        with contextlib.suppress(FileNotFoundError):  # deleted since
            _sync(path.parent)

    def _walk(self, folder: Path) -> Iterator[ObjectInfo]:
        for parent, folders, files in os.walk(folder):
            if Path(parent) == self.root and TEMPORARY in folders:
                folders.remove(TEMPORARY)
            for name in files:
                path = Path(parent, name)
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue  # deleted while we looked
                yield ObjectInfo(path.relative_to(self.root).as_posix(), stat.st_size, stat.st_mtime)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return  # holds something, or another process was first
            folder = folder.parent


def _sync(path: Path) -> None:
    """After a power cut a file is there with its content, or it is not there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
