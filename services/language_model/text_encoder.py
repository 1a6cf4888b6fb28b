"""Text to ids such that nothing a person writes becomes a special token, however it is spelled.

Special tokens say what text must not be able to say: which role speaks, where a message ends. A copy of the tokenizer
reads them as the text they are spelled with, and knows them by secret names only; those stand where the chat template
itself wrote one. Where text spells none, the ids are those of the plain tokenizer.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from weakref import WeakKeyDictionary

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import AddedToken

from services.runtime.errors import InvalidInput, Problem


class TextEncoder:
    """Nothing of it changes once it is made, so threads may share it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokens = special_tokens(tokenizer)
        nonce = secrets.randbits(128)  # nobody guesses it, and no template changes the case of digits
        self._names = {spelling: f"[{nonce}:{n}]" for n, spelling in enumerate(tokens)}
        self._stand_in, self._any_stand_in = f"[{nonce}/{{}}]", re.compile(rf"\[{nonce}/(\d+)\]")
        self._any_special = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)")
        self._openings = {spelling[:end] for spelling in tokens for end in range(1, len(spelling))}
        self._endings = {spelling[start:] for spelling in tokens for start in range(1, len(spelling))}
        self._longest = max(map(len, tokens), default=0)
        self._backend = _reading_specials_as_text(tokenizer, tokens, self._names)
        vocabulary = self._backend.get_vocab()
        self._ids = {vocabulary[name]: vocabulary[spelling] for spelling, name in self._names.items()}
        self._never_text = {index for index in self._ids.values() if index != tokenizer.unk_token_id}

    def text(self, text: str) -> list[int]:
        """Raises InvalidInput, as all methods do, for a special token that its tokenizer cannot read as text."""
        return self._encode(text)

    def framed(self, text: str, second: str | None = None) -> list[int]:
        """A text or a pair among the special tokens that the tokenizer adds by itself: [CLS] and [SEP] of BERT."""
        return self._encode(text, second, framed=True)

    def template(self, contents: Sequence[str], render: Callable[[list[str]], str]) -> list[int]:
        """Ids of what `render` makes of the contents; special tokens are those that it adds."""
        hidden: list[str] = []
        rendered = render([self._hide(content, hidden) for content in contents])
        named = self._any_special.sub(lambda match: self._names[match[0]], rendered)
        whole = self._any_stand_in.sub(lambda match: hidden[int(match[1])], named)
        return [self._ids.get(index, index) for index in self.text(whole)]

    def _encode(self, text: str, second: str | None = None, *, framed: bool = False) -> list[int]:
        found = self._backend.encode(text, second, add_special_tokens=framed)
        for index, added in zip(found.ids, found.special_tokens_mask, strict=True):
            if index in self._never_text and not added:  # a vocabulary of whole words, say, may hold it as one
                given = repr(self._backend.id_to_token(index))
                raise InvalidInput(Problem("text", given, "text without this special token of the model"))
        return found.ids

    def _hide(self, content: str, hidden: list[str]) -> str:
        """The content with stand-ins, numbered by `hidden`, for what spells a special token.

        Also for an end like "<|e" or a beginning like "nd|>", which may do so together with what comes to stand beside.
        """

        def stand_in(text: str) -> str:
            hidden.append(text)
            return self._stand_in.format(len(hidden) - 1) if text else ""

        core = content.strip()  # a template may strip, too
        before, _, after = content.partition(core) if core else (content, "", "")
        start = next((n for n in range(self._longest, 0, -1) if core[:n] in self._endings), 0)
        end = next((n for n in range(self._longest, 0, -1) if core[start:][-n:] in self._openings), 0)
        head, body, tail = core[:start], core[start : len(core) - end], core[len(core) - end :]
        body = self._any_special.sub(lambda match: stand_in(match[0]), body)
        return f"{before}{stand_in(head)}{body}{stand_in(tail)}{after}"


def text_encoder(tokenizer: PreTrainedTokenizerBase) -> TextEncoder:
    """Made once, and again after tokens were added."""
    size, encoder = _ENCODERS.get(tokenizer, (0, None))
    if encoder is None or size != len(tokenizer):
        encoder = TextEncoder(tokenizer)
        _ENCODERS[tokenizer] = (len(tokenizer), encoder)
    return encoder


_ENCODERS: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[int, TextEncoder]] = WeakKeyDictionary()


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, AddedToken]:
    """By spelling: what is marked as special, and what was given a role such as the end of sequence."""
    given = {spelling: AddedToken(spelling, normalized=False) for spelling in tokenizer.all_special_tokens}
    return given | {token.content: token for token in tokenizer.added_tokens_decoder.values() if token.special}


def _reading_specials_as_text(
    tokenizer: PreTrainedTokenizerBase, tokens: Mapping[str, AddedToken], names: Mapping[str, str]
) -> Tokenizer:
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    backend: Tokenizer = deepcopy(tokenizer.backend_tokenizer)
    backend.no_truncation()
    backend.no_padding()
    backend.add_special_tokens(list(tokens.values()))
    for spelling, token in tokens.items():
        name, strip = names[spelling], {"lstrip": token.lstrip, "rstrip": token.rstrip}
        backend.add_tokens([AddedToken(name, special=False, normalized=False, **strip)])
    backend.encode_special_tokens = True
    return backend
