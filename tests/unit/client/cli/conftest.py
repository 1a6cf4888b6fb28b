from collections.abc import Callable

import pytest
import rlhf.cli
from typer.testing import CliRunner, Result

Rlhf = Callable[..., Result]


@pytest.fixture
def offline() -> Rlhf:
    """Runs the command line as people do; nothing serves."""

    def run(*arguments: object, input: str | None = None) -> Result:
        return CliRunner().invoke(rlhf.cli.app, [str(argument) for argument in arguments], input=input)

    return run


@pytest.fixture
def cli(environment: str, offline: Rlhf) -> Rlhf:
    """The same against the scripted server; it must succeed unless a test says otherwise."""

    def run(*arguments: object, input: str | None = None, exit_code: int = 0) -> Result:
        result = offline(*arguments, input=input)
        assert result.exit_code == exit_code, result.output
        return result

    return run
