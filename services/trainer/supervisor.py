"""Keeps as many runs going as there is room for, watches over their workers and decides what becomes of a run."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from services.storage.models import ModelStore
from services.trainer import attempts, logs
from services.trainer.attempts import Status
from services.trainer.launchers.launcher import (
    Assignment,
    Elsewhere,
    Exit,
    Launcher,
    LaunchRefused,
    Running,
    Sight,
    Verdict,
    Waiting,
)
from services.trainer.records import RunState
from services.trainer.retention import prune_run
from services.trainer.runs import Run, Runs
from services.trainer.watched_worker import WatchedWorker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    max_running: int = 2  # runs at once; others wait
    max_attempts: int = 3  # crashes in a row before a run has failed
    heartbeat_seconds: float = 120.0  # a worker that is silent for longer is taken for dead
    start_seconds: float = 900.0  # before its first word: an image may have to be pulled, torch to be loaded
    stop_seconds: float = 30.0  # for a worker to reach the end of its step before it is killed
    tick_seconds: float = 0.25
    retention_seconds: float = 900.0  # after a run's end, before its checkpoints, rollouts and training weights go
    threads: int = 1  # torch threads of a worker whose spec names none


class Supervisor:
    def __init__(self, runs: Runs, models: ModelStore, launcher: Launcher, limits: Limits) -> None:
        self._runs = runs
        self._models = models
        self._launcher = launcher
        self._limits = limits
        self._workers: dict[tuple[str, int], WatchedWorker] = {}
        self._ending = asyncio.Event()

    async def supervise(self) -> None:
        """Until `end` is called. What fails now, storage for one, is tried again at the next tick."""
        while not self._ending.is_set():
            for run in self._runs.newest_first()[::-1]:
                await self._tend_safely(run)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), self._limits.tick_seconds)

    def end(self) -> None:
        """After the tick under way: a launch that is half done would be a worker that nobody knows."""
        self._ending.set()

    async def stop_workers(self) -> None:
        """The services go down; each run goes on from its last checkpoint when they are back."""
        await asyncio.gather(*(self._pause(run) for run in self._runs.under_way()))

    async def _tend_safely(self, run: Run) -> None:
        if run.settled and run.record.pruned:
            return
        try:
            async with run.lock:
                await self._tend(run)
        except Exception:
            log.exception("run %s could not be looked after; trying again", run.record.id)

    async def _tend(self, run: Run) -> None:
        record = run.record
        if record.state.ended:
            await self._see_off(run) if record.launch else await self._retain(run)
        elif record.launch:
            await self._watch(run)
        elif why := self._runs.why_wait(self._limits.max_running):
            await self._runs.wait(run, why)
        else:
            await self._launch(run)

    async def _launch(self, run: Run) -> None:
        """The worker is recorded before it begins, so that no control plane ever loses one."""
        try:
            launch = await asyncio.to_thread(self._launcher.prepare, self._assignment(run))
        except LaunchRefused as error:
            await self._runs.enter(run, RunState.FAILED, error.message)
            return
        await self._runs.save(run, launch=launch)
        await self._watch(run)

    async def _watch(self, run: Run) -> None:
        worker = self._worker(run)
        if worker.doom:
            await self._end(run, worker, worker.doom)
            return
        try:
            sight = await worker.look(ran=run.record.state is RunState.RUNNING)
        except LaunchRefused as error:
            await self._bury(run)
            await self._runs.enter(run, RunState.FAILED, error.message, launch=None)
            return
        if run.behind:
            await self._runs.catch_up(run)
        await self._act(run, worker, sight)

    async def _act(self, run: Run, worker: WatchedWorker, sight: Sight | None) -> None:
        if isinstance(sight, Exit):
            await self._settle(run, sight)
        elif isinstance(sight, Running):
            await self._oversee(run, worker, sight.note)
        elif isinstance(sight, Waiting):
            await self._await_start(run, worker, sight)

    async def _await_start(self, run: Run, worker: WatchedWorker, waiting: Waiting) -> None:
        await self._runs.wait(run, waiting.words)
        if time.time() > waiting.until:
            worker.doom = Exit(f"never started: {waiting.words}", Verdict.HOPELESS)

    async def _oversee(self, run: Run, worker: WatchedWorker, note: str) -> None:
        if not worker.met:
            await self._meet(run, worker)
        if await self._silent(run):
            words = f"was silent for {self._limits.heartbeat_seconds:g} s{f' ({note})' if note else ''} and was killed"
            worker.doom = Exit(words, Verdict.DISRUPTED if note else Verdict.CRASHED)
        elif 0 < run.spec.deadline_seconds < run.running_seconds:
            worker.doom = Exit(f"took longer than its deadline of {run.spec.deadline_seconds} s", Verdict.HOPELESS)

    async def _meet(self, run: Run, worker: WatchedWorker) -> None:
        """For the first time, or again after a restart of this control plane."""
        if run.record.state is RunState.QUEUED:
            run.seen = time.monotonic()
            await self._runs.enter(run, RunState.RUNNING, run.record.cause)
        else:
            await self._runs.enter(run, RunState.RUNNING, "the trainer came back and found the worker alive")
        worker.met = True

    async def _silent(self, run: Run) -> bool:
        """A worker that cannot reach this service is still heard through storage."""
        quiet = time.monotonic() - run.seen
        if quiet < self._limits.heartbeat_seconds:
            return False
        status = await asyncio.to_thread(run.attempt(self._runs.store).status)
        if status is None:
            return quiet >= self._limits.start_seconds
        quiet = time.time() - status.heartbeat
        run.seen = max(run.seen, time.monotonic() - quiet)
        return quiet >= self._limits.heartbeat_seconds

    async def _end(self, run: Run, worker: WatchedWorker, exit: Exit) -> None:
        grace = self._limits.stop_seconds if exit.verdict is Verdict.HOPELESS else 0
        if await worker.stopped(grace):
            await self._settle(run, exit)

    async def _settle(self, run: Run, exit: Exit) -> None:
        """The worker is gone: the run has succeeded, has failed, or gets another attempt."""
        await self._bury(run)
        await self._runs.catch_up(run)
        await self._runs.refresh_outcomes(run)
        status = await asyncio.to_thread(run.attempt(self._runs.store).status) or Status("")
        last_word = f" ({status.error})" if status.state == attempts.STOPPED and status.error else ""
        words = f"the worker of attempt {run.record.attempt} {exit.words}{last_word}"
        if len(run.record.outcomes) == len(run.stages):
            await self._runs.enter(run, RunState.SUCCEEDED, launch=None, crashes=0)
        elif status.state == attempts.FAILED:
            await self._runs.enter(run, RunState.FAILED, status.error or words, launch=None)
        elif exit.verdict is Verdict.HOPELESS:
            await self._runs.enter(run, RunState.FAILED, words, launch=None)
        elif exit.verdict is Verdict.DISRUPTED:
            await self._runs.next_attempt(run, words, launch=None)
        else:
            await self._after_crash(run, words)

    async def _after_crash(self, run: Run, reason: str) -> None:
        record, crashes = run.record, run.record.crashes + 1
        printed = await asyncio.to_thread(logs.tail, self._runs.store, record.id, record.attempt)
        reason += f"; it printed last:\n{printed}" if printed else ""
        if crashes < self._limits.max_attempts:
            await self._runs.next_attempt(run, reason, launch=None, crashes=crashes)
        else:
            reason = f"given up after {crashes} attempts: {reason}"
            await self._runs.enter(run, RunState.FAILED, reason, launch=None, crashes=crashes)

    async def _see_off(self, run: Run) -> None:
        """A run was cancelled while its worker ran; the tick goes on while the worker comes to its end."""
        if await self._worker(run).stopped(self._limits.stop_seconds):
            await self._bury(run)
            await self._runs.refresh_outcomes(run)
            await self._runs.save(run, launch=None)

    async def _retain(self, run: Run) -> None:
        if time.time() - run.record.last.at > self._limits.retention_seconds:
            await asyncio.to_thread(prune_run, self._runs.store, self._models, run.record, run.stages, run.results)
            await self._runs.save(run, pruned=True)

    async def _pause(self, run: Run) -> None:
        async with run.lock:
            if run.record.launch and not run.record.state.ended:
                await asyncio.to_thread(self._worker(run).stop, self._limits.stop_seconds)
                await self._settle(run, Exit("was stopped together with the services", Verdict.DISRUPTED))

    def _worker(self, run: Run) -> WatchedWorker:
        launch, key = run.record.launch, (run.record.id, run.record.attempt)
        assert launch is not None, "a worker is recorded"
        if key not in self._workers:
            launcher = self._launcher if launch["launcher"] in self._launcher.kinds else Elsewhere()
            self._workers[key] = WatchedWorker(self._runs.store, launcher, self._assignment(run), launch)
        return self._workers[key]

    async def _bury(self, run: Run) -> None:
        await self._worker(run).bury()
        del self._workers[run.record.id, run.record.attempt]

    def _assignment(self, run: Run) -> Assignment:
        return Assignment(
            run_id=run.record.id,
            attempt=run.record.attempt,
            threads=run.spec.threads or self._limits.threads,
            placement=run.spec.placement,
            deadline_seconds=run.spec.deadline_seconds,
        )
