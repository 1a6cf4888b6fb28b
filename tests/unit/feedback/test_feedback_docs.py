"""The Python of docs/feedback.md runs as it stands there."""

import re
from pathlib import Path

import pytest
import rlhf
from rlhf import verl

from tests.unit.client.scripted_server import SERVICES, Script, serving
from tests.unit.feedback.test_sdk import served

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[3] / "docs/feedback.md").read_text(), re.DOTALL)


def test_the_campaign_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with served(tmp_path / "feedback") as address, rlhf.Client(feedback=address) as client:
        exec(BLOCKS[0], {"client": client, "rlhf": rlhf})
    assert "1.00" in capsys.readouterr().out
    assert (tmp_path / "prefs.parquet").stat().st_size > 0


def test_the_reward_functions_of_the_docs(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    script = Script()
    with serving(script) as address, rlhf.Client(**dict.fromkeys(SERVICES, address)) as client:
        monkeypatch.setenv("RLHF_REWARD", address)
        verl._client.cache_clear()
        exec(BLOCKS[1], {"client": client, "rlhf": rlhf})
        verl._client.cache_clear()
    printed = capsys.readouterr().out.splitlines()
    assert len(BLOCKS) == 2
    assert len(printed) == 4
    assert printed[2] == f"[{printed[1]}]" == f"[{printed[3]}]"
    assert len(script.requests["Score"]) == 3
