"""`rlhf score`"""

from typing import Annotated

import typer

from rlhf.cli.output import Json, show
from rlhf.client import Client
from rlhf.reward import RankedResponse, Score


def score(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(help="what was asked")],
    responses: Annotated[list[str], typer.Argument(help="one is scored, several are ranked")],
    model: Annotated[list[str] | None, typer.Option(help="reward model; several are an ensemble")] = None,
    as_json: Json = False,
) -> None:
    """How good responses are, best first. 0 is an average demonstration."""
    client: Client = ctx.obj
    ranked = client.reward.rank(prompt, responses, model=model or ["reward/default"])
    show(ranked, "\n".join(map(line, ranked)), as_json)


def line(ranked: RankedResponse) -> str:
    return f"{number(ranked.score)}  {ranked.response}"


def number(score: Score) -> str:
    if score.normalized is None:
        return f"no score ({score.error})"
    return f"{score.normalized:+.3f}" + (f" ± {score.spread:.3f}" if len(score.member_scores) > 1 else "")
