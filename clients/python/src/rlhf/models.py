"""Models in the catalog: named, versioned folders of safetensors, and the aliases that point at them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from rlhf.calls import Async, Fold, Once, Progress, Stream, Sync, Unary, Upload, method
from rlhf.datasets import existing
from rlhf.errors import InvalidInputError, Problem
from rlhf.transfers import FolderSink, chunks, sha256, silent
from rlhf.v1 import catalog_pb2
from rlhf.versions import ModelName, ModelVersion, version_from

# What a model consists of. Pickled weights are never sent.
MODEL_FILE_ENDINGS = (".safetensors", ".json", ".txt", ".model", ".jinja")


@dataclass(frozen=True)
class Model(ModelVersion):
    """A version in the catalog, and what is known of it."""

    architecture: str
    size_bytes: int
    aliases: list[str]
    created_at: datetime
    tokenizer_digest: str
    chat_template_digest: str


def model_from(message: catalog_pb2.Model) -> Model:
    return Model(
        **vars(version_from(message.model_version)),
        architecture=message.architecture,
        size_bytes=message.size_bytes,
        aliases=list(message.aliases),
        created_at=message.created_at.ToDatetime(UTC),
        tokenizer_digest=message.tokenizer_digest,
        chat_template_digest=message.chat_template_digest,
    )


def _read(response: Any) -> Model:
    return model_from(response.model)


def _read_version(response: Any) -> ModelVersion:
    return version_from(response.model_version)


class ModelCalls:
    @method
    def upload(
        self,
        folder: str | PathLike[str],
        *,
        name: str | None = None,
        progress: Progress = silent,
        timeout: float = 3600.0,
    ) -> Upload[Model]:
        """Sends a folder in Hugging Face layout as a new version of `name`, by default the folder's own name."""
        files = model_files(existing(folder, "folder"))
        header = catalog_pb2.ModelHeader(name=name or Path(folder).resolve().name)

        def requests() -> Iterator[catalog_pb2.UploadModelRequest]:
            done, total = 0, sum(file.stat().st_size for file in files)
            yield catalog_pb2.UploadModelRequest(header=header)
            for file in files:
                opening = catalog_pb2.ModelFile(path=file.name, size_bytes=file.stat().st_size, sha256=sha256(file))
                yield catalog_pb2.UploadModelRequest(file=opening)
                for chunk in chunks(file):
                    yield catalog_pb2.UploadModelRequest(chunk=chunk)
                    done += len(chunk)
                    progress(done, total)

        return Upload("UploadModel", requests, _read, timeout)

    @method
    def import_(self, source: str, *, name: str, timeout: float = 3600.0) -> Unary[Model]:
        """Lets the service fetch hf://owner/name, s3://bucket/prefix, or a folder that it can read."""
        request = catalog_pb2.ImportModelRequest(name=name, source=source)
        return Unary("ImportModel", request, _read, timeout, repeatable=False)

    @method
    def list(self, name: str = "", *, timeout: float = 30.0) -> Unary[list[Model]]:
        """All versions, or all of one name, newest first."""

        def read(response: catalog_pb2.ListModelsResponse) -> list[Model]:
            return [model_from(model) for model in response.models]

        return Unary("ListModels", catalog_pb2.ListModelsRequest(name=name), read, timeout)

    @method
    def promote(self, model: ModelName, alias: str, *, timeout: float = 30.0) -> Unary[ModelVersion]:
        """Points an alias such as "policy/default" at a version; callers of the alias get it from then on."""
        request = catalog_pb2.PromoteRequest(model=str(model), alias=alias)
        return Unary("Promote", request, _read_version, timeout, repeatable=False)

    @method
    def rollback(self, alias: str, *, timeout: float = 30.0) -> Unary[ModelVersion]:
        """Points an alias at the version that it had before."""
        request = catalog_pb2.RollbackRequest(alias=alias)
        return Unary("Rollback", request, _read_version, timeout, repeatable=False)

    @method
    def download(
        self, model: ModelName, into: str | PathLike[str], *, progress: Progress = silent, timeout: float = 3600.0
    ) -> Fold[Path]:
        """Writes a version, or what a name or an alias points at, to the new folder `into`, in Hugging Face layout."""
        request = catalog_pb2.DownloadModelRequest(model=str(model))
        stream = Stream("DownloadModel", Once(request, lambda response: response), timeout)
        return Fold(stream, lambda: FolderSink(Path(into), progress))


def model_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.glob("*") if file.is_file() and file.name.endswith(MODEL_FILE_ENDINGS))
    if not any(file.suffix == ".safetensors" for file in files):
        given = ", ".join(sorted(file.name for file in folder.glob("*"))[:10]) or "nothing"
        raise InvalidInputError(Problem("folder", f"{folder} holds {given}, expected *.safetensors beside config.json"))
    return files


class Models(ModelCalls, Sync):
    """`client.models`"""


class AsyncModels(ModelCalls, Async):
    """`client.models` of an AsyncClient."""
