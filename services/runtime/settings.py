"""Settings of a process: a frozen dataclass, filled from flags and environment variables.

`--metrics-port 0` and `RLHF_POLICY_METRICS_PORT=0` set the same field; the flag wins. What nobody knows is refused.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints

from services.runtime.errors import InvalidInput, Problem

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True)
class Settings:
    """Base of every settings class. `problems` yields what is wrong with the values; all of it is reported at once."""

    def __post_init__(self) -> None:
        if found := list(self.problems()):
            raise InvalidInput(*found)

    def problems(self) -> Iterator[Problem]:
        yield from ()


SettingsT = TypeVar("SettingsT", bound=Settings)


def not_positive(settings: Settings, *names: str) -> Iterator[Problem]:
    for name in names:
        if (value := getattr(settings, name)) <= 0:
            yield Problem(name, str(value), "a number above 0")


def negative_seconds(settings: Settings, *names: str) -> Iterator[Problem]:
    for name in names:
        if (value := getattr(settings, name)) < 0:
            yield Problem(name, str(value), "a number of seconds, 0 or more")


@dataclass(frozen=True)
class ListenSettings(Settings):
    """Where a process listens, to whom, and how it stops; files are read again when they change."""

    host: str = "127.0.0.1"  # listens on this machine alone unless told otherwise
    port: int = 0  # 0: any free one, named in the line `listening on`
    tokens_file: Path | None = None  # who may call: lines of role, name and token
    tokens: str = field(default="", repr=False, metadata={"variable": "RLHF_TOKENS"})  # the same lines
    tls_cert: Path | None = None  # PEM; the certificates up to an authority that callers know
    tls_key: Path | None = None
    tls_client_ca: Path | None = None  # callers must show a certificate of this authority's as well
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    drain_seconds: float = 45.0  # how long admitted calls may take to finish after SIGTERM
    log_json: bool = False
    stop_with_parent: bool = False  # stdin is a pipe of the parent's; its end is the end of the parent

    @property
    def wants_tokens(self) -> bool:
        return bool(self.tokens_file or self.tokens)

    def problems(self) -> Iterator[Problem]:
        if not (self.wants_tokens or is_loopback(self.host)):
            expected = "a file of tokens, or RLHF_TOKENS with its lines: without, a service listens on loopback alone"
            yield Problem("tokens_file", f"nothing for the host {self.host}", expected)
        if self.tokens_file and self.tokens:
            yield Problem("tokens_file", "RLHF_TOKENS as well", "one of the two")
        if (self.tls_cert is None) != (self.tls_key is None):
            yield Problem("tls_key" if self.tls_cert else "tls_cert", "nothing", "a file: cert and key belong together")
        if self.tls_client_ca and not self.tls_cert:
            yield Problem("tls_cert", "nothing", "a file: callers show their certificates over TLS alone")
        for name in ("port", "metrics_port"):
            if not 0 <= getattr(self, name) <= 65535:
                yield Problem(name, str(getattr(self, name)), "a port, 0 to 65535")
        yield from negative_seconds(self, "drain_seconds")


def is_loopback(host: str) -> bool:
    """Whether who listens there is heard on this machine alone. What is in doubt is not."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class ServerSettings(ListenSettings):
    """What every service needs; a service adds its own fields."""

    # Health alone, in plaintext beside TLS, for probes that speak none; -1: on the main port only.
    health_port: int = -1
    storage: str = ""  # a folder, file:///folder or s3://bucket/prefix?endpoint=https://host&region=name
    cache: Path = Path.home() / ".cache" / "rlhf"  # fetched weights
    cache_gib: float = 20.0  # what the cache may hold before the least recently used goes
    deadline_seconds: float = 300.0  # of calls that bring no deadline
    connection_age_seconds: float = 300.0  # then a client connects anew, and so finds new replicas
    max_calls: int = 256  # in progress at once; more are refused with a retry hint
    max_message_mib: int = 64
    threads: int = 1

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if not -1 <= self.health_port <= 65535:
            yield Problem("health_port", str(self.health_port), "a port, or -1 for none")
        if not self.storage:
            yield Problem("storage", "nothing", "a folder, file:///folder or s3://bucket/prefix")
        yield from not_positive(self, "cache_gib", "deadline_seconds", "connection_age_seconds")
        yield from not_positive(self, "max_calls", "max_message_mib", "threads")


def load_settings(cls: type[SettingsT], prefix: str, argv: Sequence[str], environ: Mapping[str, str]) -> SettingsT:
    """Raises InvalidInput with every unknown name and every unreadable or impossible value."""
    flags, problems = _read_flags(cls, prefix, argv)
    variables = {field.name: _variable(prefix, field) for field in fields(cls)}
    texts = {name: (variable, environ[variable]) for name, variable in variables.items() if variable in environ}
    problems += _unknown_variables(prefix, environ, set(variables.values()))
    texts |= {name: (_flag(name), text) for name, text in flags.items()}
    values, unreadable = _convert(cls, texts)
    problems += unreadable
    try:
        settings = cls(**values)
    except InvalidInput as error:
        raise InvalidInput(*problems, *error.problems) from None
    if problems:
        raise InvalidInput(*problems)
    return settings


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidInput(Problem("command line", message, "--flag value"))


def _read_flags(cls: type[Settings], prefix: str, argv: Sequence[str]) -> tuple[dict[str, str], list[Problem]]:
    parser = _Parser(allow_abbrev=False, argument_default=argparse.SUPPRESS, epilog=_epilog(cls))
    hints = get_type_hints(cls)
    with_flags = [each for each in fields(cls) if "variable" not in each.metadata]
    for each in with_flags:
        switch = hints[each.name] is bool
        parser.add_argument(
            _flag(each.name),
            help=_help(prefix, each),
            nargs="?" if switch else None,
            const="true" if switch else None,
        )
    flags, unknown = parser.parse_known_args(list(argv))
    known = ", ".join(_flag(each.name) for each in with_flags)
    return vars(flags), [Problem(text, "an unknown flag", f"one of {known}") for text in unknown]


def _unknown_variables(prefix: str, environ: Mapping[str, str], known: set[str]) -> list[Problem]:
    unknown = sorted(name for name in environ if name.startswith(prefix) and name not in known)
    return [Problem(name, "an unknown variable", f"one of {', '.join(sorted(known))}") for name in unknown]


def _convert(cls: type[Settings], texts: Mapping[str, tuple[str, str]]) -> tuple[dict[str, Any], list[Problem]]:
    """`texts` is field → (what people called it, text)."""
    hints, values, problems = get_type_hints(cls), {}, []
    for name, (source, text) in texts.items():
        try:
            values[name] = _parse(hints[name], text)
        except ValueError:
            problems.append(Problem(source, repr(text), f"a value of type {hints[name].__name__}"))
    return values, problems


def _parse(kind: type, text: str) -> Any:
    if kind is bool:
        if text.lower() not in TRUE | FALSE:
            raise ValueError(text)
        return text.lower() in TRUE
    if kind == Path | None:
        return Path(text).expanduser() if text else None
    assert kind in (str, int, float, Path), f"settings hold no {kind}"
    return Path(text).expanduser() if kind is Path else kind(text)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(prefix: str, field: Field) -> str:
    """One with a variable of its own is a secret: it has no flag, as others can read a command line."""
    return field.metadata.get("variable", prefix + field.name.upper())


def _epilog(cls: type[Settings]) -> str:
    secrets = [field.metadata["variable"] for field in fields(cls) if "variable" in field.metadata]
    return f"From the environment alone: {', '.join(secrets)}" if secrets else ""


def _help(prefix: str, field: Field) -> str:
    default = "" if field.default in (MISSING, None) else f", default {field.default!s}"
    return f"or {_variable(prefix, field)}{default}".replace("%", "%%")
