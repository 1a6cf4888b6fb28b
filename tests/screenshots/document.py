"""The commands of docs/walk.md, step by step."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
WALK = ROOT / "docs/walk.md"
STEP = re.compile(r"^## (\d+)\. .*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def steps() -> dict[int, str]:
    """The shell commands below each numbered heading; empty where a step is for the browser alone."""
    return {int(found[1]): "".join(BLOCK.findall(found[0])) for found in STEP.finditer(WALK.read_text())}


@dataclass
class Shell:
    """As in the repository's root, told by the environment where the services are. What is printed is kept."""

    addresses: Mapping[str, str]
    printed: list[str] = field(default_factory=list)

    def start(self, commands: str) -> subprocess.Popen[str]:
        named = {f"RLHF_{name.upper()}": address for name, address in self.addresses.items()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", "-euxc", commands],
            cwd=ROOT,
            env={**os.environ, **named, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> str:
        """Raises AssertionError, with what was printed, where a command failed."""
        printed, _ = process.communicate()
        self.printed.append(printed)
        assert process.returncode == 0, printed
        return printed

    def run(self, commands: str) -> str:
        return self.finish(self.start(commands))
