"""Messages to prompt ids, text to response ids and back. Text crosses this boundary once; ids travel from here on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import jinja2
from transformers import PreTrainedTokenizerBase

from services.language_model.text_encoder import text_encoder
from services.runtime.errors import InvalidInput, Problem

ROLES = ("system", "user", "assistant")

DEFAULT_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'Human: ' + message['content'] + '\\n\\n' }}"
    "{% else %}{{ 'Assistant:\\n' + message['content'] + eos_token + '\\n\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:\\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Message:
    role: str  # system, user or assistant
    content: str


def default_chat_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """For a tokenizer that has none; opens with the beginning-of-sequence token if the tokenizer adds one."""
    ids = tokenizer("a").input_ids
    adds_bos = tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id
    return "{{ bos_token }}" * adds_bos + DEFAULT_CHAT_TEMPLATE


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Ids up to where the assistant speaks, exactly as `apply_chat_template` of plain transformers gives them.

    A special token that a message spells stays text, which it would not there. Raises InvalidInput for an unknown role,
    no message, or an order of roles that the template refuses.
    """
    _check(messages)

    def render(contents: list[str]) -> str:
        return _render(tokenizer, [replace(m, content=content) for m, content in zip(messages, contents, strict=True)])

    return text_encoder(tokenizer).template([message.content for message in messages], render)


def encode_response(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of a complete response: it ends with the end-of-sequence token, and holds no other special one."""
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    return [*text_encoder(tokenizer).text(text), end]


def decode_response(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))


def _render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    template = None if tokenizer.chat_template else default_chat_template(tokenizer)
    try:
        rendered = tokenizer.apply_chat_template(
            [asdict(message) for message in messages],
            chat_template=template,
            add_generation_prompt=True,
            tokenize=False,
        )
    except jinja2.TemplateError as error:
        roles = ", ".join(message.role for message in messages)
        raise InvalidInput(Problem("messages", f"roles {roles}", f"what the chat template takes: {error}")) from error
    return str(rendered)


def _check(messages: Sequence[Message]) -> None:
    if not messages:
        raise InvalidInput(Problem("messages", "none", "at least one message"))
    unknown = [(i, message.role) for i, message in enumerate(messages) if message.role not in ROLES]
    if unknown:
        raise InvalidInput(*(Problem(f"messages[{i}].role", role, " or ".join(ROLES)) for i, role in unknown))
