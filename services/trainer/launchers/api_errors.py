"""What the Kubernetes API refuses, in words that tell what helps."""

import json
from typing import Any

from kubernetes.client import ApiException

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT = 401, 403, 404, 409
TRANSIENT = (0, CONFLICT, 408, 429)  # a conflict: somebody else changed the quota at the same moment
QUOTA = "exceeded quota"


def message_of(error: Exception) -> str:
    """What the server says; of a failed connection, what the client does."""
    if not isinstance(error, ApiException):
        return str(error)
    return _status(error).get("message") or str(error.reason or error.status)


def is_taken(error: Exception) -> bool:
    """There is an object of that name."""
    return isinstance(error, ApiException) and _status(error).get("reason") == "AlreadyExists"


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed later without anybody's doing."""
    if not isinstance(error, ApiException):
        return True
    return not is_taken(error) and (error.status in TRANSIENT or (error.status or 0) >= 500)


def _status(error: ApiException) -> dict[str, Any]:
    """The answer's body, where it is what the API server answers and not a proxy before it."""
    try:
        status = json.loads(error.body or "")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def explain(error: Exception) -> str:
    said = message_of(error)
    if not isinstance(error, ApiException):
        return f"the Kubernetes API does not answer: {said}"
    if error.status == FORBIDDEN and QUOTA not in said:
        return f"it may not: {said}; the Role in k8s/base that is meant for the trainer's service account allows it"
    if error.status == UNAUTHORIZED:
        return f"the Kubernetes API does not accept the trainer's credentials: {said}"
    return said
