"""Versions, aliases and retention."""

import os
import time
from pathlib import Path

import pytest

from services.runtime.errors import Conflict, DataLoss, InvalidInput, NotFound
from services.storage import open_store
from services.storage.local_folder import LocalFolder
from services.storage.models import KIND, RUN, TRAINING, ModelStore, Version
from services.storage.object_store import ObjectStore


@pytest.fixture
def models(store: ObjectStore, tmp_path: Path) -> ModelStore:
    return ModelStore(store, tmp_path / "cache")


@pytest.fixture
def local_models(tmp_path: Path) -> ModelStore:
    return ModelStore(LocalFolder(tmp_path / "store"), tmp_path / "cache")


def publish(models: ModelStore, folder: Path, step: int = 1, name: str = "sft") -> Version:
    (folder / "config.json").write_text(f'{{"step": {step}}}')
    return models.publish(name, folder, attempt=2, step=step)


def test_a_version_says_where_it_comes_from(models: ModelStore, folder: Path) -> None:
    version = models.publish("sft", folder, attempt=2, step=7, metadata={"stage": "ppo"})
    assert version.version.startswith("2.7-")
    assert str(version) == f"sft@{version.version}"
    assert version.metadata == {"attempt": 2, "step": 7, "stage": "ppo"}
    assert version.size_bytes == 8 + 256 * 64


def test_the_same_step_twice_is_two_versions_of_equal_bytes(models: ModelStore, folder: Path) -> None:
    first, second = publish(models, folder), publish(models, folder)
    assert first.version != second.version
    assert first.digest == second.digest


def test_a_reference_in_each_form(models: ModelStore, folder: Path) -> None:
    old, new = publish(models, folder, 1), publish(models, folder, 2)
    assert models.resolve("sft") == models.resolve("models/sft") == new
    assert models.resolve(str(old)) == models.resolve(f"models/{old}") == old
    models.promote(str(old), "policy/default")
    assert models.resolve("policy/default") == old
    assert models.versions("sft") == [new, old]
    assert models.names() == ["sft"]


def test_another_process_sees_the_same_versions(storage_url: str, folder: Path, tmp_path: Path) -> None:
    version = publish(ModelStore(open_store(storage_url), tmp_path / "cache"), folder)
    assert ModelStore(open_store(storage_url), tmp_path / "other").resolve("sft") == version


def test_a_draft_is_read_by_its_id_alone_until_it_is_adopted(models: ModelStore, folder: Path) -> None:
    old = publish(models, folder)
    draft = models.publish("sft", folder, attempt=3, step=9, draft=True)
    other = ModelStore(open_store(str(folder.parent / "elsewhere")), folder.parent / "other")
    only = other.publish("rm", folder, attempt=1, step=1, draft=True)
    assert models.versions("sft") == [old]
    assert models.resolve("sft") == old
    assert models.resolve(str(draft)) == draft
    with pytest.raises(NotFound, match="no model 'rm'"):
        other.resolve("rm")
    for _ in range(2):
        models.adopt("sft", draft.version)
        other.adopt("rm", only.version)
    assert models.versions("sft") == [draft, old]
    assert models.resolve("sft") == draft
    assert other.resolve("rm") == only


def test_drafts_of_a_run_that_nobody_adopted_are_discarded(models: ModelStore, folder: Path) -> None:
    def draft(step: int, run: str) -> Version:
        return models.publish("sft", folder, attempt=1, step=step, metadata={RUN: run}, draft=True)

    adopted, overtaken, foreign = draft(1, "run-1"), draft(2, "run-1"), draft(3, "run-2")
    models.adopt("sft", adopted.version)
    assert models.discard_drafts("sft", "run-1") == [overtaken.version]
    assert models.discard_drafts("sft", "run-1") == []
    assert models.versions("sft") == [adopted]
    assert models.resolve(str(foreign)) == foreign
    with pytest.raises(NotFound):
        models.resolve(str(overtaken))


def test_what_a_superseded_attempt_publishes_late_is_not_the_newest(local_models: ModelStore, folder: Path) -> None:
    """Training versions, each named by its id where it counts; people may ask for the newest."""
    origins = [(1, 8), (2, 7), (2, 8), (1, 9)]
    made = [local_models.publish("run-1-ppo", folder, attempt=a, step=s, metadata={KIND: TRAINING}) for a, s in origins]
    assert local_models.versions("run-1-ppo") == [made[2], made[1], made[3], made[0]]


@pytest.mark.parametrize("reference", ["rm", "sft@9.9-deadbeef", "reward/default"])
def test_what_does_not_exist_is_refused_with_what_does(models: ModelStore, folder: Path, reference: str) -> None:
    version = publish(models, folder)
    models.promote(str(version), "policy/default")
    with pytest.raises(NotFound, match=f"there are (sft|{version}|policy/default)"):
        models.resolve(reference)


@pytest.mark.parametrize("reference", ["", "../sft", "sft@../x", "a/b/c", "models/a/b/c", "sft@", "@x", "sft\n"])
def test_path_tricks_in_references_are_refused(models: ModelStore, folder: Path, reference: str) -> None:
    publish(models, folder)
    if reference == "sft@":
        assert models.resolve(reference).model == "sft"
    else:
        with pytest.raises(InvalidInput):
            models.resolve(reference)


def test_promote_and_rollback_move_the_alias(models: ModelStore, folder: Path) -> None:
    first, second = publish(models, folder, 1), publish(models, folder, 2)
    models.promote("sft", "policy/default")
    models.promote(str(first), "policy/default")
    assert models.aliases() == {"policy/default": first}
    assert models.rollback("policy/default") == models.resolve("policy/default") == second
    with pytest.raises(Conflict, match=str(second)):
        models.rollback("policy/default")


def test_an_alias_needs_two_names_and_a_model_that_exists(models: ModelStore, folder: Path) -> None:
    publish(models, folder)
    for alias in ("default", "models/x", "a/b/c", "../x", "policy/"):
        with pytest.raises(InvalidInput, match="alias"):
            models.promote("sft", alias)
    with pytest.raises(NotFound):
        models.promote("sft@1.1-00000000", "policy/default")
    assert models.aliases() == {}


def test_fetch_gives_the_published_files(models: ModelStore, folder: Path) -> None:
    version = publish(models, folder)
    fetched = models.fetch(version)
    assert (fetched / "deep" / "weights.bin").read_bytes() == (folder / "deep" / "weights.bin").read_bytes()
    assert models.fetch(version) == fetched


def test_weights_that_were_swapped_behind_a_version_are_refused(
    models: ModelStore, store: ObjectStore, folder: Path
) -> None:
    version, other = publish(models, folder, 1), publish(models, folder, 2)
    swapped = store.get(f"models/sft/versions/{other.version}/manifest.json")
    store.put(f"models/sft/versions/{version.version}/manifest.json", swapped)
    with pytest.raises(DataLoss, match=version.version):
        models.fetch(version)


def test_prune_keeps_what_somebody_may_need(models: ModelStore, folder: Path) -> None:
    versions = [publish(models, folder, step) for step in range(7)]
    models.promote(str(versions[0]), "policy/default")
    models.promote(str(versions[1]), "policy/default")
    deleted = models.prune("sft", keep={versions[3].version}, newest=2, grace_seconds=0)
    assert sorted(deleted) == sorted(versions[i].version for i in (2, 4))
    assert models.versions("sft") == [versions[i] for i in (6, 5, 3, 1, 0)]
    assert models.rollback("policy/default") == versions[0]
    with pytest.raises(NotFound):
        models.version("sft", versions[2].version)
    with pytest.raises(NotFound):
        models.fetch(versions[2])


def test_prune_leaves_the_young_alone(models: ModelStore, folder: Path) -> None:
    version = publish(models, folder)
    assert models.prune("sft", keep=set(), newest=0, grace_seconds=60) == []
    assert models.resolve("sft") == version


def test_500_versions_leave_bounded_storage(
    local_models: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # 4000 of them take half a minute on a busy disk
    (tmp_path / "folder").mkdir()
    for step in range(500):
        publish(local_models, tmp_path / "folder", step)
        if step % 10 == 0:
            local_models.prune("sft", keep=set(), newest=3, grace_seconds=0)
    local_models.prune("sft", keep=set(), newest=3, grace_seconds=0)
    files = [p for p in (tmp_path / "store").rglob("*") if p.is_file()]
    assert len(files) == 3 * 2
    assert [v.metadata["step"] for v in local_models.versions("sft")] == [499, 498, 497]
    assert len(list((tmp_path / "store" / "models" / "sft" / "versions").iterdir())) == 3


def test_what_a_dead_writer_left_goes_once_it_is_old(local_models: ModelStore, folder: Path, tmp_path: Path) -> None:
    publish(local_models, folder)
    store = LocalFolder(tmp_path / "store")
    for version, age_seconds in (("1.1-dead", 24 * 3600), ("1.2-live", 60)):
        store.put(f"models/sft/versions/{version}/config.json", b"{}")
        then = time.time() - age_seconds
        os.utime(tmp_path / "store" / "models/sft/versions" / version / "config.json", (then, then))
    local_models.prune("sft", keep=set(), newest=1, grace_seconds=0)
    assert not any(store.list("models/sft/versions/1.1-dead"))
    assert any(store.list("models/sft/versions/1.2-live"))
