"""The errors that people see, and the one place that turns them into gRPC statuses.

Whatever else is raised in a handler is a defect: it becomes INTERNAL with an id to look up in the log, and its
text stays there.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

DOMAIN = "rlhf"
# A status travels in the trailers, of which clients take 8 KiB by default.
MAX_MESSAGE_CHARS = 600
MAX_DETAIL_BYTES = 3000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """What is wrong with something given, e.g. `Problem("sampling.top_p", "1.5", "a number in (0, 1]")`."""

    field: str
    given: str
    expected: str

    @property
    def description(self) -> str:
        return f"got {self.given}, expected {self.expected}"

    def __str__(self) -> str:
        return f"{self.field}: {self.description}"


class ServiceError(Exception):
    """Root of all errors with a message for people."""

    code = grpc.StatusCode.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def details(self) -> list[Message]:
        return []


class InvalidInput(ServiceError, ValueError):
    """All problems found, not the first alone."""

    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, *problems: Problem) -> None:
        assert problems, "say what is wrong"
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems

    def details(self) -> list[Message]:
        """One violation per problem, as many as fit into the trailers."""
        request = BadRequest()
        for problem in self.problems:
            request.field_violations.add(field=problem.field, description=_clip(problem.description))
            if request.ByteSize() > MAX_DETAIL_BYTES:
                del request.field_violations[-1]
                break
        return [request]


class NotFound(ServiceError, LookupError):
    """`known` names what there is instead; the message shows the first five."""

    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, kind: str, name: str, known: Sequence[str] = ()) -> None:
        super().__init__(f"no {kind} {name!r}{_instead(known)}")
        self.kind, self.name = kind, name


class AlreadyExists(ServiceError):
    code = grpc.StatusCode.ALREADY_EXISTS


class Conflict(ServiceError):
    """The request is fine, the state of things is not: a run that has ended, a setting that contradicts another."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Unauthenticated(ServiceError, PermissionError):
    """Nobody knows who calls."""

    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(ServiceError, PermissionError):
    """It is known who calls, and that this is not for them."""

    code = grpc.StatusCode.PERMISSION_DENIED


class DataLoss(ServiceError):
    """Stored bytes are not the bytes that were written."""

    code = grpc.StatusCode.DATA_LOSS


class DeadlinePassed(ServiceError, TimeoutError):
    code = grpc.StatusCode.DEADLINE_EXCEEDED


class RetryLater(ServiceError):
    """`retry_after` in seconds: when it makes sense to ask again."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def details(self) -> list[Message]:
        delay = Duration()
        delay.FromMilliseconds(round(self.retry_after * 1000))
        return [RetryInfo(retry_delay=delay)]


class Overloaded(RetryLater):
    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class NotReady(RetryLater):
    code = grpc.StatusCode.UNAVAILABLE


def as_service_error(error: Exception) -> ServiceError:
    """The error itself if people may read it; else it is logged and an error that names the log entry comes back."""
    if isinstance(error, ServiceError):
        return error
    error_id = uuid.uuid4().hex[:12]
    log.error("internal error %s", error_id, exc_info=error)
    return ServiceError(f"internal error {error_id}; the service's log has the cause under this id")


def to_status(error: ServiceError) -> Status:
    """`google.rpc.Status` with ErrorInfo(reason=class name, domain="rlhf") and what the error itself has to say."""
    status = Status(code=error.code.value[0], message=_clip(error.message))
    status.details.add().Pack(ErrorInfo(reason=type(error).__name__, domain=DOMAIN))
    for detail in error.details():
        status.details.add().Pack(detail)
    return status


async def abort(context: grpc.aio.ServicerContext, error: ServiceError) -> NoReturn:
    status = rpc_status.to_status(to_status(error))
    await context.abort(status.code, status.details, status.trailing_metadata)


def _clip(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def _instead(known: Sequence[str]) -> str:
    if not known:
        return ""
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    return f"; there are {', '.join(known[:5])}{more}"
