"""`rlhf pipeline`: from a team's own files to a tuned policy."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rlhf.cli.output import Json, notes
from rlhf.cli.progress import transfer
from rlhf.cli.train import Deadline, Place, conclude
from rlhf.client import Client
from rlhf.errors import InvalidInputError, Problem
from rlhf.placement import Placement
from rlhf.specs import Dpo, Pipeline, Ppo, RewardModel, Sft, Spec

KINDS: dict[str, type[Spec]] = {spec.kind: spec for spec in (Sft, RewardModel, Ppo, Dpo)}


def pipeline(
    ctx: typer.Context,
    base: Annotated[str, typer.Option(help="folder of the base model, or a model that the catalog has")],
    demonstrations: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="file of prompts with answers")],
    comparisons: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="file of chosen and rejected answers")],
    prompts: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="file of prompts for PPO")],
    name: Annotated[str, typer.Option(help="the models become NAME-sft, NAME-reward_model, NAME-ppo")] = "pipeline",
    dpo: Annotated[bool, typer.Option("--dpo", help="also DPO on the same comparisons, as NAME-dpo")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STAGE.FIELD=VALUE", help="a setting of a stage, e.g. ppo.steps=100; repeatable"),
    ] = None,
    max_bad: Annotated[int, typer.Option(help="bad rows tolerated per file")] = 0,
    seed: Annotated[int, typer.Option(help="of everything that is random")] = 0,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="bit-equal when repeated; slower")] = False,
    place: Place = None,
    deadline: Deadline = 0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="stay until the run ends")] = True,
    as_json: Json = False,
) -> None:
    """Train on your own files: upload, then SFT, reward model and PPO in one run."""
    client: Client = ctx.obj
    overrides, placement = stage_settings(settings or [], dpo), Placement.parse(place or ())
    files = {"demonstrations": demonstrations, "comparisons": comparisons, "prompts": prompts}
    datasets = {kind: upload(client, file, f"{name}-{kind}", max_bad) for kind, file in files.items()}
    model = upload_base(client, base, f"{name}-base")
    spec = Pipeline(**stages(model, datasets, overrides, dpo))
    shared = {"seed": seed, "deterministic": deterministic, "placement": placement, "deadline": deadline}
    conclude(client.runs.create(spec, name=name, **shared), wait, as_json)


def stages(base: str, datasets: dict[str, str], overrides: dict[str, dict[str, Any]], dpo: bool) -> dict[str, Spec]:
    sft, reward, comparisons = "stage:sft", "stage:reward_model", datasets["comparisons"]
    demonstrations, prompts = datasets["demonstrations"], datasets["prompts"]
    inputs: dict[str, dict[str, Any]] = {
        "sft": {"base_model": base, "dataset": demonstrations},
        "reward_model": {"base_model": sft, "dataset": comparisons, "demonstrations": demonstrations},
        "ppo": {"policy_model": sft, "reward_model": reward, "prompts": prompts},
    }
    if dpo:
        inputs["dpo"] = {"policy_model": sft, "dataset": comparisons}
    return {stage: KINDS[stage](**given | overrides.get(stage, {})) for stage, given in inputs.items()}


def stage_settings(settings: list[str], dpo: bool) -> dict[str, dict[str, Any]]:
    """["ppo.steps=100"] -> {"ppo": {"steps": 100}}"""
    known = [stage for stage in KINDS if dpo or stage != "dpo"]
    found: dict[str, dict[str, Any]] = {}
    for setting in settings:
        path, _, value = setting.partition("=")
        stage, _, field = path.partition(".")
        if stage not in known or not field or not value:
            expected = f"expected STAGE.FIELD=VALUE, with a stage of {', '.join(known)}"
            raise InvalidInputError(Problem("--set", f"got {setting!r}, {expected}"))
        found.setdefault(stage, {})[field] = KINDS[stage].parse(field, value)
    return found


def upload(client: Client, file: Path, name: str, max_bad: int) -> str:
    with transfer(f"uploading {file.name}") as progress:
        dataset = client.datasets.upload(file, name=name, max_bad=max_bad, progress=progress)
    bad = f", {dataset.num_bad} bad rows left out" if dataset.num_bad else ""
    notes.print(f"{file.name}: {dataset.num_records} records, {dataset.detected_format}{bad}", highlight=False)
    return str(dataset)


def upload_base(client: Client, base: str, name: str) -> str:
    if not Path(base).is_dir():
        return base
    with transfer(f"uploading {Path(base).name}") as progress:
        return str(client.models.upload(base, name=name, progress=progress))
