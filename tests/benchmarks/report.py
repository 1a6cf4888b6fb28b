"""Results as JSON and as a table."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.measurement import Result

PACKAGES = ("torch", "transformers", "grpcio", "trl")
HEADER = ("what", "against", "here", "there", "ratio (median, min–max)", "target", "met")


def as_json(results: Sequence[Result], machine: dict[str, Any]) -> dict[str, Any]:
    rows = [asdict(result) | facts(result) for result in results]
    return {"machine": machine, "results": rows}


def facts(result: Result) -> dict[str, Any]:
    return {"ratio": result.ratio, "ratios": result.ratios, "steady": result.steady, "met": met(result)}


def met(result: Result) -> bool | None:
    """None where there is no target, and where the repeats are too far apart to tell."""
    return result.target.met(result.ratio) if result.target.set and result.steady else None


def table(results: Sequence[Result], machine: dict[str, Any]) -> str:
    lines = [" | ".join(HEADER), " | ".join("---" for _ in HEADER), *(" | ".join(row(result)) for result in results)]
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*(f"| {line} |" for line in lines), "", f"Measured in one run: {facts}."])


def row(result: Result) -> tuple[str, ...]:
    low, high = min(result.ratios), max(result.ratios)
    verdict = {True: "yes", False: "**no**", None: "" if result.steady else "not steady"}[met(result)]
    return (
        f"{result.name} ({result.note})",
        result.peer,
        rate(result.rate, result.unit),
        rate(result.peer_rate, result.unit),
        f"{result.ratio:.2f}× ({low:.2f}–{high:.2f})",
        str(result.target),
        verdict,
    )


def rate(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}/s" if value >= 10 else f"{1 / value:.2f} s"


def describe_machine(threads: int, repeats: int) -> dict[str, Any]:
    """The load says whether somebody else was using the machine: read before anything is measured."""
    return {
        "cores": os.cpu_count(),
        "processor": processor(),
        "threads": threads,
        "repeats": repeats,
        "dtype": "float32",
        "load before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: installed for name in PACKAGES if (installed := version(name))},
        "commit": commit(),
    }


def processor() -> str:
    names = [line.split(":", 1)[1].strip() for line in cpuinfo() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
