import pytest

from services.runtime.errors import NotFound
from services.serving import resolver as resolver_module
from services.serving.resolver import Resolver
from services.storage.location import open_store
from services.storage.models import ModelStore, Version


@pytest.fixture
def models(tmp_path) -> ModelStore:
    return ModelStore(open_store(str(tmp_path / "store")), tmp_path / "cache")


def publish(models: ModelStore, tmp_path, step: int) -> Version:
    folder = tmp_path / str(step)
    folder.mkdir()
    (folder / "file").write_text(str(step))
    return models.publish("a", folder, attempt=1, step=step)


async def test_a_name_is_remembered_for_a_moment_and_then_looked_up_again(models, tmp_path, monkeypatch) -> None:
    now = 100.0
    monkeypatch.setattr(resolver_module.time, "monotonic", lambda: now)
    resolver = Resolver(models)
    first = publish(models, tmp_path, 1)
    assert await resolver.resolve("a") == first
    second = publish(models, tmp_path, 2)
    now += 1.9
    assert await resolver.resolve("a") == first
    now += 0.2
    assert await resolver.resolve("a") == second


async def test_a_pinned_version_is_looked_up_once(models, tmp_path, monkeypatch) -> None:
    resolver = Resolver(models)
    version = publish(models, tmp_path, 1)
    assert await resolver.resolve(str(version)) == version
    monkeypatch.setattr(models, "resolve", lambda reference: pytest.fail("asked storage again"))
    assert await resolver.resolve(str(version)) == version


async def test_what_does_not_exist_is_asked_for_each_time(models, tmp_path) -> None:
    resolver = Resolver(models)
    with pytest.raises(NotFound):
        await resolver.resolve("a")
    publish(models, tmp_path, 1)
    assert (await resolver.resolve("a")).model == "a"
