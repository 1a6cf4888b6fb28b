"""Where object storage is, as one text that people put into a setting."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from services.runtime.errors import InvalidInput, Problem
from services.storage.local_folder import LocalFolder
from services.storage.measured import MeasuredStore
from services.storage.object_store import ObjectStore
from services.storage.s3 import open_s3


def open_store(url: str) -> ObjectStore:
    """Of a folder, "file:///folder" or "s3://bucket/prefix?endpoint=https://host&region=name".

    Raises InvalidInput for any other text; StorageRefused or StorageUnavailable where S3 does not answer as it should.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return MeasuredStore(open_s3(parts))
    if parts.scheme == "file" and parts.path and not parts.netloc:
        return MeasuredStore(LocalFolder(Path(unquote(parts.path))))
    if parts.scheme == "" and url:
        return MeasuredStore(LocalFolder(Path(url).expanduser()))
    raise InvalidInput(Problem("storage", repr(url), "a folder, file:///folder or s3://bucket/prefix"))
