"""Let an answer out only where a reward model finds it good enough. Labelled answers say what is good enough.

    python examples/guardrail.py examples/labelled.jsonl                       # the threshold, and how far to trust it
    python examples/guardrail.py examples/labelled.jsonl --prompt "How do I make tea?" --response "Ask somebody else."

A row is {"prompt": …, "response": …, "acceptable": true or false}. Every second one sets the threshold: as high as it
can be while at most --stopped of the acceptable answers are expected below it. The others tell what it does to answers
that it was not made from: the false-positive rate (acceptable, and stopped) and the share of the unacceptable that
are stopped, with 95 % intervals. With --prompt and --response the exit status is 0 where the answer passes, 3 where
it is stopped or has no score.

Needs `pip install rlhf-client`; where the reward service is comes from the environment and configuration of `rlhf`.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import NamedTuple

import rlhf

ROWS_PER_CALL = 64
STOPPED = 3


class Scored(NamedTuple):
    score: float
    acceptable: bool


def main() -> int:
    given = arguments()
    with rlhf.Client() as client:
        scored = score(client, given.labelled, given.model)
        limit = threshold([one.score for one in scored[::2] if one.acceptable], given.stopped)
        report(limit, scored[1::2])
        if given.response is None:
            return 0
        (found,) = client.reward.score([(given.prompt, given.response)], model=given.model)
    # No score is no leave to pass.
    passes = found.ok and found.normalized >= limit
    print(f"{'passes' if passes else 'stopped'}: {found.normalized:+.2f}" if found.ok else f"stopped: {found.error}")
    return 0 if passes else STOPPED


def score(client: rlhf.Client, path: Path, model: str) -> list[Scored]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    scored: list[Scored] = []
    for start in range(0, len(rows), ROWS_PER_CALL):
        part = rows[start : start + ROWS_PER_CALL]
        found = client.reward.score([(row["prompt"], row["response"]) for row in part], model=model)
        scored += [Scored(one.normalized, row["acceptable"]) for one, row in zip(found, part, strict=True) if one.ok]
    if failed := len(rows) - len(scored):
        print(f"{failed} of {len(rows)} answers have no score and are left out", file=sys.stderr)
    return scored


def threshold(acceptable: list[float], stopped: float) -> float:
    """A new acceptable answer lies below it with probability `stopped` at most: split conformal prediction."""
    place = math.floor(stopped * (len(acceptable) + 1))
    if place < 1:
        needed = math.ceil(1 / stopped) - 1
        sys.exit(
            f"error: {len(acceptable)} acceptable answers with scores cannot set a threshold that stops at most "
            f"{stopped:.0%}; expected {needed} among the rows that set it: bring {2 * needed}, or raise --stopped"
        )
    return sorted(acceptable)[place - 1]


def report(limit: float, scored: list[Scored]) -> None:
    stopped = {truth: [one.score < limit for one in scored if one.acceptable is truth] for truth in (True, False)}
    print(f"threshold {limit:+.2f} (normalised reward)")
    print(f"false-positive rate {share(stopped[True])} acceptable answers are stopped")
    print(f"true-positive rate {share(stopped[False])} unacceptable answers are stopped")


def share(hits: list[bool]) -> str:
    """With Wilson's 95 % interval (1927), which holds for small counts and near 0 and 1."""
    if not hits:
        return "unknown: no rows;"
    n, p, z = len(hits), sum(hits) / len(hits), 1.959964
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{p:.2f} [{max(center - half, 0.0):.2f}, {min(center + half, 1.0):.2f}]: {sum(hits)} of {n}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A reward model as a guardrail.")
    parser.add_argument("labelled", type=Path, help="JSON lines of prompt, response and acceptable")
    parser.add_argument("--model", default="reward/default")
    parser.add_argument("--stopped", type=float, default=0.05, help="of the acceptable answers, at most (0 to 1)")
    parser.add_argument("--prompt", help="of an answer to judge")
    parser.add_argument("--response", help="the answer to judge")
    given = parser.parse_args()
    if (given.prompt is None) != (given.response is None):
        parser.error("--prompt and --response go together")
    if not 0 < given.stopped < 1:
        parser.error(f"--stopped: got {given.stopped}, expected a number between 0 and 1")
    return given


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, KeyError, rlhf.RlhfError) as error:
        sys.exit(f"error: {error!r}" if isinstance(error, KeyError) else f"error: {error}")
