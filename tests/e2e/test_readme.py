"""README.md does as it says."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import rlhf

from services.local import Services

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

Shell = Callable[..., str]


def block(heading: str, language: str) -> str:
    (found,) = re.findall(rf"^## {heading}\n.*?^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture(scope="module")
def shell(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Runs a command as in the repository's root, told by the environment where the services are."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("examples", "services"):
        (folder / name).symlink_to(ROOT / name)
    addresses = {f"RLHF_{name.upper()}": address for name, address in services.addresses.items()}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(*command: str, entered: str = "") -> str:
        environ = {**os.environ, **addresses, "PATH": path}
        done = subprocess.run(
            command, cwd=folder, env=environ, input=entered, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_python_example_runs_as_printed(shell: Shell) -> None:
    printed = shell(sys.executable, "-c", block("Use it from Python", "python"))
    scores = [float(line.split()[0]) for line in printed.splitlines() if re.match(r"[+-]\d+\.\d\d  ", line)]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)


def test_the_shell_example_runs(shell: Shell, client: rlhf.Client, tmp_path: Path) -> None:
    """Line by line, with capitals filled in; only PPO is made shorter than its 40 steps."""
    lines = re.sub(r"\\\n", "", re.sub(r" +#.*", "", block("Use it from the shell", "sh"))).splitlines()
    check, pipeline, runs, models, talk = lines
    assert "comparison" in shell("bash", "-euc", check)
    shell("bash", "-euc", f"{pipeline} --set sft.epochs=1 --set ppo.steps=2 --set ppo.max_new_tokens=16")
    latest = client.runs.list()[0]
    assert (latest.name, latest.state) == ("pipeline", "succeeded")
    printed = shell("bash", "-euc", runs.replace("RUN", latest.id))
    assert latest.id in printed
    assert "stage ppo is finished" in printed
    printed = shell("bash", "-euc", models.replace("MODEL", "pipeline-ppo"))
    assert f"policy/default is now {latest.results['ppo'].model}" in printed
    if not client.models.list("judge"):  # the Python example's, when that has not run
        client.models.upload(client.models.download("pipeline-reward_model", tmp_path / "judge"), name="judge")
    talked = shell("bash", "-euc", talk, entered="How do I make tea?\n")
    assert re.search(r"^[+-]\d+\.\d+  Boil some fresh water\.$", talked, re.MULTILINE)
    assert talked.splitlines()[0].strip(), "the policy said nothing"
