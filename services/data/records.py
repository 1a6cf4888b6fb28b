"""The four things a dataset can hold. Prompts are conversations; answers are plain text without special tokens."""

from dataclasses import dataclass
from enum import StrEnum


class RecordType(StrEnum):
    DEMONSTRATION = "demonstration"
    COMPARISON = "comparison"
    PROMPT = "prompt"
    UNPAIRED_LABEL = "unpaired_label"


ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Message:
    role: str  # one of ROLES
    content: str


Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What a good answer looks like: a target for SFT."""

    prompt: Prompt
    response: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two answers to one prompt, the better one known."""

    prompt: Prompt
    chosen: str
    rejected: str
    margin: float | None = None  # by how many logits the chosen answer should lead; None: 0
    weight: float | None = None  # of this pair in the loss, above 0; None: 1


@dataclass(frozen=True, slots=True)
class PromptRecord:
    """Something to answer, as PPO and evaluation need it."""

    prompt: Prompt


@dataclass(frozen=True, slots=True)
class UnpairedLabel:
    """One answer with a thumb up (True) or down (False)."""

    prompt: Prompt
    response: str
    label: bool


Record = Demonstration | Comparison | PromptRecord | UnpairedLabel

TYPE_OF = {
    Demonstration: RecordType.DEMONSTRATION,
    Comparison: RecordType.COMPARISON,
    PromptRecord: RecordType.PROMPT,
    UnpairedLabel: RecordType.UNPAIRED_LABEL,
}


def responses(record: Record) -> tuple[str, ...]:
    """The answers a record holds, best first."""
    match record:
        case Demonstration() | UnpairedLabel():
            return (record.response,)
        case Comparison():
            return (record.chosen, record.rejected)
        case PromptRecord():
            return ()
