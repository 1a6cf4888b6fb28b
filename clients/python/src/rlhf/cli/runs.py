"""`rlhf runs`"""

from typing import Annotated

import typer

from rlhf.cli.curves import draw
from rlhf.cli.output import Json, moment, notes, show, show_table, to_json
from rlhf.cli.progress import show_events
from rlhf.cli.train import conclude, result_line, summary
from rlhf.client import Client
from rlhf.run import Run

app = typer.Typer(no_args_is_help=True, help="See and steer runs.")

RunId = Annotated[str, typer.Argument(metavar="RUN", help="id of the run")]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """All runs, newest first."""
    client: Client = ctx.obj
    runs = client.runs.list()
    rows = ((run.id, run.name, run.state, where(run), moment(run.created_at)) for run in runs)
    show_table(runs, ("run", "name", "state", "at", "created"), rows, as_json)


@app.command("show")
def show_(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """One run: its state, why, and what its stages left."""
    client: Client = ctx.obj
    run = client.runs.get(run_id)
    show(run, details(run), as_json)


@app.command()
def watch(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """Every step from the beginning, until the run ends; on a terminal as live curves."""
    client: Client = ctx.obj
    run = client.runs.get(run_id)
    if not as_json:
        draw(run.watch()) if notes.is_terminal else show_events(run.watch())
        typer.echo(summary(run.wait()))
        return
    for event in run.watch():
        typer.echo(to_json(event))
    run.wait()


@app.command()
def logs(
    ctx: typer.Context,
    run_id: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until the run ends")] = False,
    as_json: Json = False,
) -> None:
    """What the workers wrote."""
    client: Client = ctx.obj
    for text in client.runs.logs(run_id, follow=follow):
        typer.echo(to_json({"text": text}) if as_json else text, nl=as_json)


@app.command()
def events(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """What happened to a run and its workers, oldest first."""
    client: Client = ctx.obj
    happened = client.runs.events(run_id)
    rows = ((moment(event.at), str(event.attempt), event.reason, first_line(event.message)) for event in happened)
    show_table(happened, ("at", "attempt", "what", "why"), rows, as_json)


@app.command()
def cancel(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """Stop a run; its checkpoints stay."""
    client: Client = ctx.obj
    run = client.runs.cancel(run_id)
    show(run, f"run {run.id} {run.state}", as_json)


@app.command()
def resume(
    ctx: typer.Context,
    run_id: RunId,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="stay until the run ends")] = True,
    as_json: Json = False,
) -> None:
    """Go on with a failed or cancelled run from its last checkpoint."""
    client: Client = ctx.obj
    conclude(client.runs.resume(run_id), wait, as_json)


def first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


def where(run: Run) -> str:
    return f"{run.stage} {run.step}/{run.total_steps}" if run.stage and not run.done else ""


def details(run: Run) -> str:
    lines = [f"{run.id}  {run.name}  {run.state}  attempt {run.attempt}  {where(run)}".rstrip()]
    lines += [f"reason: {run.reason}"] if run.reason else []
    return "\n".join([*lines, *map(result_line, run.results.values())])
