"""Datasets between the contract and the plain values used here, for every service that tells of them."""

from google.protobuf.timestamp_pb2 import Timestamp
from rlhf.v1 import catalog_pb2

from services.storage.datasets import DatasetInfo

RECORD_TYPES = {
    "demonstration": catalog_pb2.RECORD_TYPE_DEMONSTRATION,
    "comparison": catalog_pb2.RECORD_TYPE_COMPARISON,
    "prompt": catalog_pb2.RECORD_TYPE_PROMPT,
    "unpaired_label": catalog_pb2.RECORD_TYPE_UNPAIRED_LABEL,
}


def encode_dataset(dataset: DatasetInfo) -> catalog_pb2.Dataset:
    return catalog_pb2.Dataset(
        name=dataset.name,
        digest=dataset.digest,
        record_type=RECORD_TYPES[dataset.record_type],
        num_records=dataset.num_records,
        num_bad=dataset.num_bad,
        detected_format=dataset.detected_format,
        created_at=encode_time(dataset.created_at),
    )


def encode_time(seconds: float) -> Timestamp:
    """Of unix seconds."""
    timestamp = Timestamp()
    timestamp.FromNanoseconds(int(seconds * 1e9))
    return timestamp
