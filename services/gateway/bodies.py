"""Bodies of requests: bounded, JSON, and with no field that nobody would read."""

import asyncio
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request

from services.gateway.errors import Refused, invalid_input

MAX_MODEL_CHARS = 300
ModelName = Annotated[str, Field(min_length=1, max_length=MAX_MODEL_CHARS)]


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
    """Raises Refused for one that is too large or too slow."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                chunks.append(chunk)
                if (size := size + len(chunk)) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {seconds:g} s") from None
    return b"".join(chunks)


def check_json(request: Request) -> None:
    """A page of another site can make a browser send plain text, and not this."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise Refused(415, f"content-type: got {given or 'nothing'}, expected application/json")


def _too_large(limit: int) -> Refused:
    return Refused(413, f"body: got more than {limit} bytes, expected at most that")
