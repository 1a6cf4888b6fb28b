"""`make acceptance`: the recipe once on seeds 0, 1 and 2, the negative controls on the first, and a second world.

Writes build/acceptance/acceptance.json and .md, which the tables in docs/results.md come from.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from services.quickstart.judging import RECOVERED_BAR
from services.quickstart.quickstart import main as quickstart
from services.quickstart.report import interval
from services.simulator import base_encoder, base_model

OUT = Path("build/acceptance")
SEEDS = (0, 1, 2)
SECOND_WORLD = "harbour"
ROOT = Path(__file__).parents[2]
SECONDS_BAR, MEMORY_BAR_MIB = 300, 6 * 1024
HASHED = ("constraints.txt", "services/trainer/recipes.py", "services/quickstart/plan.py")


def main() -> int:
    runs = {
        f"seed {seed}": quickstart(seed=seed, out=OUT / f"seed-{seed}", controls=seed == SEEDS[0]) for seed in SEEDS
    }
    runs[SECOND_WORLD] = quickstart(seed=0, world=SECOND_WORLD, out=OUT / SECOND_WORLD)
    verdict = {name: failures(run) for name, run in runs.items() if name != SECOND_WORLD}
    report = {"provenance": provenance(), "failures": verdict, "runs": runs}
    (OUT / "acceptance.json").write_text(json.dumps(report, indent=1))
    (OUT / "acceptance.md").write_text(markdown(report))
    print(markdown(report))
    return int(any(verdict.values()))


def failures(run: dict) -> list[str]:
    """What of this run is below its bar; the second world has none."""
    found = [f"{name}: {interval(e['held_out'])}, matched {interval(e['matched_length'])}, bar {e['bar']}"
             for name, e in run["effects"].items() if not e["passed"]]  # fmt: skip
    found += [f"control {name} must be {c['must']}: {interval(c['held_out'])}"
              for name, c in run.get("controls", {}).items() if not c["passed"]]  # fmt: skip
    if run["reward_model"]["recovered"] < RECOVERED_BAR:
        found.append(f"reward model recovers {run['reward_model']['recovered']:.0%}")
    if (seconds := _seconds(run)) > SECONDS_BAR:
        found.append(f"took {seconds:.0f} s")
    if run["peak_memory_mib"] > MEMORY_BAR_MIB:
        found.append(f"took {run['peak_memory_mib']} MiB")
    return found


def _seconds(run: dict) -> float:
    """What the road took, without the controls."""
    return run["seconds"]["total"] - run["seconds"].get("controls", 0)


def provenance() -> dict[str, str]:
    """The commit and the hashes of everything that the figures depend on."""
    files = [
        *(ROOT / name for name in HASHED),
        *sorted(file for package in (base_model, base_encoder) for file in package.WEIGHTS.glob("*")),
    ]
    hashes = {str(file.relative_to(ROOT)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": _git("rev-parse", "HEAD") + (" with local changes" if changed else ""), **hashes}


def markdown(report: dict) -> str:
    lines = [f"Commit {report['provenance']['commit']}.", ""]
    lines += ["| run | comparison | held out | matched length | bar | above | unseen templates | unseen family |",
              "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, run in report["runs"].items():
        lines += [f"| {name} | {comparison} | {interval(e['held_out'])} | {interval(e['matched_length'])} | {e['bar']} "
                  f"| {'yes' if e['passed'] else 'no'} | {interval(e['unseen_template'])} "
                  f"| {interval(e['unseen_family'])} |" for comparison, e in run["effects"].items()]  # fmt: skip
    lines += ["", "| run | reward model accuracy | ceiling | recovered | KL ppo | KL dpo | seconds | MiB |",
              "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, run in report["runs"].items():
        reward, judged = run["reward_model"], run["judged"]
        lines.append(f"| {name} | {reward['accuracy']:.3f} | {reward['ceiling']:.3f} | {reward['recovered']:.2f} "
                     f"| {judged['ppo']['held_out']['kl_to_sft']:.2f} | {judged['dpo']['held_out']['kl_to_sft']:.2f} "
                     f"| {_seconds(run):.0f} | {run['peak_memory_mib']} |")  # fmt: skip
    lines += ["", "| run | control | must be | gold against SFT | as it must |", "|---|---|---|---|---|"]
    for name, run in report["runs"].items():
        lines += [f"| {name} | {control} | {c['must']} | {interval(c['held_out'])} | {'yes' if c['passed'] else 'no'} |"
                  for control, c in run.get("controls", {}).items()]  # fmt: skip
    lines += ["", "| file | sha256 |", "|---|---|"]
    lines += [f"| {name} | {value[:16]}… |" for name, value in report["provenance"].items() if name != "commit"]
    return "\n".join(lines) + "\n"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
