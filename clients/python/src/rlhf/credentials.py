"""What a client shows to the services: a bearer token, and certificates."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import grpc

from rlhf.errors import InvalidInputError, Problem
from rlhf.watched import Watched

TRUE, FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Credentials:
    """`ca` turns TLS on: the certificates (PEM) of the authority that the services' own must come from.

    `cert` and `key` are the client's own, where services ask for one (mutual TLS). Files are read again when they
    change. Raises InvalidInputError for what cannot be used.
    """

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    allow_plaintext_token: bool = False  # without TLS, also to other machines

    def __post_init__(self) -> None:
        if found := list(self._problems()):
            raise InvalidInputError(*found)

    def _problems(self) -> Iterator[Problem]:
        if not self.token.isascii() or len(self.token.split()) > 1:
            yield Problem("token", "got white space or letters beyond ASCII in it, expected a token alone")
        if self.token and self.token_file:
            yield Problem("token_file", "got a token as well, expected one of the two")
        if (self.cert is None) != (self.key is None):
            yield Problem("key" if self.cert else "cert", "got nothing, expected a file: cert and key belong together")
        if self.cert and not self.ca:
            yield Problem("ca", "got nothing, expected a file: a client's certificate is shown over TLS alone")
        yield from _unusable("token_file", self.token_file, _read_token)
        yield from _unusable("ca", self.ca, check_authority)
        if self.cert and self.key:
            yield from _unusable("cert", self.cert, lambda cert: check_pair(cert, self.key))

    @property
    def has_token(self) -> bool:
        return bool(self.token or self.token_file)


NAMES = tuple(each.name for each in fields(Credentials))
FILES = ("token_file", "ca", "cert", "key")


def variable(name: str) -> str:
    """The environment's name for a setting of clients."""
    return f"RLHF_{name.upper()}"


def credentials_from(texts: Mapping[str, str]) -> Credentials:
    """`texts` by the names of the fields; an empty one counts as none."""
    values: dict[str, Any] = {name: Path(texts[name]).expanduser() for name in FILES if texts.get(name)}
    token, allow = texts.get("token", "").strip(), texts.get("allow_plaintext_token", "").lower()
    if allow not in (*TRUE, *FALSE):
        raise InvalidInputError(Problem("allow_plaintext_token", f"got {allow!r}, expected true or false"))
    return Credentials(token=token, allow_plaintext_token=allow in TRUE, **values)


def own_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those by which this process has its credentials, as a child in another folder can use them."""
    given = {name: text for name in NAMES if (text := environ.get(variable(name)))}
    absolute = {name: str(Path(given[name]).expanduser().absolute()) for name in FILES if name in given}
    return {variable(name): text for name, text in {**given, **absolute}.items()}


def credentials_from_environment(environ: Mapping[str, str]) -> Credentials:
    """Of a process that is told by its environment alone, as services are."""
    return credentials_from({name: environ.get(variable(name), "") for name in NAMES})


class Shown:
    """Credentials as they are at the moment of a call."""

    def __init__(self, credentials: Credentials) -> None:
        self._token = _token_source(credentials)
        self._security = _security_source(credentials)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        token = self._token()
        return (("authorization", f"Bearer {token}"),) if token else ()

    def security(self) -> grpc.ChannelCredentials | None:
        """None: no TLS. The same object for as long as the files stay as they are."""
        return self._security()


def _token_source(credentials: Credentials) -> Callable[[], str]:
    if file := credentials.token_file:
        return Watched([file], lambda: _read_token(file)).value
    return lambda: credentials.token


def _security_source(credentials: Credentials) -> Callable[[], grpc.ChannelCredentials | None]:
    files = [file for file in (credentials.ca, credentials.key, credentials.cert) if file]
    if not files:
        return lambda: None

    def read() -> grpc.ChannelCredentials:
        check_authority(files[0])
        if credentials.cert:
            check_pair(credentials.cert, credentials.key)
        return grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))

    return Watched(files, read).value


def _read_token(file: Path) -> str:
    """Errors do not show what stands there."""
    words = file.read_text().split()
    if len(words) != 1:
        raise ValueError(f"{file} holds {len(words)} words instead of a token alone")
    return words[0]


def check_authority(file: Path) -> None:
    """Raises OSError or ValueError unless certificates stand there."""
    ssl.create_default_context(cafile=file)


def check_pair(cert: Path, key: Path | None) -> None:
    """Raises OSError or ValueError unless the two are readable and belong together."""
    # An empty password: a key that wants one must not be asked for on a terminal.
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")


def _unusable(name: str, file: Path | None, check: Callable[[Path], Any]) -> Iterator[Problem]:
    try:
        if file:
            check(file)
    except (OSError, ValueError) as error:
        yield Problem(name, f"got {file}, which cannot be used: {error}")
