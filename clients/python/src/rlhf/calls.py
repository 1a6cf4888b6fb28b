"""What to ask and how to read the answer, with no network: the two clients differ only in who sends it.

A namespace such as `policy` is written once. Its methods build one of the calls below, and the descriptors `method`
and `streaming` hand it to the wire of the object they are looked up on: on a `Sync` object they return the result, on
an `Async` one an awaitable (or an async iterator) of it.
"""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from google.protobuf.message import Message

if TYPE_CHECKING:
    from rlhf.wires import AsyncWire, SyncWire

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all); called from another thread."""


@dataclass(frozen=True)
class Unary(Generic[T]):
    """One message there, one back. `repeatable`: doing it twice is the same as doing it once."""

    rpc: str
    request: Message
    read: Callable[[Any], T]
    timeout: float
    repeatable: bool = True


@dataclass(frozen=True)
class Upload(Generic[T]):
    """Many messages there, one back; `requests` starts from the beginning each time it is called."""

    rpc: str
    requests: Callable[[], Iterator[Message]]
    read: Callable[[Any], T]
    timeout: float
    repeatable: bool = False


class Position(Protocol[T_co]):
    """Where in a stream its reader is."""

    resumable: bool  # whether `request` can go on from here
    complete: bool  # whether a stream that ends here was meant to

    def request(self) -> Message: ...

    def read(self, response: Any) -> T_co | None:
        """The item to hand on; None where the reader has it already."""
        ...


@dataclass
class Once(Generic[T]):
    """A stream that cannot be taken up again once it has begun."""

    message: Message
    convert: Callable[[Any], T]
    resumable: bool = True
    complete: bool = True

    def request(self) -> Message:
        return self.message

    def read(self, response: Any) -> T:
        self.resumable = False
        return self.convert(response)


@dataclass(frozen=True)
class Stream(Generic[T]):
    """One message there, many back. With `patience`, a broken stream is taken up again for that many seconds."""

    rpc: str
    position: Position[T]
    timeout: float | None
    patience: float | None = None


class Sink(Protocol[T_co]):
    """Takes the items of a stream; `close` is called in any case."""

    def accept(self, item: Any) -> None: ...

    def result(self) -> T_co: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Fold(Generic[T]):
    """A stream that is read to its end for one result, e.g. a download."""

    stream: Stream[Any]
    sink: Callable[[], Sink[T]]


Steps = Generator["Unary[Any] | Upload[Any] | Fold[Any]", Any, T]
"""Several calls for one result: yields each, is sent its result, returns its own."""

Call = Unary[T] | Upload[T] | Fold[T] | Steps[T]


class Sync:
    """Calls block."""

    def __init__(self, wire: "SyncWire") -> None:
        self.wire = wire


class Async:
    """Calls are awaited."""

    def __init__(self, wire: "AsyncWire") -> None:
        self.wire = wire


class method(Generic[P, T]):
    """Turns a function that builds a call into a method that makes it."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, owner: Sync, kind: type | None = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Async, kind: type | None = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, owner: None, kind: type) -> Callable[..., Call[T]]: ...
    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self.build
        return _bound(self.build, owner, lambda call: owner.wire.make(call))


class streaming(Generic[P, T]):
    """The same for a call whose items are handed on one by one."""

    def __init__(self, build: Callable[Concatenate[Any, P], Stream[T]]) -> None:
        self.build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, owner: Sync, kind: type | None = None) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Async, kind: type | None = None) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, owner: None, kind: type) -> Callable[..., Stream[T]]: ...
    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self.build
        return _bound(self.build, owner, lambda call: owner.wire.stream(call))


def _bound(build: Callable, owner: Any, send: Callable[[Any], Any]) -> Callable:
    @functools.wraps(build.__get__(owner))
    def call(*args: Any, **kwargs: Any) -> Any:
        return send(build(owner, *args, **kwargs))

    return call
