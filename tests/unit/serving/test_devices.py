"""Which device a model server takes. No GPU is needed: a machine may have none, one or several."""

import pytest
import torch

from services.policy.settings import PolicySettings
from services.runtime.errors import InvalidInput
from services.serving.devices import device_of, usable


@pytest.fixture(params=[0, 2])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    return request.param


def test_auto_takes_a_gpu_where_there_is_one(gpus: int) -> None:
    assert device_of("auto") == (torch.device("cuda", 0) if gpus else torch.device("cpu"))


def test_what_is_not_there_is_not_usable(gpus: int) -> None:
    assert usable("auto")
    assert usable("cpu")
    assert usable("cuda") == usable("cuda:1") == (gpus == 2)
    assert not usable("cuda:2")
    assert not usable("meta")
    assert not usable("tpu9")


def test_a_device_that_is_not_there_is_named_with_those_that_are(gpus: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        PolicySettings(storage="store", device="cuda:7")
    seen = "cpu, cuda:0, cuda:1" if gpus else "cpu"
    assert str(caught.value) == f"device: got cuda:7, expected auto, or one that torch sees here: {seen}"
