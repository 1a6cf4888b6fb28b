"""Who calls: bearer tokens and their roles. Knows no RPC, so that an HTTP application asks the same `Gate`."""

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rlhf.watched import Watched

from services.runtime.errors import InvalidInput, PermissionDenied, Problem, Unauthenticated
from services.runtime.settings import ListenSettings

HASHED = re.compile(r"sha256:([0-9a-f]{64})")
# What is stored is an unsalted hash, which is enough for random tokens and for nothing that could be guessed.
MIN_TOKEN_LENGTH = 32
LINE = "role, name and token in one line"


class Role(StrEnum):
    CALLER = "caller"  # an application that generates and scores
    TRAINER = "trainer"  # who trains, person or worker
    ANNOTATOR = "annotator"  # judges responses
    OPERATOR = "operator"  # everything


@dataclass(frozen=True)
class Identity:
    name: str
    role: Role


# Whoever uses a service that is open to this machine alone.
LOCAL = Identity("local", Role.OPERATOR)
_current: ContextVar[Identity] = ContextVar("identity", default=LOCAL)


def current_identity() -> Identity:
    """Of whom the call comes from that is being answered."""
    return _current.get()


def answer_to(identity: Identity) -> None:
    """From here on, in this task, the call comes from that one."""
    _current.set(identity)


@dataclass(frozen=True)
class Tokens:
    """Identities by the sha256 of their tokens; the tokens themselves are not kept."""

    identities: dict[bytes, Identity]

    def find(self, token: str) -> Identity | None:
        """Takes as long for one token as for any other."""
        digest, found = _sha256(token), None
        for known, identity in self.identities.items():
            if hmac.compare_digest(known, digest):
                found = identity
        return found


class Gate:
    """Lets in those with a known token and one of the roles that are asked for; without `tokens`, everybody."""

    def __init__(self, tokens: Callable[[], Tokens] | None) -> None:
        self._tokens = tokens

    def admit(self, authorization: str | None, roles: Collection[Role], what: str) -> Identity:
        """`authorization` is the header "Bearer TOKEN" that came with `what` is asked for.

        Raises Unauthenticated or PermissionDenied.
        """
        if self._tokens is None:
            return LOCAL
        identity = self._tokens().find(_bearer_token(authorization))
        if identity is None:
            raise Unauthenticated("this token is not known here; it may have been replaced")
        if identity.role not in roles:
            allowed = " or ".join(sorted(roles))
            raise PermissionDenied(f"{identity.name} is {identity.role}, and {what} takes {allowed}")
        return identity


def open_gate(settings: ListenSettings) -> Gate:
    """By the tokens in a file, which is read again when it changes, or in a variable. Raises InvalidInput."""
    if settings.tokens:
        tokens = read_tokens(settings.tokens, "RLHF_TOKENS")
        return Gate(lambda: tokens)
    if file := settings.tokens_file:
        return Gate(Watched([file], lambda: _read_file(file)).value)
    return Gate(None)


def read_tokens(text: str, source: str) -> Tokens:
    """Lines of `role name token`, blank ones and those from # on left out; a token may stand as `sha256:HEX`.

    Raises InvalidInput with what is wrong in which line, and never with a token.
    """
    lines = [(f"{source}:{number}", line.split("#")[0].split()) for number, line in enumerate(text.splitlines(), 1)]
    entries = [(place, words) for place, words in lines if words]
    if not entries:
        raise InvalidInput(Problem(source, "no token", LINE))
    if problems := list(_problems(entries)):
        raise InvalidInput(*problems)
    return Tokens({_digest(token): Identity(name, Role(role)) for _, (role, name, token) in entries})


def _read_file(file: Path) -> Tokens:
    try:
        text = file.read_text()
    except (OSError, ValueError) as error:
        raise InvalidInput(Problem("tokens_file", str(file), f"a readable file ({error})")) from None
    return read_tokens(text, str(file))


def _problems(entries: Iterable[tuple[str, list[str]]]) -> Iterator[Problem]:
    roles: dict[str, str] = {}
    digests: set[bytes] = set()
    for place, words in entries:
        if len(words) != 3:
            yield Problem(place, f"{len(words)} words", LINE)
            continue
        role, name, token = words
        if role not in list(Role):
            yield Problem(place, "another role", f"one of {', '.join(Role)}")
        if roles.setdefault(name, role) != role:
            yield Problem(place, f"a second role of {name}", "one role for a name")
        if not HASHED.fullmatch(token) and len(token) < MIN_TOKEN_LENGTH:
            yield Problem(place, "a short token", f"{MIN_TOKEN_LENGTH} random characters or more, or sha256:HEX")
        if _digest(token) in digests:
            yield Problem(place, "a token that stands there twice", "one line for a token")
        digests.add(_digest(token))


def _digest(token: str) -> bytes:
    hashed = HASHED.fullmatch(token)
    return bytes.fromhex(hashed[1]) if hashed else _sha256(token)


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _bearer_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("this call needs a token, sent as `authorization: Bearer TOKEN`")
    return token.strip()
