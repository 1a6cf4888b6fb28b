"""How much work may wait: a bound in tokens, refused at once beyond it with a hint when to come back."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime.errors import InvalidInput, Overloaded, Problem

# Until a rate has been measured, and the bounds of any hint: a caller neither hammers nor gives up.
FIRST_RATE = 1000.0
SHORTEST_RETRY, LONGEST_RETRY = 0.1, 30.0
SMOOTHING = 0.2


class TokenAdmission:
    def __init__(self, limit_tokens: int):
        self.limit_tokens = limit_tokens
        self.tokens = 0  # admitted and not yet answered
        self.requests = 0
        self._tokens_per_second = FIRST_RATE

    @contextmanager
    def admitted(self, tokens: int) -> Iterator[None]:
        """Counts a request's tokens until it is answered; Overloaded when they would exceed the limit.

        InvalidInput for a request that would never fit.
        """
        if tokens > self.limit_tokens:
            raise InvalidInput(Problem("request", f"{tokens} tokens", f"at most {self.limit_tokens}; send it in parts"))
        if self.tokens + tokens > self.limit_tokens:
            message = f"{self.tokens} of {self.limit_tokens} tokens are taken, the request needs {tokens}"
            raise Overloaded(message, self.retry_after(tokens))
        self.tokens += tokens
        self.requests += 1
        try:
            yield
        finally:
            self.tokens -= tokens
            self.requests -= 1

    def measured(self, tokens: int, seconds: float) -> None:
        rate = tokens / max(seconds, 1e-6)
        self._tokens_per_second += SMOOTHING * (rate - self._tokens_per_second)

    def retry_after(self, tokens: int) -> float:
        """Seconds until enough admitted work should be done for `tokens` more to fit."""
        excess = self.tokens + tokens - self.limit_tokens
        return min(max(excess / self._tokens_per_second, SHORTEST_RETRY), LONGEST_RETRY)
