"""The requests of a newer client are made from those of today, with a field more in the bytes."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from rlhf.v1 import feedback_pb2 as pb

from services.runtime.errors import InvalidInput
from services.runtime.requests import known
from tests.unit.feedback.desk import desk, pairs
from tests.unit.serving.live import violations

FIELD_999 = b"\xb8\x3e\x07"  # varint 7


def newer(message: Any) -> Any:
    message.MergeFromString(FIELD_999)
    return message


async def test_every_call_refuses_what_this_version_does_not_know(tmp_path: Path) -> None:
    service = pb.DESCRIPTOR.services_by_name["FeedbackService"]
    async with desk(tmp_path) as feedback:
        await feedback.create(items=pairs(1))
        refused = {}
        for method in service.methods:
            request, call = newer(method.input_type._concrete_class()), getattr(feedback.stub, method.name)
            answer = call(iter([request]) if method.client_streaming else request)
            with pytest.raises(grpc.aio.AioRpcError, match="field number 999") as raised:
                await (anext(aiter(answer)) if method.server_streaming else answer)
            refused[method.name] = raised.value.code(), list(violations(raised.value))
        found = (await feedback.next("anna")).campaign_progress.items
    assert set(refused) == {method.name for method in service.methods}
    assert set(map(str, refused.values())) == {str((grpc.StatusCode.INVALID_ARGUMENT, ["request"]))}
    assert found == 1


def test_it_is_named_where_it_stands() -> None:
    request = pb.AddItemsRequest(items=pairs(2))
    assert known(request) is request
    newer(request.items[1].prompt.messages[0])
    newer(request.items[0])
    with pytest.raises(InvalidInput) as raised:
        known(request)
    assert [problem.field for problem in raised.value.problems] == ["items[0]", "items[1].prompt.messages[0]"]
