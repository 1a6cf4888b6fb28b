"""`rlhf data`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from rlhf.cli.output import Json, moment, notes, show, show_table
from rlhf.cli.progress import transfer
from rlhf.cli.services import installed
from rlhf.client import Client
from rlhf.errors import InvalidInputError, Problem, RlhfError

app = typer.Typer(no_args_is_help=True, help="Datasets: check, bring, list and take home.")

DataFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".jsonl[.gz] .json .csv .parquet")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="which column holds a field, e.g. chosen=answer_a; repeatable"),
]
MaxBad = Annotated[int, typer.Option(help="bad rows tolerated")]
RecordType = Annotated[
    str | None, typer.Option("--type", help="demonstration, comparison, prompt or unpaired_label; else detected")
]
Name = Annotated[str | None, typer.Option(help="by default the file's name without its endings")]


@app.command()
def check(
    file: DataFile,
    map: Map = None,
    max_bad: MaxBad = 0,
    record_type: RecordType = None,
    against: Annotated[Path | None, typer.Option(exists=True, help="held-out file: prompts in both are a leak")] = None,
    as_json: Json = False,
) -> None:
    """Say what a file holds: format, columns, counts, three samples, and what looks wrong. Needs no service."""
    with installed("services.data") as data:
        report = data.check(file, field_map=field_map(map), record_type=record_type, against=against)
    show(report, check_text(report), as_json)
    if report.counts["bad"] > max_bad:
        raise RlhfError(
            f"{report.counts['bad']} bad rows, more than --max-bad {max_bad}; correct them or tolerate more"
        )


@app.command()
def upload(
    ctx: typer.Context,
    file: DataFile,
    name: Name = None,
    map: Map = None,
    max_bad: MaxBad = 0,
    record_type: RecordType = None,
    as_json: Json = False,
) -> None:
    """Send a file to the catalog."""
    client: Client = ctx.obj
    with transfer(f"uploading {file.name}") as progress:
        dataset = client.datasets.upload(
            file, name=name, map=field_map(map), max_bad=max_bad, record_type=record_type, progress=progress
        )
    notes.print(f"{dataset.num_records} {dataset.record_type} records, {dataset.detected_format}", highlight=False)
    show(dataset, str(dataset), as_json)


@app.command("import")
def import_(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="hf://owner/name[:split], s3://bucket/key, or a path it can read")],
    name: Annotated[str, typer.Option(help="name in the catalog")],
    map: Map = None,
    max_bad: MaxBad = 0,
    record_type: RecordType = None,
    as_json: Json = False,
) -> None:
    """Let the service fetch a dataset."""
    client: Client = ctx.obj
    dataset = client.datasets.import_(source, name=name, map=field_map(map), max_bad=max_bad, record_type=record_type)
    show(dataset, str(dataset), as_json)


@app.command("list")
def list_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="only this one")] = "",
    as_json: Json = False,
) -> None:
    """All datasets in the catalog."""
    client: Client = ctx.obj
    datasets = client.datasets.list(name)
    rows = ((str(d), d.record_type, str(d.num_records), d.detected_format, moment(d.created_at)) for d in datasets)
    show_table(datasets, ("dataset", "type", "records", "format", "created"), rows, as_json)


@app.command()
def download(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="name@digest, or a name (newest)")],
    into: Annotated[Path | None, typer.Argument(help="file; by default ./NAME.jsonl")] = None,
    as_json: Json = False,
) -> None:
    """Bring a dataset home as JSON lines."""
    client: Client = ctx.obj
    into = into or Path(f"{dataset.removeprefix('datasets/').partition('@')[0]}.jsonl")
    with transfer(f"downloading {dataset}") as progress:
        file = client.datasets.download(dataset, into, progress=progress)
    show({"file": str(file)}, str(file), as_json)


def field_map(pairs: list[str] | None) -> dict[str, str]:
    """["chosen=answer_a"] -> {"chosen": "answer_a"}"""
    split = [pair.partition("=") for pair in pairs or ()]
    if bad := [pair for field, _, column in split if not (field and column) for pair in [field]]:
        raise InvalidInputError(Problem("--map", f"got {bad[0]!r}, expected FIELD=COLUMN, e.g. chosen=answer_a"))
    return {field: column for field, _, column in split}


def check_text(report: Any) -> str:
    mapping = ", ".join(f"{field} = {column}" for field, column in report.mapping.items())
    lines = [
        f"{report.source}: {report.record_type} records",
        f"format   {report.detected_format}",
        f"columns  {mapping}" + (f"; not used: {', '.join(report.unused_columns)}" if report.unused_columns else ""),
        f"counts   {', '.join(f'{name} {count}' for name, count in report.counts.items())}",
        f"length   {', '.join(f'{name} {count}' for name, count in report.characters.items())} (characters)",
    ]
    if report.chosen_longer is not None:
        lines.append(f"         the chosen answer is the longer one in {report.chosen_longer:.0%} of pairs")
    for number, sample in enumerate(report.samples, 1):
        lines += ["", f"sample {number}", *(f"  {line}" for line in sample.splitlines())]
    warnings = [finding_text(finding) for finding in report.findings]
    return "\n".join([*lines, "", *(warnings or ["nothing looks wrong"])])


def finding_text(finding: Any) -> str:
    kind = "bad row" if finding.bad else "warning"
    return f"{kind}: {finding.check}: {finding.count} ({', '.join(finding.places)})"
