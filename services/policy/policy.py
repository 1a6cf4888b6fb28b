"""Samples responses, and says which weights made each."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from services.language_model.generation import Generation, Request
from services.policy.engine_loop import EngineLoop
from services.policy.metrics import PolicyMetrics
from services.policy.model import PolicyLoader
from services.policy.requests import GenerateCall, engine_requests
from services.policy.settings import PolicySettings
from services.runtime.logs import note
from services.serving.devices import device_of
from services.serving.models import model_thread, open_pool
from services.serving.token_admission import TokenAdmission
from services.storage.models import Version


@dataclass(frozen=True)
class Rollout:
    request: Request
    generation: Generation
    version: Version  # the weights that made every token


class Policy:
    def __init__(self, settings: PolicySettings, metrics: PolicyMetrics):
        self._settings = settings
        self._metrics = metrics
        self._admission = TokenAdmission(settings.queue_tokens)
        start_loop = partial(EngineLoop, executor=model_thread(settings), admission=self._admission)
        loader = PolicyLoader(settings.max_slots, settings.kv_cache_mib << 20, device_of(settings.device), start_loop)
        self.pool = open_pool(settings, metrics, loader.load, loader.swap, loader.needed_bytes)

    async def generate(self, call: GenerateCall) -> list[Rollout]:
        """Ordered by prompt, then sample."""
        started = time.monotonic()
        async with self._admitted(call) as (version, requests, loop):
            generations: dict[int, Generation] = {}
            async with aclosing(loop.events(requests, self._metrics.of(version.model))) as events:
                async for index, event in events:
                    if event.generation:
                        generations[index] = event.generation
        rollouts = [Rollout(request, generations[i], version) for i, request in enumerate(requests)]
        self._count(rollouts, started)
        return rollouts

    async def stream(self, call: GenerateCall) -> AsyncIterator[tuple[str, Rollout | None]]:
        """Pieces of the text of one response; with the last one comes the whole."""
        started, pieces = time.monotonic(), 0
        async with self._admitted(call) as (version, requests, loop):
            series = self._metrics.of(version.model)
            async with aclosing(loop.events(requests, series)) as events:
                async for _, event in events:
                    if not pieces:
                        series.first_token.observe(time.monotonic() - started)
                    pieces += 1
                    rollout = Rollout(requests[0], event.generation, version) if event.generation else None
                    if rollout:
                        self._count([rollout], started)
                    yield event.piece, rollout

    @asynccontextmanager
    async def _admitted(self, call: GenerateCall) -> AsyncIterator[tuple[Version, list[Request], EngineLoop]]:
        """A lease on the version for the whole of the call, so that one set of weights makes every token."""
        async with self.pool.acquire(call.model, call.acceptable_versions) as resident:
            requests = await asyncio.to_thread(engine_requests, call, resident.model, self._settings)
            tokens = sum(len(request.prompt_ids) + request.params.max_new_tokens for request in requests)
            with self._admission.admitted(tokens):
                async with resident.model.loop_for(call.deterministic) as loop:
                    yield resident.version, requests, loop

    def _count(self, rollouts: Sequence[Rollout], started: float) -> None:
        version = rollouts[0].version
        series = self._metrics.of(version.model)
        series.prompt_tokens.inc(sum(len(rollout.request.prompt_ids) for rollout in rollouts))
        series.generation_tokens.inc(sum(len(rollout.generation.response_ids) for rollout in rollouts))
        series.answered(version, len(rollouts), started)
        if self._settings.log_texts:
            note(responses=[rollout.generation.text for rollout in rollouts])
