"""The root of the command line: addresses, and errors in words."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from rlhf.cli.output import notes
from rlhf.client import Client, resolve_address
from rlhf.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    RlhfError,
    RunFailedError,
)

NEXT_STEPS: dict[type[RlhfError], str] = {
    NotFoundError: "`rlhf models list`, `rlhf data list` and `rlhf runs list` show what there is.",
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
    default = resolve_address(service, None, {})
    return typer.Option(
        envvar=f"RLHF_{service.upper()}",
        show_default=default,
        help=f"address of the {service} service",
        rich_help_panel="Where the services are",
    )


@app.callback()
def root(
    ctx: typer.Context,
    policy: Annotated[str | None, _address("policy")] = None,
    reward: Annotated[str | None, _address("reward")] = None,
    reference: Annotated[str | None, _address("reference")] = None,
    trainer: Annotated[str | None, _address("trainer")] = None,
) -> None:
    client = Client(policy=policy, reward=reward, reference=reference, trainer=trainer)
    ctx.obj = client
    ctx.call_on_close(client.close)
