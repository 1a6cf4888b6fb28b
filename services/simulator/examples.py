"""Writes examples/: small files in the formats that people bring, for the README and first tries.

python -m services.simulator.examples [FOLDER]
"""

import json
import random
import sys
from collections.abc import Iterable
from pathlib import Path

from services.simulator.demonstrations import demonstrate
from services.simulator.gold import GoldJudge
from services.simulator.raters import RaterPanel
from services.simulator.splits import cases, draw
from services.simulator.world import World, load_world

DEMONSTRATIONS, COMPARISONS, PROMPTS, LABELLED = 600, 600, 200, 400
ACCEPTABLE, UNACCEPTABLE = 2.0, 1.0  # points of gold, at least and at most; nobody is sure of what lies between


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    world = load_world("home")
    pool = cases(world, "train")
    asked = draw(pool, DEMONSTRATIONS, seed=0)
    answers = demonstrate(world, asked, seed=0)
    _write(folder / "demonstrations.jsonl", ({"prompt": c.prompt, "completion": a} for c, a in zip(asked, answers)))
    panel, rng = RaterPanel(world), random.Random(0)
    asked = draw(pool, COMPARISONS, seed=1)
    pairs = zip(asked, demonstrate(world, asked, seed=1), demonstrate(world, asked, seed=2), strict=True)
    rows = []
    for case, a, b in pairs:
        if a != b:
            chosen, rejected = (a, b) if panel.label(case, a, b, rng).first_preferred else (b, a)
            rows.append({"prompt": case.prompt, "chosen": chosen, "rejected": rejected})
    _write(folder / "comparisons.jsonl", rows)
    _write(folder / "prompts.jsonl", ({"prompt": case.prompt} for case in draw(pool, PROMPTS, seed=3)))
    _write(folder / "labelled.jsonl", labelled(world))


def labelled(world: World) -> Iterable[dict]:
    """Answers that may be given and answers that may not, to prompts that nothing else here has."""
    asked, judge = draw(cases(world, "held_out"), LABELLED, seed=4), GoldJudge(world)
    for case, answer in zip(asked, demonstrate(world, asked, seed=4), strict=True):
        gold = judge.judge(case, answer).score
        if gold >= ACCEPTABLE or gold <= UNACCEPTABLE:
            yield {"prompt": case.prompt, "response": answer, "acceptable": gold >= ACCEPTABLE}


def _write(path: Path, rows: Iterable[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples"))
