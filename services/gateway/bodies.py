"""Bodies of requests: bounded, JSON, and with no field that nobody would read."""

import asyncio
import re
import zlib
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import ClientDisconnect, Request

from services.gateway.errors import NOBODY_READS, Refused, invalid_input
from services.runtime.errors import InvalidInput, Problem

MAX_MODEL_CHARS = 300
NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
MODEL = re.compile(f"{NAME}(/{NAME})?(@{NAME})?")
GZIP = 31  # how zlib calls it


def as_model(given: Any) -> Any:
    if isinstance(given, str) and not MODEL.fullmatch(given):
        raise ValueError("a name, name@version, or an alias such as policy/default")
    return given


ModelName = Annotated[str, Field(max_length=MAX_MODEL_CHARS), BeforeValidator(as_model)]


class Body(BaseModel):
    """A null counts as not given."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def without_nulls(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Raises InvalidInput with every problem."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise invalid_input(error, list(cls.model_fields)) from None


class Named(Body):
    model: ModelName


BodyT = TypeVar("BodyT", bound=Body)


def as_list(given: Any) -> Any:
    """One text counts as a list of one."""
    return [given] if isinstance(given, str) else given


def as_text(given: Any) -> Any:
    """The texts of OpenAI's content parts."""
    if not isinstance(given, list):
        return given
    if not all(isinstance(part, dict) and part.get("type") == "text" for part in given):
        raise ValueError("a text, or a list of parts of the type text")
    return "".join(str(part.get("text", "")) for part in given)


Texts = Annotated[list[str], BeforeValidator(as_list)]
Content = Annotated[str, BeforeValidator(as_text)]


async def read_bytes(request: Request, limit: int, seconds: float) -> bytes:
    """Unpacked where it came as gzip. Raises Refused for one that is too large, too slow or broken off."""
    unpacker = gzip_unpacker(request)
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit:
        raise _too_large(limit)
    chunks, size, arrived = [], 0, 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                plain = unpack(unpacker, chunk, limit + 1 - size) if unpacker else chunk
                size, arrived = size + len(plain), arrived + len(chunk)
                if max(size, arrived) > limit:
                    raise _too_large(limit)
                chunks.append(plain)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {seconds:g} s") from None
    except ClientDisconnect:
        raise Refused(NOBODY_READS, "the client hung up before its body was whole") from None
    if unpacker and (not unpacker.eof or unpacker.unused_data):
        raise _not_gzip()
    return b"".join(chunks)


def gzip_unpacker(request: Request) -> "zlib._Decompress | None":
    given = request.headers.get("content-encoding", "identity").strip().lower()
    if given not in ("identity", "gzip"):
        raise Refused(415, f"content-encoding: got {given[:100]}, expected gzip or none")
    return zlib.decompressobj(GZIP) if given == "gzip" else None


def unpack(unpacker: "zlib._Decompress", chunk: bytes, most: int) -> bytes:
    """As much of it as is asked for: a little gzip can unpack to very much."""
    try:
        return unpacker.decompress(chunk, most)
    except zlib.error:
        raise _not_gzip() from None


def _not_gzip() -> InvalidInput:
    return InvalidInput(Problem("body", "something else", "gzip, as content-encoding says"))


def check_json(request: Request) -> None:
    """A page of another site can make a browser send plain text, and not this."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise Refused(415, f"content-type: got {given or 'nothing'}, expected application/json")


def _too_large(limit: int) -> Refused:
    return Refused(413, f"body: got more than {limit} bytes, expected at most that")
