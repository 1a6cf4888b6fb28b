"""CatalogService over gRPC: decode, call, encode."""

from collections.abc import AsyncIterator

from grpc.aio import Server, ServicerContext
from rlhf.v1 import catalog_pb2 as pb
from rlhf.v1 import catalog_pb2_grpc
from rlhf.v1.types_pb2 import ModelVersion

from services.runtime.errors import InvalidInput, Problem
from services.runtime.requests import guarded
from services.storage.dataset_specs import RECORD_TYPES, encode_dataset, encode_time
from services.storage.models import Version
from services.storage.receiving import FileHeader, Part, single_file
from services.trainer.catalog import Catalog, Listed, Reading

RECORD_NAMES: dict[int, str | None] = {number: name for name, number in RECORD_TYPES.items()}
SERVICE = pb.DESCRIPTOR.services_by_name["CatalogService"]


@guarded(SERVICE)
class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def UploadDataset(
        self, requests: AsyncIterator[pb.UploadDatasetRequest], context: ServicerContext
    ) -> pb.UploadDatasetResponse:
        header = (await _first(requests, "header")).header
        parts = single_file(FileHeader(header.filename, header.sha256), requests)
        dataset = await self._catalog.upload_dataset(_reading(header), parts)
        return pb.UploadDatasetResponse(dataset=encode_dataset(dataset))

    async def ImportDataset(
        self, request: pb.ImportDatasetRequest, context: ServicerContext
    ) -> pb.ImportDatasetResponse:
        dataset = await self._catalog.import_dataset(_reading(request.header), request.source)
        return pb.ImportDatasetResponse(dataset=encode_dataset(dataset))

    async def ListDatasets(self, request: pb.ListDatasetsRequest, context: ServicerContext) -> pb.ListDatasetsResponse:
        return pb.ListDatasetsResponse(datasets=map(encode_dataset, await self._catalog.list_datasets(request.name)))

    async def DownloadDataset(
        self, request: pb.DownloadDatasetRequest, context: ServicerContext
    ) -> AsyncIterator[pb.DownloadDatasetResponse]:
        async for chunk in self._catalog.download_dataset(request.dataset):
            yield pb.DownloadDatasetResponse(chunk=chunk)

    async def UploadModel(
        self, requests: AsyncIterator[pb.UploadModelRequest], context: ServicerContext
    ) -> pb.UploadModelResponse:
        header = (await _first(requests, "header")).header
        listed = await self._catalog.upload_model(header.name, _model_parts(requests))
        return pb.UploadModelResponse(model=_model(listed))

    async def ImportModel(self, request: pb.ImportModelRequest, context: ServicerContext) -> pb.ImportModelResponse:
        return pb.ImportModelResponse(model=_model(await self._catalog.import_model(request.name, request.source)))

    async def ListModels(self, request: pb.ListModelsRequest, context: ServicerContext) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=map(_model, await self._catalog.list_models(request.name)))

    async def DownloadModel(
        self, request: pb.DownloadModelRequest, context: ServicerContext
    ) -> AsyncIterator[pb.DownloadModelResponse]:
        async for part in self._catalog.download_model(request.model):
            yield pb.DownloadModelResponse(**_encoded(part))

    async def Promote(self, request: pb.PromoteRequest, context: ServicerContext) -> pb.PromoteResponse:
        version = await self._catalog.promote(request.model, request.alias)
        return pb.PromoteResponse(model_version=_version(version))

    async def Rollback(self, request: pb.RollbackRequest, context: ServicerContext) -> pb.RollbackResponse:
        return pb.RollbackResponse(model_version=_version(await self._catalog.rollback(request.alias)))


def add_catalog(server: Server, catalog: Catalog) -> str:
    """Returns the service's full name."""
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogServicer(catalog), server)
    return SERVICE.full_name


async def _first(requests: AsyncIterator, part: str):
    request = await anext(aiter(requests), None)
    given = "nothing" if request is None else request.WhichOneof("part")
    if request is None or given != part:
        raise InvalidInput(Problem("part", f"{given} first", f"a {part} first"))
    return request


async def _model_parts(requests: AsyncIterator[pb.UploadModelRequest]) -> AsyncIterator[Part]:
    async for request in requests:
        if request.WhichOneof("part") == "header":
            raise InvalidInput(Problem("part", "another header", "files and their chunks until the end"))
        file = request.file
        yield FileHeader(file.path, file.sha256, file.size_bytes) if request.HasField("file") else request.chunk


def _encoded(part: Part) -> dict:
    if isinstance(part, bytes):
        return {"chunk": part}
    return {"file": pb.ModelFile(path=part.path, sha256=part.sha256, size_bytes=part.size)}


def _reading(header: pb.DatasetHeader) -> Reading:
    return Reading(header.name, dict(header.field_map), RECORD_NAMES.get(header.record_type), header.max_bad)


def _model(listed: Listed) -> pb.Model:
    version = listed.version
    return pb.Model(
        model_version=_version(version),
        architecture=listed.architecture,
        size_bytes=version.size_bytes,
        aliases=listed.aliases,
        created_at=encode_time(version.created_at),
        tokenizer_digest=version.metadata.get("tokenizer_digest", ""),
        chat_template_digest=version.metadata.get("chat_template_digest", ""),
    )


def _version(version: Version) -> ModelVersion:
    return ModelVersion(model=version.model, version=version.version, digest=version.digest)
