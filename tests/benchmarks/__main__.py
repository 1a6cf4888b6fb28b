"""`make bench`: every ratio measured in one run, on this machine, both sides in turn. Takes some minutes."""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

import torch
from transformers.utils import logging

from tests.benchmarks import generation, ppo_step, report, serving, sft
from tests.benchmarks.measurement import Result

BENCHMARKS = {"generation": generation.run, "serving": serving.run, "ppo": ppo_step.run, "sft": sft.run}


def main() -> int:
    options = parse()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    machine = report.describe_machine(options.threads, options.repeats)
    results: list[Result] = []
    for name in options.only:
        for result in BENCHMARKS[name](options.threads, options.repeats):
            print("  ".join(report.row(result)), flush=True)
            results.append(result)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report.as_json(results, machine), indent=1))
    options.out.with_suffix(".md").write_text(report.table(results, machine) + "\n")
    print(f"\n{report.table(results, machine)}\n\nwritten to {options.out} and {options.out.with_suffix('.md')}")
    return int(any(report.met(result) is not True for result in results if result.target.set))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="torch threads per process")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks.json"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
