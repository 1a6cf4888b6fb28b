"""`rlhf raters`"""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer

from rlhf.campaigns import Assignment
from rlhf.cli.campaigns import Name
from rlhf.cli.output import Json, show, show_table
from rlhf.cli.services import installed
from rlhf.client import Client

app = typer.Typer(no_args_is_help=True, help="Raters: who judges, and what they can.")

AT_ONCE = 16  # simulated raters
WAITS, WAIT_SECONDS = 25, 0.2  # for items that others are judging


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """Raters whose skills are known, by name."""
    client: Client = ctx.obj
    raters = client.feedback.raters()
    rows = [{"name": name, "skills": list(skills)} for name, skills in raters.items()]
    show_table(rows, ("rater", "skills"), ((row["name"], " ".join(row["skills"])) for row in rows), as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RATER")],
    skill: Annotated[list[str] | None, typer.Option(help="repeatable; those of before are replaced")] = None,
    as_json: Json = False,
) -> None:
    """Say what a rater can."""
    client: Client = ctx.obj
    client.feedback.set_rater(name, skills=skill or [])
    show({"name": name, "skills": skill or []}, f"{name}: {' '.join(skill or ['no skills'])}", as_json)


@app.command()
def simulate(
    ctx: typer.Context,
    name: Name,
    raters: Annotated[int, typer.Option(help="how many take part")] = 5,
    coins: Annotated[int, typer.Option("--random", help="how many of them toss coins")] = 0,
    world: Annotated[str, typer.Option(help="whose prompts they know, with its raters' biases")] = "home",
    seed: Annotated[int, typer.Option()] = 0,
    as_json: Json = False,
) -> None:
    """Let simulated raters with known biases answer a campaign about prompts of their world."""
    client: Client = ctx.obj
    with installed("services.simulator.annotators") as simulator, ThreadPoolExecutor(AT_ONCE) as threads:
        people = simulator.annotators(world, raters, coins, seed)
        counts = list(threads.map(lambda person: answer_all(client, name, person), people))
    done = {person.rater.name: count for person, count in zip(people, counts, strict=True)}
    show(done, "\n".join(f"{rater}: {count} judgements" for rater, count in done.items()), as_json)


def answer_all(client: Client, campaign: str, person: Any) -> int:
    """How many items there were for one simulated rater."""
    clock, count, waits = random.Random(person.rater.name), 0, 0
    while waits < WAITS:
        found = client.feedback.next(campaign, rater=person.rater.name)
        if found.assignment:
            answer(client, found.assignment, person, seconds=clock.lognormvariate(3, 0.5))
            count, waits = count + 1, 0
        elif found.nothing_left in ("waiting", "preparing"):
            waits += 1
            time.sleep(WAIT_SECONDS)
        else:
            break
    return count


def answer(client: Client, assignment: Assignment, person: Any, seconds: float) -> None:
    prompt = assignment.prompt[-1]["content"]
    if assignment.kind == "demonstration":
        client.feedback.demonstrate(assignment, person.write(prompt), seconds=seconds)
        return
    order, strength = person.rank(prompt, assignment.responses)
    if assignment.kind == "ranking":
        client.feedback.rank(assignment, [[place] for place in order], seconds=seconds)
    else:
        choice = ("first", "second")[order[0]]
        client.feedback.prefer(assignment, choice, strength=strength if assignment.strength else 0, seconds=seconds)
