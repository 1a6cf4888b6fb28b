"""The root of the command line: where the services are, who calls, and errors in words."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from rlhf.cli.output import notes
from rlhf.client import Client
from rlhf.configuration import DEFAULT_ADDRESSES
from rlhf.credentials import variable
from rlhf.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    RlhfError,
    RunFailedError,
)

NEXT_STEPS: dict[type[RlhfError], str] = {
    NotFoundError: "`rlhf models list`, `rlhf data list`, `rlhf runs list` and `rlhf campaigns list` show what there "
    "is.",
    OverloadedError: "Try again in a moment, or send less at a time.",
    RunFailedError: "`rlhf runs logs {error.run.id}` shows its log; `rlhf runs resume {error.run.id}` goes on from its "
    "last checkpoint.",
    ConflictError: "`rlhf runs show RUN` tells the state it is in.",
}

FILE_ERRORS = (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError)


class Commands(TyperGroup):
    """One clear message instead of a traceback, where the error is one that we expect."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (RlhfError, *FILE_ERRORS) as error:
            report(error)
            raise typer.Exit(1) from None


def report(error: Exception) -> None:
    problems = error.problems if isinstance(error, InvalidInputError) else ()
    notes.print("[red]error:[/]", "\n  ".join(map(_plain, problems or [error])), highlight=False)
    for kind, text in NEXT_STEPS.items():
        if isinstance(error, kind):
            notes.print(_plain(text.format(error=error)), highlight=False)


def _plain(value: object) -> str:
    """Brackets in a message are no markup."""
    return escape(str(value))


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Train language models from human feedback, and use them: supervised fine-tuning, reward models, PPO and DPO.",
    epilog="Exit codes: 0 done, 1 it failed, 2 the command line is wrong. Every command knows --json.",
)


def _address(service: str) -> Any:
    return typer.Option(
        envvar=variable(service),
        show_default=DEFAULT_ADDRESSES[service],
        help=f"address of the {service} service",
        rich_help_panel="Where the services are",
    )


def _credential(name: str, help: str) -> Any:
    """The variable is read by the client, for which a token on the command line replaces a file of the environment."""
    flag = f"--{name.replace('_', '-')}"
    return typer.Option(flag, help=f"{help}; or {variable(name)}", show_default=False, rich_help_panel="Who you are")


# They start services of their own, whatever the environment says of others (quickstart: unless it is told otherwise).
WITHOUT_CLIENT = ("up", "quickstart")


@app.callback()
def root(
    ctx: typer.Context,
    policy: Annotated[str | None, _address("policy")] = None,
    reward: Annotated[str | None, _address("reward")] = None,
    reference: Annotated[str | None, _address("reference")] = None,
    trainer: Annotated[str | None, _address("trainer")] = None,
    feedback: Annotated[str | None, _address("feedback")] = None,
    token: Annotated[
        str | None, _credential("token", "your token, which others on this machine can read from here")
    ] = None,
    token_file: Annotated[Path | None, _credential("token_file", "file with your token")] = None,
    ca: Annotated[Path | None, _credential("ca", "turns TLS on: file of the services' authority")] = None,
    cert: Annotated[Path | None, _credential("cert", "file of your certificate, for mutual TLS")] = None,
    key: Annotated[Path | None, _credential("key", "file of its key")] = None,
    allow_plaintext_token: Annotated[
        bool | None, _credential("allow_plaintext_token", "send the token to other machines without TLS")
    ] = None,
) -> None:
    if ctx.invoked_subcommand in WITHOUT_CLIENT:
        return
    ctx.obj = client = Client(**ctx.params)
    ctx.call_on_close(client.close)
