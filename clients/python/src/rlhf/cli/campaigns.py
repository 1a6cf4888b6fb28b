"""`rlhf campaigns`"""

from pathlib import Path
from typing import Annotated

import typer

from rlhf.campaigns import Campaign, Generated
from rlhf.cli.data import MaxBad, field_map
from rlhf.cli.output import Json, moment, show, show_table
from rlhf.client import Client
from rlhf.errors import InvalidInputError, Problem

app = typer.Typer(no_args_is_help=True, help="Campaigns: people judge responses, or write ideal ones.")

Name = Annotated[str, typer.Argument(metavar="CAMPAIGN")]
Guidelines = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="file in Markdown that raters read", show_default=False)
]
Share = Annotated[float, typer.Option(min=0, max=1)]


@app.command()
def create(
    ctx: typer.Context,
    name: Name,
    kind: Annotated[str, typer.Option(help="comparison, ranking or demonstration")] = "comparison",
    title: Annotated[str, typer.Option(help="what raters see; by default the name")] = "",
    guidelines: Guidelines = None,
    dataset: Annotated[str, typer.Option(help="comparisons to judge again; prompts, where --model answers them")] = "",
    model: Annotated[list[str] | None, typer.Option(help="answers the prompts of --dataset; repeatable")] = None,
    samples: Annotated[int, typer.Option(help="responses of each model to each prompt; 0: enough for an item")] = 0,
    max_new_tokens: Annotated[int, typer.Option(help="of a response")] = 256,
    items: Annotated[int, typer.Option(help="how many are drawn; 0: one per prompt")] = 0,
    reward_model: Annotated[
        list[str] | None, typer.Option(help="prefer pairs that it is unsure of; several: that they differ on")
    ] = None,
    overlap: Annotated[int, typer.Option(help="raters for an overlapping item")] = 2,
    overlap_share: Share = 0.2,
    gold_share: Share = 0.08,
    repeat_share: Share = 0.05,
    strength: Annotated[bool, typer.Option("--strength", help="ask how much better")] = False,
    responses: Annotated[int, typer.Option(help="of an item, where they are ranked")] = 0,
    skill: Annotated[list[str] | None, typer.Option(help="that a rater needs; repeatable")] = None,
    seed: Annotated[int, typer.Option(help="of everything that is drawn")] = 0,
    as_json: Json = False,
) -> None:
    """Start a campaign. Without --dataset, items come by `rlhf campaigns import`."""
    client: Client = ctx.obj
    if model and not dataset:
        raise InvalidInputError(Problem("--model", "expected --dataset with the prompts that it answers"))
    generated = Generated(
        models=model or [],
        dataset=dataset,
        max_new_tokens=max_new_tokens,
        samples_per_model=samples,
        num_items=items,
        selection="uncertainty" if reward_model else "random",
        reward_models=reward_model or [],
    )
    campaign = client.feedback.create(
        name,
        kind=kind,
        title=title,
        guidelines=guidelines.read_text() if guidelines else "",
        generated=generated if model else None,
        dataset=dataset,
        overlap=overlap,
        overlap_share=overlap_share,
        gold_share=gold_share,
        repeat_share=repeat_share,
        strength=strength,
        responses_per_item=responses,
        skills=skill or [],
        seed=seed,
    )
    show(campaign, line(campaign), as_json)


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """All campaigns, newest first."""
    client: Client = ctx.obj
    campaigns = client.feedback.list()
    rows = ((c.name, c.kind, c.state, share(c), str(c.progress.raters), moment(c.created_at)) for c in campaigns)
    show_table(campaigns, ("campaign", "kind", "state", "judgements", "raters", "created"), rows, as_json)


@app.command("show")
def show_(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """How far a campaign is."""
    client: Client = ctx.obj
    campaign = client.feedback.get(name)
    show(campaign, line(campaign), as_json)


@app.command("import")
def import_(
    ctx: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".jsonl[.gz] .json .csv .parquet")],
    kind: Annotated[str, typer.Option(help="items to judge, gold (their labels are known), or judgements")] = "items",
    map: Annotated[list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="repeatable")] = None,
    max_bad: MaxBad = 0,
    as_json: Json = False,
) -> None:
    """Bring pairs, gold pairs, prompts, or judgements that were made elsewhere."""
    client: Client = ctx.obj
    campaign = client.feedback.import_file(name, file, kind=kind, map=field_map(map), max_bad=max_bad)
    show(campaign, line(campaign), as_json)


@app.command()
def guidelines(
    ctx: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Markdown")],
    as_json: Json = False,
) -> None:
    """Give raters a new version of the guidelines."""
    client: Client = ctx.obj
    campaign = client.feedback.set_guidelines(name, file.read_text())
    show(campaign, f"{campaign.name} has version {campaign.guidelines_version} of its guidelines", as_json)


@app.command()
def close(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Take no more judgements; statistics and exports stay."""
    client: Client = ctx.obj
    campaign = client.feedback.close(name)
    show(campaign, line(campaign), as_json)


def share(campaign: Campaign) -> str:
    return f"{campaign.progress.judgements}/{campaign.progress.judgements_wanted}"


def line(campaign: Campaign) -> str:
    progress = campaign.progress
    why = f" ({campaign.reason})" if campaign.reason else ""
    gold = f" and {progress.gold_items} gold" if progress.gold_items else ""
    counts = f"{share(campaign)} judgements on {progress.items}{gold} items by {progress.raters} raters"
    return f"{campaign.name} is {campaign.state}{why}: {counts}"
