"""The text of a response while its tokens come in: pieces for a stream, and the place where a stop text begins."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from services.language_model.chat import decode_response

UNFINISHED = "\ufffd"  # what the bytes of a character decode to until the last of them is there


class IncrementalText:
    """Decodes a short tail per token rather than the whole text again."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str]) -> None:
        self.tokenizer, self.stop = tokenizer, stop
        self.text = ""
        self.stopped = False
        self._ids: list[int] = []
        self._context, self._decoded = 0, 0  # tokens before `_decoded` are in `text`; those from `_context` are context
        self._taken = 0  # characters handed out

    def push(self, token: int) -> None:
        self._ids.append(token)
        before = decode_response(self.tokenizer, self._ids[self._context : self._decoded])
        after = decode_response(self.tokenizer, self._ids[self._context :])
        if len(after) > len(before) and not after.endswith(UNFINISHED):
            self._context, self._decoded = self._decoded, len(self._ids)
            self._extend(after[len(before) :])

    def finish(self) -> None:
        """Take in what is left, characters that stay unfinished included."""
        if not self.stopped:
            before = decode_response(self.tokenizer, self._ids[self._context : self._decoded])
            after = decode_response(self.tokenizer, self._ids[self._context :])
            self._decoded = len(self._ids)
            self._extend(after[len(before) :])

    def take(self, finished: bool) -> str:
        """The text since the last call, without what may turn out to be the beginning of a stop text."""
        end = len(self.text) - (0 if finished else self._held_back())
        piece = self.text[self._taken : end]
        self._taken = max(self._taken, end)
        return piece

    def _extend(self, piece: str) -> None:
        searched = max(0, len(self.text) - max(map(len, self.stop), default=0))
        self.text += piece
        found = [at for stop in self.stop if (at := self.text.find(stop, searched)) >= 0]
        if found:
            self.text, self.stopped = self.text[: min(found)], True

    def _held_back(self) -> int:
        longest = max(map(len, self.stop), default=1) - 1
        sizes = range(min(longest, len(self.text)), 0, -1)
        return next((n for n in sizes if any(stop.startswith(self.text[-n:]) for stop in self.stop)), 0)
