"""What can go wrong, as types: one root, and children that are also the standard errors they refine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

if TYPE_CHECKING:
    from rlhf.run import Run


class RlhfError(Exception):
    """Root of every error this package raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}"


class InvalidInputError(RlhfError, ValueError):
    """An input was refused before any work started; `problems` lists everything that is wrong with it."""

    def __init__(self, *problems: Problem, message: str = "") -> None:
        # A status' own message is short; its details hold every problem whole.
        super().__init__("; ".join(map(str, problems)) or message)
        self.problems = problems


class NotFoundError(RlhfError, LookupError):
    """No model, version, dataset, alias or run of that name."""


class AlreadyExistsError(RlhfError):
    """The name is taken."""


class ConflictError(RlhfError):
    """The thing is in a state that does not allow this, e.g. resuming a run that is under way."""


class AccessDeniedError(RlhfError, PermissionError):
    """The token is known, but its role does not cover the call."""


class UnauthenticatedError(AccessDeniedError):
    """The service wants a token, or does not know the one it was given."""


class RefusedError(RlhfError):
    """The service did no work on the call; asking again after `retry_after` seconds is safe."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OverloadedError(RefusedError):
    """The service's queue is full, or the message was too large for it."""


class NotReadyError(RefusedError):
    """The service is starting, draining, or still loading the model."""


class DeadlineError(RlhfError, TimeoutError):
    """No answer within the timeout."""


class ConnectionFailedError(RlhfError, ConnectionError):
    """The service cannot be reached, or the connection broke off."""


class ServiceFailedError(RlhfError, RuntimeError):
    """The service hit a defect of its own (its log has the id that the message names), or does not offer the call."""


class TransferError(RlhfError, OSError):
    """What arrived is not what was promised: a checksum, a size or a path is wrong. Nothing was kept."""


class RunFailedError(RlhfError, RuntimeError):
    """A run ended without its result; `reason` says why in words."""

    def __init__(self, run: "Run") -> None:
        super().__init__(f"run {run.id} {run.state}: {run.reason or 'no reason given'}")
        self.run = run
        self.reason = run.reason


ERRORS: dict[grpc.StatusCode, type[RlhfError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: ConflictError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: AccessDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAVAILABLE: ConnectionFailedError,
    grpc.StatusCode.CANCELLED: ConnectionFailedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
}

ADVICE = {
    grpc.StatusCode.UNAVAILABLE: "cannot reach {service} at {address} ({detail}). {hint}",
    grpc.StatusCode.UNAUTHENTICATED: "{service} at {address}: {detail}. Give one that its operator knows: token=…, "
    "token_file=…, $RLHF_TOKEN, or `token` in the file $RLHF_CONFIG",
    grpc.StatusCode.PERMISSION_DENIED: "{service} at {address}: {detail}. Ask its operator for a token of such a role",
    grpc.StatusCode.CANCELLED: "{service} at {address} broke off the call ({detail})",
    grpc.StatusCode.UNIMPLEMENTED: "{address} answers, but it is not the {service} service ({detail}). "
    "Check the port, or give the right address: {service}=… or ${variable}",
    grpc.StatusCode.DEADLINE_EXCEEDED: "no answer from {service} at {address} in time; give a longer timeout=…",
}


START = "Start the services with `rlhf up`, or give the right address: {service}=… or ${variable}"
UNTRUSTED = "Its certificate is not from the authority in ca=… or $RLHF_CA, or not for this address"
# What gRPC says where one side speaks TLS and the other does not, or is not trusted.
HINTS = {
    "CERTIFICATE_VERIFY_FAILED": UNTRUSTED,
    "Hostname Verification": UNTRUSTED,
    "WRONG_VERSION_NUMBER": "It speaks no TLS: leave ca=… and $RLHF_CA away",
    "Socket closed": "If it speaks TLS, give ca=… or $RLHF_CA; if it asks for certificates, cert=… and key=… as well",
}


def error_from(failure: Any, service: str, address: str) -> RlhfError:
    """The typed error for a failed call; `failure` is a grpc.RpcError, which is a call, or a grpc.aio.AioRpcError."""
    code, details = failure.code(), _details(failure)
    kind, text = ERRORS.get(code, ServiceFailedError), failure.details() or code.name
    retry_after = _retry_after(details)
    if code is grpc.StatusCode.UNAVAILABLE and retry_after is not None:
        return NotReadyError(text, retry_after)
    if kind is InvalidInputError:
        return InvalidInputError(*_problems(details), message=text)
    if kind is OverloadedError:
        return OverloadedError(text, retry_after)
    names = {"service": service, "address": address, "variable": f"RLHF_{service.upper()}", "detail": text}
    hint = next((hint for mark, hint in HINTS.items() if mark in text), START).format(**names)
    return kind(ADVICE.get(code, "{detail}").format(hint=hint, **names))


def _details(failure: Any) -> Sequence[Any]:
    """Details of the google.rpc.Status that a service sends beside the status code."""
    metadata = dict(failure.trailing_metadata() or ())
    try:
        return Status.FromString(metadata.get("grpc-status-details-bin", b"")).details
    except DecodeError:
        return ()


def _first(details: Sequence[Any], message: Message) -> bool:
    return any(detail.Unpack(message) for detail in details if detail.Is(message.DESCRIPTOR))


def _retry_after(details: Sequence[Any]) -> float | None:
    hint = RetryInfo()
    return hint.retry_delay.ToTimedelta().total_seconds() if _first(details, hint) else None


def _problems(details: Sequence[Any]) -> list[Problem]:
    request = BadRequest()
    _first(details, request)
    return [Problem(violation.field, violation.description) for violation in request.field_violations]
