"""An object store in a bucket of any S3 server, through the `minio` client."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import urllib3
from minio import Minio
from minio.credentials import EnvAWSProvider
from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from services.runtime.errors import InvalidInput, Problem
from services.storage.object_store import (
    ObjectInfo,
    ObjectNotFound,
    StorageRefused,
    StorageUnavailable,
    as_folder,
    check_key,
)

PART_BYTES = 16 << 20  # of uploads in parts and of ranged reads
CONNECTIONS = 8
TIMEOUT = urllib3.Timeout(connect=10.0, read=60.0)  # the first one also bounds each write of a request
RETRY = urllib3.Retry(4, connect=1, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504), raise_on_status=False)
MISSING = ("NoSuchKey", "NoSuchObject", "ResourceNotFound")
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def open_s3(url: SplitResult) -> "S3":
    """Of "s3://bucket/prefix?endpoint=…&region=…"; without an endpoint it is AWS. Checks that the bucket answers."""
    options = {name: values[-1] for name, values in parse_qs(url.query).items()}
    region = options.pop("region", "us-east-1")
    endpoint = urlsplit(options.pop("endpoint", f"https://s3.{region}.amazonaws.com"))
    if problems := list(_problems(url, endpoint, options)):
        raise InvalidInput(*problems)
    client = Minio(
        endpoint.netloc,
        credentials=EnvAWSProvider(),
        secure=endpoint.scheme == "https",
        region=region,
        http_client=XmlConnections(timeout=TIMEOUT, retries=RETRY, maxsize=CONNECTIONS),
    )
    store = S3(client, url.netloc, url.path.strip("/"))
    store.check()
    return store


def _problems(url: SplitResult, endpoint: SplitResult, unknown: dict[str, str]) -> Iterator[Problem]:
    if not url.netloc:
        yield Problem("storage", url.geturl(), "a bucket, as in s3://bucket/prefix")
    if endpoint.scheme not in ("http", "https") or not endpoint.netloc or endpoint.path.strip("/"):
        yield Problem("storage", f"endpoint={endpoint.geturl()}", "endpoint=http(s)://host:port")
    for name in unknown:
        yield Problem("storage", f"an unknown option {name!r}", "endpoint and region")
    for name in CREDENTIALS:
        if not os.environ.get(name):
            yield Problem(name, "an unset environment variable", "the credentials of the S3 server")


class XmlConnections(urllib3.PoolManager):
    """Some servers label their errors text/xml; minio reads none but application/xml."""

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> urllib3.BaseHTTPResponse:
        response = super().urlopen(method, url, redirect, **options)
        if response.headers.get("content-type", "").startswith("text/xml"):
            response.headers["content-type"] = "application/xml"
        return response


class S3:
    """All keys stand below `prefix` in `bucket`."""

    def __init__(self, client: Minio, bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, as_folder(prefix)

    def check(self) -> None:
        """Raises StorageRefused or StorageUnavailable with what to do about it."""
        with self._errors(""):
            if not self._client.bucket_exists(self._bucket):
                raise self._no_bucket()

    def put(self, key: str, data: bytes) -> None:
        with self._errors(key):
            self._client.put_object(self._bucket, self._full(key), BytesIO(data), len(data))

    def put_file(self, key: str, source: Path) -> None:
        with self._errors(key):
            self._client.fput_object(self._bucket, self._full(key), str(source), part_size=PART_BYTES)

    def get(self, key: str) -> bytes:
        return self._read(key)

    def get_file(self, key: str, target: Path) -> None:
        with self._errors(key):
            size = self._client.stat_object(self._bucket, self._full(key)).size or 0
        with target.open("wb") as file, ThreadPoolExecutor(CONNECTIONS) as pool:
            file.truncate(size)
            list(pool.map(lambda offset: self._copy_part(key, offset, file.fileno()), range(0, size, PART_BYTES)))

    def exists(self, key: str) -> bool:
        try:
            with self._errors(key):
                self._client.stat_object(self._bucket, self._full(key))
        except ObjectNotFound:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for name, entry in self._entries(prefix, recursive=True):
            if not entry.is_dir:
                modified = entry.last_modified.timestamp() if entry.last_modified else 0.0
                yield ObjectInfo(name, entry.size or 0, modified)

    def children(self, prefix: str = "") -> Iterator[str]:
        for name, entry in self._entries(prefix, recursive=False):
            if entry.is_dir:
                yield name.rstrip("/").rsplit("/", 1)[-1]

    def delete(self, key: str) -> None:
        with self._errors(key):
            self._client.remove_object(self._bucket, self._full(key))

    def delete_prefix(self, prefix: str) -> None:
        doomed = [DeleteObject(self._full(info.key)) for info in self.list(check_key(prefix.removesuffix("/")))]
        with self._errors(prefix):
            for error in self._client.remove_objects(self._bucket, doomed):
                raise StorageRefused(f"storage did not delete {error.name}: {error.code} {error.message}")

    def _entries(self, prefix: str, recursive: bool) -> Iterator[tuple[str, Object]]:
        """Names without the store's own prefix, sorted."""
        with self._errors(prefix):
            folder = self._prefix + as_folder(prefix)
            for entry in self._client.list_objects(self._bucket, folder, recursive=recursive):
                yield (entry.object_name or "").removeprefix(self._prefix), entry

    def _copy_part(self, key: str, offset: int, descriptor: int) -> None:
        os.pwrite(descriptor, self._read(key, offset, PART_BYTES), offset)

    def _read(self, key: str, offset: int = 0, length: int = 0) -> bytes:
        """`length` 0 reads to the end."""
        with self._errors(key):
            response = self._client.get_object(self._bucket, self._full(key), offset, length)
            try:
                return response.data
            finally:
                response.close()
                response.release_conn()

    def _full(self, key: str) -> str:
        return self._prefix + check_key(key)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """What the server and the network say, in words that tell what to do."""
        try:
            yield
        except S3Error as error:
            raise self._explain(error, key) from error
        except (HTTPError, MinioException) as error:
            raise StorageUnavailable(f"no answer from the storage of bucket {self._bucket!r}: {error}") from error

    def _explain(self, error: S3Error, key: str) -> Exception:
        if error.code in MISSING:
            return ObjectNotFound(key)
        if error.code == "NoSuchBucket":
            return self._no_bucket()
        return StorageRefused(
            f"the storage of bucket {self._bucket!r} refused: {error.code} {error.message}; "
            f"check {' and '.join(CREDENTIALS)} and what they are allowed to do"
        )

    def _no_bucket(self) -> StorageRefused:
        return StorageRefused(f"there is no bucket {self._bucket!r}; create it, or name another one in `storage`")
