"""Errors as HTTP answers in OpenAI's shape, whoever raised them: this gateway, or a service behind it."""

import logging
import math
from collections.abc import Sequence

import rlhf
from pydantic import ValidationError
from starlette.responses import JSONResponse

from services.gateway import metrics
from services.runtime.errors import InvalidInput, Overloaded, PermissionDenied, Problem, ServiceError, as_service_error
from services.runtime.errors import NotFound as Missing
from services.runtime.errors import Unauthenticated as Unknown

log = logging.getLogger(__name__)

NOBODY_READS = 499  # the status, for the count, of an answer whose client hung up


class Refused(ServiceError):
    """What HTTP has a status of its own for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# The first that fits counts: NotReadyError is a RefusedError, too.
STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (InvalidInput, 400, "invalid_request_error"),
    (rlhf.InvalidInputError, 400, "invalid_request_error"),
    (Unknown, 401, "authentication_error"),
    (rlhf.UnauthenticatedError, 401, "authentication_error"),
    (PermissionDenied, 403, "permission_error"),
    (rlhf.AccessDeniedError, 403, "permission_error"),
    (Missing, 404, "not_found_error"),
    (rlhf.NotFoundError, 404, "not_found_error"),
    (rlhf.AlreadyExistsError, 409, "conflict_error"),
    (rlhf.ConflictError, 409, "conflict_error"),
    (Overloaded, 429, "rate_limit_error"),
    (rlhf.OverloadedError, 429, "rate_limit_error"),
    (rlhf.RefusedError, 503, "server_error"),
    (rlhf.ConnectionFailedError, 502, "server_error"),
    (rlhf.DeadlineError, 504, "server_error"),
    (rlhf.RlhfError, 500, "server_error"),
)
# What this gateway refuses by itself. What a service behind it refuses comes as an error of the SDK and is no part.
OWN_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (InvalidInput, "input"),
    (Unknown, "token"),
    (PermissionDenied, "role"),
    (Overloaded, "rate"),
)
REASONS = {401: "token", 403: "origin", 408: "slow", 413: "size", 415: "content_type", 421: "host", 503: "busy"}
# What the SDK says to its user, addresses and all, is not for whoever sits before this gateway.
OWN_WORDS: dict[type[Exception], str] = {
    rlhf.UnauthenticatedError: "a service behind this gateway does not know the token",
    rlhf.AccessDeniedError: "the token's role does not allow this",
    rlhf.ConnectionFailedError: "a service behind this gateway cannot be reached; try again in a moment",
    rlhf.DeadlineError: "a service behind this gateway gave no answer in time",
    rlhf.ServiceFailedError: "a service behind this gateway failed; its log says why",
}


def status_of(error: Exception) -> tuple[int, str]:
    if isinstance(error, Refused):
        return error.status, "invalid_request_error"
    return next(((status, kind) for known, status, kind in STATUSES if isinstance(error, known)), (500, "server_error"))


def own_reason(error: Exception) -> str | None:
    """Why this gateway refused, in one word of a few; None where it did not."""
    if isinstance(error, Refused):
        return REASONS.get(error.status)
    return next((reason for known, reason in OWN_REASONS if isinstance(error, known)), None)


def readable(error: Exception) -> Exception:
    """The error itself if people may read it; else it is logged and one that names the log entry comes back.

    Every error passes here once on its way out, which is where refusals are counted.
    """
    if reason := own_reason(error):
        metrics.refused.labels(reason).inc()
    return error if isinstance(error, rlhf.RlhfError) else as_service_error(error)


def message_of(error: Exception) -> str:
    for kind, words in OWN_WORDS.items():
        if isinstance(error, kind):
            log.warning("%s", error)
            return words
    return str(error)


def body_of(error: Exception) -> dict:
    """`{"error": {"message", "type", "param", "code"}}`; `problems` lists every field that is wrong."""
    status, kind = status_of(error)
    problems = problems_of(error)
    found = {"message": message_of(error), "type": kind, "param": problems[0]["field"] if problems else None}
    return {"error": {**found, "code": status} | ({"problems": problems} if problems else {})}


def response_to(error: Exception) -> JSONResponse:
    error = readable(error)
    headers, status = {}, status_of(error)[0]
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(math.ceil(retry_after))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body_of(error), status, headers)


def problems_of(error: Exception) -> list[dict[str, str]]:
    if isinstance(error, InvalidInput):
        return [{"field": p.field, "given": p.given, "expected": p.expected} for p in error.problems]
    if isinstance(error, rlhf.InvalidInputError):
        return [{"field": p.field, "description": p.description} for p in error.problems]
    return []


def invalid_input(error: ValidationError, known: Sequence[str]) -> InvalidInput:
    """In the words of this project: field, given, expected. `known` are the fields that there are."""
    return InvalidInput(*(_problem(found, known) for found in error.errors(include_url=False, include_context=False)))


def _problem(found, known: Sequence[str]) -> Problem:
    field = _path(found["loc"]) or "body"
    match found["type"]:
        case "missing":
            return Problem(field, "nothing", "a value")
        case "extra_forbidden":
            return Problem(field, "an unknown field", f"one of {', '.join(known)}" if known else "nothing of that name")
        case "json_invalid":
            return Problem(field, "no JSON", f"an object in JSON ({found['msg']})")
    expected = found["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return Problem(field, _clip(repr(found["input"])), expected)


def _path(loc: Sequence[int | str]) -> str:
    """("messages", 0, "role") -> "messages[0].role" """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _clip(text: str) -> str:
    return text if len(text) <= 120 else text[:119] + "…"
