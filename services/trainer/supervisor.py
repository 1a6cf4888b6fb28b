"""Keeps as many runs going as there is room for, watches over their workers and decides what becomes of a run."""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from services.storage.models import ModelStore
from services.trainer import attempts, logs
from services.trainer.attempts import Status
from services.trainer.launchers.launcher import Exit, Job, Launcher
from services.trainer.logs import LogKeeper
from services.trainer.records import RunState
from services.trainer.retention import prune_run
from services.trainer.runs import Run, Runs

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
        self._keepers: dict[tuple[str, int], LogKeeper] = {}
        self._stopping: dict[str, asyncio.Task] = {}
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
        await asyncio.gather(*(self._pause(run) for run in self._runs.in_state(RunState.RUNNING)))

    async def _tend_safely(self, run: Run) -> None:
        if run.settled and run.record.pruned:
            return
        try:
            async with run.lock:
                await self._tend(run)
        except Exception:
            log.exception("run %s could not be looked after; trying again", run.record.id)

    async def _tend(self, run: Run) -> None:
        if run.record.state is RunState.QUEUED and not self._runs.why_wait(self._limits.max_running):
            await self._launch(run)
        elif run.record.state is RunState.RUNNING:
            await self._watch(run)
        elif run.record.state.ended and run.record.launch:
            await self._see_off(run)
        elif time.time() - run.record.last.at > self._limits.retention_seconds:
            await asyncio.to_thread(prune_run, self._runs.store, self._models, run.record, run.stages)
            await self._runs.save(run, pruned=True)

    async def _launch(self, run: Run) -> None:
        """The worker is recorded before it begins, so that no control plane ever loses one."""
        record = run.record
        job = Job(record.id, record.attempt, run.spec.threads or self._limits.threads)
        try:
            launch = await asyncio.to_thread(self._launcher.prepare, job)
        except OSError as error:
            await self._runs.enter(run, RunState.FAILED, f"the worker could not be started: {error}")
            return
        await self._runs.enter(run, RunState.RUNNING, record.last.reason, launch=launch)
        run.seen = time.monotonic()
        await asyncio.to_thread(self._launcher.begin, launch)

    async def _watch(self, run: Run) -> None:
        launch = run.record.launch
        assert launch is not None, "a running run has a worker"
        await asyncio.to_thread(self._keeper(run).ship)
        if run.behind:
            await self._runs.catch_up(run)
        exit = await asyncio.to_thread(self._launcher.poll, launch)
        if exit is None and await self._silent(run):
            await asyncio.to_thread(self._launcher.stop, launch, 0)
            await self._settle(run, f"was silent for {self._limits.heartbeat_seconds:g} s and was killed")
        elif exit is not None:
            await self._settle(run, describe(exit))

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

    async def _settle(self, run: Run, words: str, crashed: bool = True) -> None:
        """The worker is gone: the run has succeeded, has failed, or gets another attempt."""
        await self._close_log(run)
        await self._runs.catch_up(run)
        await self._runs.refresh_outcomes(run)
        status = await asyncio.to_thread(run.attempt(self._runs.store).status) or Status("")
        if len(run.record.outcomes) == len(run.stages):
            await self._runs.enter(run, RunState.SUCCEEDED, launch=None, crashes=0)
        elif status.state == attempts.FAILED:
            await self._runs.enter(run, RunState.FAILED, status.error or words, launch=None)
        elif not crashed:
            await self._runs.next_attempt(run, words, launch=None)
        else:
            await self._after_crash(run, words)

    async def _after_crash(self, run: Run, words: str) -> None:
        record, crashes = run.record, run.record.crashes + 1
        printed = await asyncio.to_thread(logs.tail, self._runs.store, record.id, record.attempt)
        reason = f"the worker of attempt {record.attempt} {words}"
        reason += f"; it printed last:\n{printed}" if printed else ""
        if crashes < self._limits.max_attempts:
            await self._runs.next_attempt(run, reason, launch=None, crashes=crashes)
        else:
            reason = f"given up after {crashes} attempts: {reason}"
            await self._runs.enter(run, RunState.FAILED, reason, launch=None, crashes=crashes)

    async def _see_off(self, run: Run) -> None:
        """A run was cancelled while its worker ran; the tick goes on while the worker comes to its end."""
        run_id, launch = run.record.id, run.record.launch
        assert launch is not None
        if run_id not in self._stopping:
            stop = asyncio.to_thread(self._launcher.stop, launch, self._limits.stop_seconds)
            self._stopping[run_id] = asyncio.create_task(stop)
        if self._stopping[run_id].done():
            del self._stopping[run_id]
            await self._close_log(run)
            await self._runs.refresh_outcomes(run)
            await self._runs.save(run, launch=None)

    async def _pause(self, run: Run) -> None:
        async with run.lock:
            launch = run.record.launch
            if run.record.state is not RunState.RUNNING or launch is None:
                return
            await asyncio.to_thread(self._launcher.stop, launch, self._limits.stop_seconds)
            await self._settle(run, "the services were stopped", crashed=False)

    def _keeper(self, run: Run) -> LogKeeper:
        launch = run.record.launch
        assert launch is not None
        key = (run.record.id, run.record.attempt)
        if key not in self._keepers:
            self._keepers[key] = LogKeeper(self._runs.store, *key, partial(self._launcher.read_log, launch))
        return self._keepers[key]

    async def _close_log(self, run: Run) -> None:
        """The worker is gone; what it printed stays."""
        record, keeper = run.record, self._keeper(run)
        assert record.launch is not None
        await asyncio.to_thread(keeper.ship, True)
        await asyncio.to_thread(logs.compact, self._runs.store, record.id, record.attempt)
        await asyncio.to_thread(self._launcher.clear, record.launch)
        del self._keepers[record.id, record.attempt]


def describe(exit: Exit) -> str:
    """In words, after "the worker"."""
    if exit.code is None:
        return "ended without a last word"
    if exit.code == -signal.SIGKILL:
        return "was killed (SIGKILL), perhaps because memory ran out"
    if exit.code < 0:
        return f"was killed by {signal.Signals(-exit.code).name}"
    return f"ended with exit code {exit.code} and without a last word"
