"""Messages and sampling as OpenAI's clients send them."""

import secrets
from typing import Annotated, Any, Literal

from pydantic import Field

from services.gateway.bodies import Body, Content, ModelName, Texts

MAX_MESSAGES = 1000
DEFAULT_TOKENS = 512
MAX_SEED = 2**63 - 1


class Message(Body):
    role: Literal["system", "developer", "user", "assistant"]
    content: Content
    name: str = ""

    @property
    def plain(self) -> dict[str, str]:
        return {"role": "system" if self.role == "developer" else self.role, "content": self.content}


Messages = Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]


class Sampled(Body):
    """What every request for new text may say. OpenAI's penalties and the like are taken where they change nothing."""

    model: ModelName
    messages: Messages
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: Annotated[Texts, Field(max_length=4)] = Field(default_factory=list)
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    frequency_penalty: float = Field(0, ge=0, le=0)
    presence_penalty: float = Field(0, ge=0, le=0)
    user: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    store: bool = False

    @property
    def prompt(self) -> list[dict[str, str]]:
        return [message.plain for message in self.messages]

    @property
    def sampling(self) -> dict[str, Any]:
        """Arguments of the SDK. Without a seed, the same question gets another answer each time."""
        return {
            "model": self.model,
            "max_new_tokens": self.max_completion_tokens or self.max_tokens or DEFAULT_TOKENS,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "stop": self.stop,
            "seed": secrets.randbits(63) if self.seed is None else self.seed,
        }
