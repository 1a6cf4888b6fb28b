"""Calls from one service to another: a channel, and retries that do as the called one says."""

import itertools
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from rlhf.connections import Connection
from rlhf.credentials import Credentials, credentials_from_environment
from rlhf.credentials import own_variables as own_variables
from rlhf.errors import InvalidInputError

from services.runtime import logs, tracing
from services.runtime.errors import Conflict, ServiceError

RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
# To gRPC a service that shows a wrong certificate is unavailable; to wait for it longer than a call does not help.
UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "Hostname Verification", "WRONG_VERSION_NUMBER")
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 5.0

NOBODY = Credentials()

Option = tuple[str, Any]


class RemoteError(ServiceError):
    """Another service answered with an error; `code` is its status code."""

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code


def size_options(max_message_mib: int) -> list[Option]:
    """Both ends need them: 4 MiB is what gRPC receives by default."""
    limit = max_message_mib << 20
    return [("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit)]


def own_credentials(environ: Mapping[str, str]) -> Credentials:
    """What this process shows to other services: RLHF_TOKEN or RLHF_TOKEN_FILE, RLHF_CA, RLHF_CERT and RLHF_KEY.

    Raises Conflict where they cannot be used.
    """
    try:
        return credentials_from_environment(environ)
    except InvalidInputError as error:
        raise Conflict(f"credentials from the environment: {error}") from None


def open_channel(address: str, credentials: Credentials = NOBODY, max_message_mib: int = 64) -> Connection:
    """Takes turns between the replicas that `address` resolves to, and finds one that comes back within seconds.

    Raises Conflict for a token that would leave this machine in plaintext.
    """
    options: list[Option] = [
        *size_options(max_message_mib),
        ("grpc.enable_retries", 0),  # one layer of retries: `call`
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]
    try:
        return Connection(address, credentials, options)
    except InvalidInputError as error:
        raise Conflict(str(error)) from None


def call(method: Callable[..., Any], request: Any, timeout: float, retry: bool = True) -> Any:
    """The answer of a unary `method` of a stub, within `timeout` seconds over all attempts.

    Says RetryInfo when to come back, that is honoured; otherwise the wait doubles, with jitter. Retries are for calls
    that do no harm when done twice. Raises RemoteError.
    """
    deadline = time.monotonic() + timeout
    for attempt in itertools.count():
        try:
            metadata = (*logs.outgoing(), *tracing.outgoing())
            return method(request, timeout=max(deadline - time.monotonic(), 0.001), metadata=metadata)
        except grpc.RpcError as error:
            wait = _wait_seconds(error, attempt)
            if not retry or error.code() not in RETRIED or time.monotonic() + wait > deadline:
                raise _remote_error(error) from error
            time.sleep(wait)


def _remote_error(error: Any) -> RemoteError:
    text, code = error.details() or "", error.code()
    untrusted = any(mark in text for mark in UNTRUSTED)
    return RemoteError(text, grpc.StatusCode.UNAUTHENTICATED if untrusted else code)


def _wait_seconds(error: Any, attempt: int) -> float:
    asked = _retry_after(error)
    if asked is not None:
        return asked * random.uniform(1.0, 1.25)  # those who were refused together do not come back together
    return min(FIRST_WAIT_SECONDS * 2**attempt, LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0)


def _retry_after(error: Any) -> float | None:
    status = rpc_status.from_call(error)
    info = RetryInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return info.retry_delay.ToTimedelta().total_seconds()
    return None
