"""Datasets and models that the service fetches itself: from the Hugging Face Hub, S3, or a folder it can read."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from services.runtime.errors import InvalidInput, Problem
from services.storage.location import open_store
from services.storage.object_store import ObjectStore
from services.storage.receiving import check_file_name
from services.trainer.uploads import MODEL_FILES

HUB_MODEL = re.compile(r"hf://(\w[\w.-]*/\w[\w.-]*)")
HUB = "hf://"
BUCKET = "s3://"


class Importer:
    """`storage` is the service's own; its S3 server answers for s3:// sources too. Local paths lie below `root`."""

    def __init__(self, storage: str, root: Path | None) -> None:
        self._storage = storage
        self._root = root.resolve() if root else None

    def dataset(self, source: str, folder: Path, max_bytes: int) -> str | Path:
        """What `services.data` reads: the hub's own name, or a file."""
        if source.startswith(HUB):
            return source
        if not source.startswith(BUCKET):
            return self._local(source)
        place, _, name = source.rpartition("/")
        store = self._bucket(source, place)
        _check_size(source, sum(o.size for o in store.list() if o.key == name), max_bytes)
        target = folder / check_file_name(name)
        store.get_file(name, target)
        return target

    def model(self, source: str, folder: Path, max_bytes: int) -> None:
        """Fills `folder` with the model's files and nothing else that may lie beside them."""
        if source.startswith(HUB):
            _from_hub(source, folder, max_bytes)
        elif source.startswith(BUCKET):
            store = self._bucket(source, source)
            sizes = {o.key: o.size for o in store.list() if "/" not in o.key and o.key.endswith(MODEL_FILES)}
            _check_size(source, sum(sizes.values()), max_bytes)
            for key in sizes:
                store.get_file(key, folder / check_file_name(key))
        else:
            files = list(_model_files(self._local(source)))
            _check_size(source, sum(path.stat().st_size for path in files), max_bytes)
            for path in files:
                shutil.copyfile(path, folder / path.name)

    def _local(self, source: str) -> Path:
        if self._root is None:
            raise InvalidInput(Problem("source", repr(source), "hf://… or s3://…: the service has no import_root"))
        path = Path(source.removeprefix("file://")).expanduser().resolve()
        if not path.is_relative_to(self._root):
            raise InvalidInput(Problem("source", repr(source), f"hf://…, s3://… or a path below {self._root}"))
        if not path.exists():
            raise InvalidInput(Problem("source", f"{source!r}, which the service does not see", "an existing path"))
        return path

    def _bucket(self, source: str, place: str) -> ObjectStore:
        """A source names no server: else a caller could make this service talk to any."""
        if "?" in source:
            raise InvalidInput(Problem("source", repr(source), "s3://bucket/key without options"))
        own = urlsplit(self._storage)
        return open_store(f"{place}?{own.query}" if own.scheme == "s3" and own.query else place)


def _model_files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise InvalidInput(Problem("source", f"{str(folder)!r}, a file", "a folder in Hugging Face layout"))
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.endswith(MODEL_FILES):
            check_file_name(path.name)
            yield path


def _from_hub(source: str, folder: Path, max_bytes: int) -> None:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    match = HUB_MODEL.fullmatch(source)
    if not match:
        raise InvalidInput(Problem("source", repr(source), "hf://owner/name"))
    name = match.group(1)
    try:
        siblings = HfApi().model_info(name, files_metadata=True).siblings or []
        wanted = {s.rfilename: s.size or 0 for s in siblings if _wanted(s.rfilename)}
        _check_size(source, sum(wanted.values()), max_bytes)
        snapshot_download(name, allow_patterns=list(wanted), local_dir=folder)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        given = f"{source} ({str(error).splitlines()[0][:200]})"
        raise InvalidInput(Problem("source", given, "a model that can be fetched from the hub")) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _wanted(name: str) -> bool:
    return "/" not in name and name.endswith(MODEL_FILES)


def _check_size(source: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidInput(Problem("source", f"{source} with {size >> 20} MiB", f"at most {max_bytes >> 20} MiB"))
