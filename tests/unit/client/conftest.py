from collections.abc import Iterator

import pytest
import rlhf

from .scripted_server import SERVICES, Script, serving


@pytest.fixture(scope="session")
def scripted() -> Iterator[tuple[Script, str]]:
    script = Script()
    with serving(script) as address:
        yield script, address


@pytest.fixture
def script(scripted: tuple[Script, str]) -> Script:
    """The running server's, as good as new."""
    vars(scripted[0]).update(vars(Script()))
    return scripted[0]


@pytest.fixture
def address(script: Script, scripted: tuple[Script, str]) -> str:
    return scripted[1]


@pytest.fixture
def client(address: str) -> Iterator[rlhf.Client]:
    with rlhf.Client(**dict.fromkeys(SERVICES, address)) as client:
        yield client


@pytest.fixture
def environment(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The command line finds the server through the environment."""
    for service in SERVICES:
        monkeypatch.setenv(f"RLHF_{service.upper()}", address)
    return address
