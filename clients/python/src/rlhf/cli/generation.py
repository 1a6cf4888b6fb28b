"""`rlhf generate` and `rlhf chat`"""

import sys
from typing import Annotated

import typer

from rlhf.cli.output import Json, notes, show, to_json
from rlhf.client import Client
from rlhf.errors import InvalidInputError, Problem

Model = Annotated[str, typer.Option(help="name@version, a name (newest), or an alias")]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="longest response, in tokens")]
Temperature = Annotated[float, typer.Option(min=0, help="0 is greedy")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same response")]
System = Annotated[str, typer.Option(help="a system message")]


def generate(
    ctx: typer.Context,
    prompts: Annotated[list[str] | None, typer.Argument(help="without any, each line of stdin is one")] = None,
    model: Model = "policy/default",
    samples: Annotated[int, typer.Option(min=1, help="responses per prompt")] = 1,
    max_new_tokens: MaxNewTokens = 256,
    temperature: Temperature = 1.0,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="nucleus sampling")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="0: off")] = 0,
    seed: Seed = 0,
    stop: Annotated[list[str] | None, typer.Option(help="text at which a response ends; repeatable")] = None,
    as_json: Json = False,
) -> None:
    """Responses to prompts."""
    client: Client = ctx.obj
    prompts = prompts or [line for line in sys.stdin.read().splitlines() if line.strip()]
    if not prompts:
        raise InvalidInputError(Problem("PROMPTS", "got none, expected some as arguments or as lines of stdin"))
    rollouts = client.policy.generate(
        prompts, model=model, samples_per_prompt=samples, max_new_tokens=max_new_tokens, temperature=temperature,
        top_p=top_p, top_k=top_k, seed=seed, stop=stop or (),
    )  # fmt: skip
    show(rollouts, "\n".join(rollout.text for rollout in rollouts), as_json)


def chat(
    ctx: typer.Context,
    model: Model = "policy/default",
    system: System = "",
    max_new_tokens: MaxNewTokens = 256,
    temperature: Temperature = 1.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Talk to a policy. /reset starts over, /exit or Ctrl-D ends."""
    client: Client = ctx.obj
    opening = [{"role": "system", "content": system}] if system else []
    messages = list(opening)
    while (line := ask()) is not None:
        if line == "/reset":
            messages = list(opening)
        elif line:
            messages.append({"role": "user", "content": line})
            text = answer(client, messages, as_json, model=model, max_new_tokens=max_new_tokens,
                          temperature=temperature, seed=seed)  # fmt: skip
            messages.append({"role": "assistant", "content": text})


def ask() -> str | None:
    """The next line; None at the end. The prompt sign is for people only."""
    if sys.stdin.isatty():
        notes.print("[bold]>[/] ", end="")
    line = sys.stdin.readline()
    return None if not line or line.strip() == "/exit" else line.strip()


def answer(client: Client, messages: list[dict[str, str]], as_json: bool, **sampling: object) -> str:
    """Prints a response as it comes."""
    text = ""
    for piece in client.policy.stream(messages, **sampling):  # type: ignore[arg-type]
        text += piece.text
        if not as_json:
            typer.echo(piece.text, nl=False)
    typer.echo(to_json({"role": "assistant", "content": text}) if as_json else "")
    return text
