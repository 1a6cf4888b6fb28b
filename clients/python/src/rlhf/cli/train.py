"""`rlhf train`: one stage at a time; the flags are the fields of the specs."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Annotated, Any, get_type_hints

import typer

from rlhf.cli.output import Json, notes, show
from rlhf.cli.progress import follow, metrics_text
from rlhf.client import Client
from rlhf.placement import Placement
from rlhf.run import Run, StageResult
from rlhf.runs import RunHandle
from rlhf.specs import Dpo, Ppo, RewardModel, Sft, Spec

app = typer.Typer(no_args_is_help=True, help="Train one stage: sft, reward, ppo or dpo.")

POLICY_STAGES = ("sft", "dpo", "ppo")

Name = Annotated[str, typer.Option(help="name of the resulting model")]
Seed = Annotated[int, typer.Option(help="of everything that is random")]
Deterministic = Annotated[bool, typer.Option("--deterministic", help="bit-equal when repeated; slower")]
Place = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help="where the worker runs: nodes=2, gpus_per_node=1, cpu=4, memory=16Gi, node_selector.KEY=…, "
        "tolerations=KEY=VALUE:EFFECT, priority_class=…, labels.KEY=…; repeatable",
    ),
]
Deadline = Annotated[int, typer.Option(help="seconds that an attempt may take; 0: no limit")]
Threads = Annotated[int, typer.Option(help="torch threads of the worker; 0: the service's setting")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="stay until the run ends")]


def run_options(
    name: Name, seed: Seed = 0, deterministic: Deterministic = False, threads: Threads = 0, place: Place = None,
    deadline: Deadline = 0, wait: Wait = True, as_json: Json = False,
) -> None:  # fmt: skip
    """Only its signature counts: the options that all stages share."""


def train_command(spec: type[Spec]) -> Callable[..., None]:
    """A command with an option for each field of the spec."""

    def command(ctx: typer.Context, **given: Any) -> None:
        client: Client = ctx.obj
        settings = {field.name: given.pop(field.name) for field in fields(spec)}  # type: ignore[arg-type]
        wait, as_json, place = given.pop("wait"), given.pop("as_json"), given.pop("place")
        placement = Placement.parse(place or ())
        conclude(client.runs.create(spec(**settings), placement=placement, **given), wait, as_json)

    shared = list(inspect.signature(run_options).parameters.values())
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_ONLY, annotation=typer.Context)
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*spec_parameters(spec), *shared)]
    command.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (context, *parameters)}
    command.__doc__ = spec.__doc__
    return command


def spec_parameters(spec: type[Spec]) -> list[inspect.Parameter]:
    hints = get_type_hints(spec, include_extras=True)
    own = inspect.get_annotations(spec)
    ordered = sorted(fields(spec), key=lambda field: (field.default is not MISSING, field.name not in own))  # type: ignore
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else None,
            annotation=_option(spec, field.name, hints[field.name].__metadata__[0], field.default is MISSING),
        )
        for field in ordered
    ]


def _option(spec: type[Spec], field: str, text: str, required: bool) -> Any:
    kind = spec.kind_of(field)
    return Annotated[kind if required else kind | None, typer.Option(help=text, show_default=False)]


def conclude(run: RunHandle, wait: bool, as_json: bool) -> None:
    """Shows the run until it ends, if asked to, and then what came of it."""
    finished = follow(run) if wait else run
    show(finished, summary(finished), as_json)
    if not wait:
        notes.print(f"`rlhf runs watch {run.id}` shows how it goes.", highlight=False)


def summary(run: Run) -> str:
    lines = [f"run {run.id} {run.state}", *map(result_line, run.results.values())]
    if policies := [result.model for result in run.results.values() if result.stage in POLICY_STAGES and result.model]:
        best = policies[-1]
        lines.append(f"`rlhf models download {best}` brings it home; `rlhf chat --model {best}` talks to it.")
    return "\n".join(lines)


def result_line(result: StageResult) -> str:
    return f"{result.stage}: {result.model or 'no model'}  {metrics_text(result.metrics)}".rstrip()


for _name, _spec in {"sft": Sft, "reward": RewardModel, "ppo": Ppo, "dpo": Dpo}.items():
    app.command(_name)(train_command(_spec))
