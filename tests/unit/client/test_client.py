"""The two clients: alike, and free of torch."""

import inspect
import subprocess
import sys

import pytest
import rlhf

from .scripted_server import SERVICES

NAMESPACES = ("policy", "reward", "reference", "datasets", "models", "runs")


def methods(owner: object) -> dict[str, inspect.Signature]:
    names = [name for name in dir(owner) if not name.startswith("_") and name not in ("wire", "handle")]
    return {name: inspect.signature(getattr(owner, name)) for name in names if callable(getattr(owner, name))}


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_both_clients_have_the_same_methods_and_signatures(namespace: str) -> None:
    found = methods(getattr(rlhf.Client(), namespace))
    assert found == methods(getattr(rlhf.AsyncClient(), namespace))
    assert found
    for name, signature in found.items():
        assert "timeout" in signature.parameters, name


def test_run_handles_have_the_same_methods_too() -> None:
    expected = {"wait", "watch", "logs", "refresh", "cancel", "resume"}
    sync, other = vars(rlhf.RunHandle), vars(rlhf.AsyncRunHandle)
    assert expected <= set(dir(rlhf.RunHandle)) & set(dir(rlhf.AsyncRunHandle))
    assert sync.keys() - {"__doc__"} == other.keys() - {"__doc__"}


async def test_an_answer_is_the_same_from_both(client: rlhf.Client, address: str) -> None:
    prompts = ["a", [{"role": "user", "content": "b"}], [5, 6]]
    async with rlhf.AsyncClient(**dict.fromkeys(SERVICES, address)) as other:
        awaited = await other.policy.generate(prompts, samples_per_prompt=2)
        pieces = [piece async for piece in other.policy.stream("a")]
        with pytest.raises(rlhf.NotFoundError):
            await other.runs.get("r9")
    assert awaited == client.policy.generate(prompts, samples_per_prompt=2)
    assert pieces == list(client.policy.stream("a"))


def test_an_async_client_may_be_made_before_the_loop_runs(address: str) -> None:
    code = f"""
import asyncio, rlhf
client = rlhf.AsyncClient(policy={address!r})
async def main():
    print((await client.policy.generate("a"))[0].text)
    await client.close()
asyncio.run(main())
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "answer 0.0\n"


def test_neither_sdk_nor_cli_loads_torch_or_the_services() -> None:
    heavy = {"torch", "transformers", "services"}
    code = f"import sys, rlhf.cli; print({heavy} & {{name.split('.')[0] for name in sys.modules}})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
