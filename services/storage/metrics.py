"""What every process measures of object storage."""

from services.runtime.definitions import counter, histogram

OPERATIONS = histogram(
    "rlhf_storage_operation_seconds",
    "seconds",
    "Time of one storage operation that succeeded",
    ("operation",),
)
BYTES = counter(
    "rlhf_storage_bytes_total", "bytes", "Bytes of whole objects, read from storage or written to it", ("direction",)
)
ERRORS = counter(
    "rlhf_storage_errors_total",
    "operations",
    "Storage operations that failed: unavailable, refused, or any other error",
    ("operation", "error"),
)
