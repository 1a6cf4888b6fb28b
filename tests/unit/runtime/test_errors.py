"""What people and clients read out of an error."""

import logging

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from services.runtime.errors import (
    AlreadyExists,
    Conflict,
    DataLoss,
    DeadlinePassed,
    InvalidInput,
    NotFound,
    NotReady,
    Overloaded,
    Problem,
    ServiceError,
    as_service_error,
    to_status,
)


def detail(status: Status, message):
    """The status's one detail of that type."""
    (found,) = [d for d in status.details if d.Is(message.DESCRIPTOR)]
    found.Unpack(message)
    return message


@pytest.mark.parametrize(
    ("error", "code", "stdlib"),
    [
        (InvalidInput(Problem("a", "1", "2")), "INVALID_ARGUMENT", ValueError),
        (NotFound("model", "x"), "NOT_FOUND", LookupError),
        (AlreadyExists("x"), "ALREADY_EXISTS", ServiceError),
        (Conflict("x"), "FAILED_PRECONDITION", ServiceError),
        (DataLoss("x"), "DATA_LOSS", ServiceError),
        (DeadlinePassed("x"), "DEADLINE_EXCEEDED", TimeoutError),
        (Overloaded("x", 1), "RESOURCE_EXHAUSTED", ServiceError),
        (NotReady("x", 1), "UNAVAILABLE", ServiceError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_code_and_its_name(error: ServiceError, code: str, stdlib: type) -> None:
    status = to_status(error)
    info = detail(status, ErrorInfo())
    assert status.code == getattr(grpc.StatusCode, code).value[0]
    assert (info.reason, info.domain) == (type(error).__name__, "rlhf")
    assert isinstance(error, stdlib)


def test_invalid_input_lists_all_problems() -> None:
    error = InvalidInput(Problem("sampling.top_p", "1.5", "a number in (0, 1]"), Problem("prompts", "none", "some"))
    violations = detail(to_status(error), BadRequest()).field_violations
    assert [(v.field, v.description) for v in violations] == [
        ("sampling.top_p", "got 1.5, expected a number in (0, 1]"),
        ("prompts", "got none, expected some"),
    ]
    assert str(error) == "sampling.top_p: got 1.5, expected a number in (0, 1]; prompts: got none, expected some"


def test_retry_info_says_when() -> None:
    retry = detail(to_status(Overloaded("full", retry_after=1.25)), RetryInfo())
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.25


def test_not_found_names_what_there_is() -> None:
    assert str(NotFound("model", "x")) == "no model 'x'"
    assert str(NotFound("model", "x", ["a", "b"])) == "no model 'x'; there are a, b"
    assert str(NotFound("model", "x", list("abcdefg"))) == "no model 'x'; there are a, b, c, d, e and 2 more"


def test_a_status_fits_into_the_trailers() -> None:
    many = InvalidInput(*(Problem(f"field_{i}", "ä" * 3000, "less") for i in range(500)))
    assert to_status(many).ByteSize() < 6000
    few = InvalidInput(*(Problem(f"field_{i}", "x", "y") for i in range(50)))
    assert len(detail(to_status(few), BadRequest()).field_violations) == 50


def test_a_defect_keeps_its_text_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        error = as_service_error(KeyError("the secret is 1234"))
    assert "1234" not in str(error)
    assert "1234" in caplog.text
    error_id = str(error).split()[2].rstrip(";")
    assert error_id in caplog.text
    assert to_status(error).code == grpc.StatusCode.INTERNAL.value[0]
