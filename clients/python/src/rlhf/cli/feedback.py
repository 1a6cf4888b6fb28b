"""`rlhf feedback`"""

from pathlib import Path
from typing import Annotated

import typer

from rlhf.cli.campaigns import Name
from rlhf.cli.output import Json, show
from rlhf.client import Client
from rlhf.judgements import Agreement, Estimate, RaterStatistics, Statistics

app = typer.Typer(no_args_is_help=True, help="Feedback: what a campaign's judgements say, and what to train on.")

Aggregation = Annotated[str, typer.Option(help="reliability (weighted), majority, or votes (each judgement)")]


@app.command()
def statistics(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Agreement, and what each rater tends to; with 95 % intervals."""
    client: Client = ctx.obj
    found = client.feedback.statistics(name)
    show(found, report(found), as_json)


@app.command()
def export(
    ctx: typer.Context,
    name: Name,
    dataset: Annotated[str, typer.Option(help="name in the catalog; by default the campaign's")] = "",
    aggregation: Aggregation = "reliability",
    as_json: Json = False,
) -> None:
    """Make a dataset of the catalog: comparisons, or demonstrations where these were collected."""
    client: Client = ctx.obj
    made = client.feedback.export(name, name=dataset, aggregation=aggregation)
    show(made, f"{made}: {made.num_records} {made.record_type}s", as_json)


@app.command()
def download(
    ctx: typer.Context,
    name: Name,
    into: Annotated[Path, typer.Argument(help="Parquet where it ends in .parquet, else JSON lines")],
    kind: Annotated[str, typer.Option(help="comparisons, demonstrations, or judgements with all details")] = "",
    aggregation: Aggregation = "reliability",
    format: Annotated[str, typer.Option(help="of comparisons: trl, openai, helpsteer3 or label_studio")] = "trl",
    as_json: Json = False,
) -> None:
    """Write judgements, or what follows from them, to a file."""
    client: Client = ctx.obj
    path = client.feedback.download(name, into, kind=kind, aggregation=aggregation, format=format)
    show({"file": str(path)}, str(path), as_json)


def report(found: Statistics) -> str:
    lines = [measures("all", found.agreement), *(measures(domain.domain, domain) for domain in found.domains)]
    lines += ["", *map(rater, found.raters), *([f"longer preferred by all: {text(found.longer_preferred)}"])]
    lines += [f"{source.source}: wins {text(source.win_rate)}" for source in found.sources]
    return "\n".join(lines)


def measures(name: str, found: Agreement) -> str:
    return (
        f"{name}: {found.items} items judged twice or more, agreement {text(found.agreement)}, Cohen's kappa "
        f"{text(found.cohen_kappa)}, Fleiss' {text(found.fleiss_kappa)}, Krippendorff's alpha "
        f"{text(found.krippendorff_alpha)}{f' ({found.without_kappas})' if found.without_kappas else ''}"
    )


def rater(found: RaterStatistics) -> str:
    reliable = "-" if found.reliability is None else f"{found.reliability:.2f}"
    return (
        f"{found.rater}: {found.judgements} judgements, gold right {text(found.gold_accuracy)}, same again "
        f"{text(found.repeat_consistency)}, first preferred {text(found.first_preferred)}, longer preferred "
        f"{text(found.longer_preferred)}, reliability {reliable}, {found.median_seconds:.0f} s each"
    )


def text(estimate: Estimate | None) -> str:
    return "-" if estimate is None else str(estimate)
