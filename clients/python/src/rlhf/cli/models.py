"""`rlhf models`"""

from pathlib import Path
from typing import Annotated

import typer

from rlhf.cli.output import Json, moment, show, show_table, size
from rlhf.cli.progress import transfer
from rlhf.client import Client

app = typer.Typer(no_args_is_help=True, help="Models: bring, list, promote and take home.")

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="name@version, a name (newest), or an alias")]
Alias = Annotated[str, typer.Argument(help="e.g. policy/default")]


@app.command("list")
def list_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="only versions of this one")] = "",
    as_json: Json = False,
) -> None:
    """All versions, newest first."""
    client: Client = ctx.obj
    models = client.models.list(name)
    rows = ((str(m), m.architecture, size(m.size_bytes), " ".join(m.aliases), moment(m.created_at)) for m in models)
    show_table(models, ("model", "architecture", "size", "aliases", "created"), rows, as_json)


@app.command()
def upload(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Hugging Face layout, safetensors")],
    name: Annotated[str | None, typer.Option(help="by default the folder's name")] = None,
    as_json: Json = False,
) -> None:
    """Send a folder as a new version."""
    client: Client = ctx.obj
    with transfer(f"uploading {folder.name}") as progress:
        model = client.models.upload(folder, name=name, progress=progress)
    show(model, str(model), as_json)


@app.command("import")
def import_(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(help="hf://owner/name, s3://bucket/prefix, or a folder the service can read")
    ],
    name: Annotated[str, typer.Option(help="name in the catalog")],
    as_json: Json = False,
) -> None:
    """Let the service fetch a model."""
    client: Client = ctx.obj
    model = client.models.import_(source, name=name)
    show(model, str(model), as_json)


@app.command()
def download(
    ctx: typer.Context,
    model: ModelArgument,
    into: Annotated[Path | None, typer.Argument(help="new folder; by default ./NAME")] = None,
    as_json: Json = False,
) -> None:
    """Bring a model home, in Hugging Face layout."""
    client: Client = ctx.obj
    into = into or Path(model.removeprefix("models/").partition("@")[0].replace("/", "-"))
    with transfer(f"downloading {model}") as progress:
        folder = client.models.download(model, into, progress=progress)
    show({"folder": str(folder)}, str(folder), as_json)


@app.command()
def promote(ctx: typer.Context, model: ModelArgument, alias: Alias, as_json: Json = False) -> None:
    """Point an alias at a version."""
    client: Client = ctx.obj
    version = client.models.promote(model, alias)
    show(version, f"{alias} is now {version}", as_json)


@app.command()
def rollback(ctx: typer.Context, alias: Alias, as_json: Json = False) -> None:
    """Point an alias at the version it had before."""
    client: Client = ctx.obj
    version = client.models.rollback(alias)
    show(version, f"{alias} is now {version}", as_json)
