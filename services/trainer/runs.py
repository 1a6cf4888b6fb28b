"""All runs, in memory and in storage: a change is written to the run's record before anybody sees it."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from services.runtime.errors import NotFound
from services.storage.models import ModelStore
from services.storage.object_store import ObjectStore
from services.trainer import attempts, specs
from services.trainer.attempts import Attempt, StageOutcome, Step, follows
from services.trainer.events import EventLog, rebuild
from services.trainer.recipes import RunSpec
from services.trainer.records import Progress, RunRecord, RunState, Transition, read_records, write_record
from services.trainer.stage_figures import StageFigures


@dataclass
class Run:
    record: RunRecord
    spec: RunSpec
    events: EventLog | None = None  # kept while the run is under way; rebuilt for a watcher of one that has ended
    behind: bool = False  # the worker told of a step whose predecessor is not among the events
    seen: float = field(default_factory=time.monotonic)  # when the worker last gave a sign of life
    metrics_address: str = ""  # of the worker, once it has said so
    figures: dict[str, StageFigures] = field(default_factory=dict)  # by stage, in the order in which they began
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # held from reading the record to changing it

    @property
    def stages(self) -> list[str]:
        return [name for name, _ in self.spec.stages()]

    @property
    def results(self) -> list[str]:
        """Names of the models that its stages make."""
        return [self.spec.result_name(stage) for stage in self.stages]

    def measure(self, step: Step) -> None:
        self.figures.setdefault(step.stage, StageFigures()).add(step, time.time())

    def attempt(self, store: ObjectStore) -> Attempt:
        return Attempt(store, self.record.id, self.record.attempt)

    @property
    def running_seconds(self) -> float:
        """Since the current attempt's worker was first seen to run."""
        began = (t.at for t in self.record.history if (t.attempt, t.state) == (self.record.attempt, RunState.RUNNING))
        return time.time() - next(began, time.time())

    @property
    def settled(self) -> bool:
        """Ended, with no worker left that could still print something."""
        return self.record.state.ended and self.record.launch is None


class Runs:
    """The only writer of run-level objects."""

    def __init__(self, store: ObjectStore, models: ModelStore) -> None:
        self.store = store
        self._models = models
        self._runs: dict[str, Run] = {}

    def load(self) -> None:
        """From storage, at the start of a control plane."""
        for record in read_records(self.store):
            run = Run(record, specs.read_spec(self.store, record.id))
            self._runs[record.id] = run if record.state.ended else self._under_way(run)

    def _under_way(self, run: Run) -> Run:
        """What the worker did while nobody listened."""
        run.events = rebuild(self.store, run.record, run.stages)
        run.record = run.record.replace(outcomes=self._outcomes(run))
        if step := run.events.last_step:
            run.record = run.record.replace(progress=Progress(step.stage, step.step, step.total_steps))
        for event in run.events.after(0):
            if event.step:
                run.measure(event.step)
        return run

    def find(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def get(self, run_id: str) -> Run:
        """Raises NotFound."""
        if run := self._runs.get(run_id):
            return run
        raise NotFound("run", run_id, [run.record.id for run in self.newest_first()])

    def newest_first(self) -> list[Run]:
        return sorted(self._runs.values(), key=lambda run: run.record.created_at, reverse=True)

    def under_way(self) -> list[Run]:
        """Those with a worker that is to go on; oldest first."""
        return [run for run in self.newest_first()[::-1] if run.record.launch and not run.record.state.ended]

    def why_wait(self, max_running: int) -> str:
        """Why a run that is queued now does not start at once; empty if it does."""
        running = len(self.under_way())
        full = running >= max_running
        return f"waits for a place: {running} of at most {max_running} runs are under way" if full else ""

    def add(self, record: RunRecord, spec: RunSpec) -> Run:
        """The spec is stored first: without a record there is no run."""
        Attempt(self.store, record.id, 1).write_base(attempts.Base())
        specs.write_spec(self.store, record.id, spec)
        write_record(self.store, record)
        run = self._runs[record.id] = Run(record, spec)
        run.events = EventLog(run.stages)
        for transition in record.history:
            run.events.add_transition(transition)
        return run

    async def enter(self, run: Run, state: RunState, reason: str = "", **changes: Any) -> None:
        """A new state of the current attempt, or the same one for another reason. The caller holds the run's lock."""
        last = run.events.last_step if run.events and run.record.state is RunState.RUNNING else None
        begun = {"stage": last.stage, "step": last.step} if last else {}
        await self._enter(run, Transition(run.record.attempt, state, reason, time.time(), **begun), changes)

    async def wait(self, run: Run, reason: str) -> None:
        """The run stays queued, and people can read what it waits for. The caller holds the run's lock."""
        if reason != run.record.last.reason:
            await self.enter(run, RunState.QUEUED, reason)

    async def next_attempt(self, run: Run, reason: str, **changes: Any) -> None:
        """Queues another attempt, which goes on from the furthest checkpoint. The caller holds the run's lock."""
        old = run.record.attempt
        base = await asyncio.to_thread(attempts.next_base, self.store, run.record.id, old, run.stages)
        await asyncio.to_thread(Attempt(self.store, run.record.id, old + 1).write_base, base)
        run.events = await self.open_events(run)
        run.events.supersede(base)
        await self._enter(run, Transition(old + 1, RunState.QUEUED, reason, time.time()), changes)

    async def save(self, run: Run, **changes: Any) -> None:
        """Something about the run other than its state. The caller holds the run's lock."""
        await asyncio.to_thread(write_record, self.store, run.record.replace(**changes))
        run.record = run.record.replace(**changes)  # steps may have come in meanwhile

    async def refresh_outcomes(self, run: Run) -> None:
        found = await asyncio.to_thread(self._outcomes, run)
        run.record = run.record.replace(outcomes=found)

    def _outcomes(self, run: Run) -> tuple[StageOutcome, ...]:
        """Of the stages that are finished, whose models become versions that people meet."""
        found = attempts.outcomes(self.store, run.record.id, run.record.attempt, run.stages)
        for outcome in found.values():
            if outcome.model:
                self._models.adopt(outcome.model, outcome.version)
        return tuple(found.values())

    async def add_step(self, run: Run, step: Step) -> None:
        """Told by the worker as it happens. Where steps before it were missed, `catch_up` brings them all in order."""
        assert run.events is not None, "a running run has events"
        run.behind = not follows(run.events.last_step, step)
        if not run.behind:
            new_stage = step.stage != run.record.progress.stage
            self._add_steps(run, [step])
            if new_stage:
                await self.refresh_outcomes(run)

    async def catch_up(self, run: Run) -> None:
        """Adds the current attempt's steps that are in storage only: the worker wrote them while nobody listened."""
        events = await self.open_events(run)
        last = events.last_step
        attempt = run.attempt(self.store)
        start = run.stages.index(last.stage) if last else 0
        for stage in run.stages[start:]:
            after = last.step if last and last.stage == stage else -1
            steps = await asyncio.to_thread(lambda s=stage, a=after: list(attempt.steps(s, a)))
            self._add_steps(run, steps)
        run.behind = False

    def _add_steps(self, run: Run, steps: list[Step]) -> None:
        assert run.events is not None
        for step in steps:
            run.events.add_step(run.record.last, step)
            run.measure(step)
        if steps:
            progress = Progress(steps[-1].stage, steps[-1].step, steps[-1].total_steps)
            run.record = run.record.replace(progress=progress)

    async def open_events(self, run: Run) -> EventLog:
        """Of a run under way, the log that goes on; of one that has ended, a log for this caller alone."""
        return run.events or await asyncio.to_thread(rebuild, self.store, run.record, run.stages)

    async def _enter(self, run: Run, transition: Transition, changes: dict[str, Any]) -> None:
        log = await self.open_events(run)
        await self.save(run, history=(*run.record.history, transition), **changes)
        log.add_transition(transition)
        run.events = None if transition.state.ended else log
