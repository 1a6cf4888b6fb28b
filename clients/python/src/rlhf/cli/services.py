"""Commands that run the services themselves; they need the distribution rlhf-services."""

import contextlib
import importlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from rlhf.cli.output import Json, show
from rlhf.client import Client
from rlhf.errors import RlhfError

INSTALL = (
    "this command runs the services themselves, and they are not installed. "
    "Install them from a checkout of the project with `pip install -e clients/python -e .`"
)


@contextlib.contextmanager
def installed(module: str) -> Iterator[Any]:
    """A module of the services, whose errors for people are told like our own."""
    try:
        found = importlib.import_module(module)
        errors = importlib.import_module("services.runtime.errors")
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "services":
            raise RlhfError(INSTALL) from None
        raise
    try:
        yield found
    except errors.ServiceError as error:
        raise RlhfError(str(error)) from error


def end_in_order_on_sigterm() -> None:
    """As Ctrl-C does: services and workers are stopped, the trainer first, and nothing is left running."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def up(
    storage: Annotated[str, typer.Option(help="a folder or s3://bucket/prefix?endpoint=…")] = "build/storage",
    logs: Annotated[Path, typer.Option(help="folder for the services' logs")] = Path("build/services"),
    monitoring: Annotated[bool, typer.Option("--monitoring", help="a Prometheus too, where one is installed")] = False,
    as_json: Json = False,
) -> None:
    """Start all services on this machine, until Ctrl-C."""
    end_in_order_on_sigterm()
    with (
        contextlib.suppress(KeyboardInterrupt),
        installed("services.local") as local,
        local.Services(storage=storage, folder=logs, ports=local.FIXED_PORTS, gateway=True) as services,
        contextlib.ExitStack() as beside,
    ):
        where = {**services.addresses, "gateway": services.gateway_url}
        if monitoring:
            prometheus = local.Prometheus(services.metrics_addresses, logs / "prometheus")
            where["prometheus"] = beside.enter_context(prometheus).url
        lines = [f"{name:<10} {address}" for name, address in where.items()]
        show(where, "\n".join([*lines, "Ctrl-C stops them."]), as_json)
        signal.pause()


def quickstart(
    context: typer.Context,
    seed: Annotated[int, typer.Option(help="of everything that is random")] = 0,
    storage: Annotated[str | None, typer.Option(help="a folder or s3://…; by default a new folder under --out")] = None,
    world: Annotated[str | None, typer.Option(help="file of another simulated world")] = None,
    out: Annotated[Path, typer.Option(help="folder for report.html and report.json")] = Path("build/quickstart"),
    fast: Annotated[bool, typer.Option("--fast", help="a small plan that shows the road, not its results")] = False,
    label: Annotated[bool, typer.Option("--label", help="stop for you to judge 20 pairs in the browser")] = False,
    connected: Annotated[bool, typer.Option("--connected", help="use the services that run already")] = False,
    as_json: Json = False,
) -> None:
    """Walk the whole road: SFT, comparisons, reward model, PPO and DPO, and a report; by default on this machine."""
    if connected and storage:
        raise RlhfError("--storage is for services of its own; those that --connected uses have theirs")
    if connected and label:
        raise RlhfError(
            "--label shows a page of services of its own; with those that --connected uses, "
            "open a campaign on theirs (`rlhf campaigns create --help`)"
        )
    end_in_order_on_sigterm()
    with installed("services.quickstart") as module:
        # People read the story on stdout; with --json it is machines that do.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            assert context.parent, "a command of `rlhf`"
            with Client(**context.parent.params) if connected else contextlib.nullcontext() as client:
                report = module.main(
                    seed=seed, storage=storage, world=world, out=out, fast=fast, label=label, client=client
                )
        if as_json:
            show(report, "", as_json)
