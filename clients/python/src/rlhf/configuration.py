"""Where the services are and what to show them: from arguments, the environment, and a file."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from rlhf import credentials
from rlhf.credentials import Credentials, variable
from rlhf.errors import InvalidInputError, Problem

DEFAULT_ADDRESSES = {
    "policy": "127.0.0.1:50051",
    "reward": "127.0.0.1:50052",
    "reference": "127.0.0.1:50053",
    "trainer": "127.0.0.1:50054",
    "feedback": "127.0.0.1:50055",
}
# What replaces each other or belongs together is taken from one place.
GROUPS = (("token", "token_file"), ("ca",), ("cert", "key"), ("allow_plaintext_token",))


FilePath = str | os.PathLike[str]


class Settings(TypedDict, total=False):
    """What clients take; see `rlhf.Client`."""

    policy: str | None
    reward: str | None
    reference: str | None
    trainer: str | None
    feedback: str | None
    token: str | None
    token_file: FilePath | None
    ca: FilePath | None
    cert: FilePath | None
    key: FilePath | None
    allow_plaintext_token: bool | None


NAMES = tuple(Settings.__annotations__)


@dataclass(frozen=True)
class Configuration:
    addresses: dict[str, str]  # by service
    credentials: Credentials


def configure(settings: Settings, environ: Mapping[str, str] = os.environ) -> Configuration:
    """An argument counts before the environment (RLHF_POLICY, RLHF_TOKEN, …), and that before the file.

    An argument of None was not given; an empty one says "none", whatever the environment and the file say.
    Raises InvalidInputError.
    """
    if unknown := settings.keys() - set(NAMES):
        raise TypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(NAMES)}")
    places = (_texts(settings), _from_environment(environ), read_file(configuration_file(environ)))
    addresses = {name: _first(places, name) or default for name, default in DEFAULT_ADDRESSES.items()}
    chosen = {name: text for group in GROUPS for name, text in _first_with_any(places, group).items()}
    return Configuration(addresses, credentials.credentials_from(chosen))


def configuration_file(environ: Mapping[str, str]) -> Path:
    if given := environ.get("RLHF_CONFIG"):
        return Path(given).expanduser()
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "rlhf" / "config.toml"


def read_file(path: Path) -> dict[str, str]:
    """A flat TOML file with the names of the arguments; relative paths start at its own folder. No file: nothing."""
    try:
        given = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidInputError(Problem(str(path), f"cannot be read: {error}")) from None
    if unknown := [name for name in given if name not in NAMES]:
        raise InvalidInputError(
            *(Problem(f"{path}: {name}", f"expected one of {', '.join(NAMES)}") for name in unknown)
        )
    if tables := [name for name, value in given.items() if not isinstance(value, str | bool)]:
        raise InvalidInputError(*(Problem(f"{path}: {name}", "expected a text") for name in tables))
    texts = _texts(given)
    paths = {name: str(path.parent / Path(texts[name]).expanduser()) for name in credentials.FILES if texts.get(name)}
    return texts | paths


def _texts(given: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in given.items() if value is not None}


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """An empty variable is as good as none."""
    return {name: text for name in NAMES if (text := environ.get(variable(name)))}


def _first(places: tuple[dict[str, str], ...], name: str) -> str:
    return next((place[name] for place in places if place.get(name)), "")


def _first_with_any(places: tuple[dict[str, str], ...], names: tuple[str, ...]) -> dict[str, str]:
    for place in places:
        if found := {name: place[name] for name in names if name in place}:
            return found
    return {}
