"""The models a process holds: loaded on first request, several at once under a memory budget.

Serving versions live side by side and the least recently used goes first. Training versions (those asked for by
`acceptable_versions`) share one copy of weights per name: the next version waits until the last request on the
current one is answered, then takes its memory over.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from services.runtime.errors import Conflict, InvalidInput, NotFound, NotReady, Problem, as_service_error
from services.runtime.logs import note
from services.serving.own_thread import in_own_thread
from services.serving.resident import ModelState, Resident
from services.serving.resolver import Resolver
from services.storage.models import ModelStore, Version

log = logging.getLogger(__name__)

# A failed load is answered from memory for this long, then tried again: storage may have come back.
RETRY_FAILED_SECONDS = 5.0
RETRY_LOADING_SECONDS = 1.0


class Held(Protocol):
    @property
    def memory_bytes(self) -> int: ...


T = TypeVar("T", bound=Held)


class ModelPool(Generic[T]):
    """`load(folder)` and `swap(loaded, folder)` run in threads; `swap` loads other weights into the same model.

    `needed_bytes(folder)` tells before a load what the model will take; the budget is `memory_bytes`.
    `on_settled(resident, seconds)` hears of every version that became ready or failed, and how long that took.
    """

    def __init__(
        self,
        models: ModelStore,
        load: Callable[[Path], T],
        *,
        needed_bytes: Callable[[Path], int],
        memory_bytes: int,
        swap: Callable[[T, Path], T] | None = None,
        load_wait_seconds: float = 20.0,
        on_settled: Callable[[Resident[T], float], None] = lambda resident, seconds: None,
    ):
        self._models = models
        self._load = load
        self._needed_bytes = needed_bytes
        self._swap = swap or (lambda loaded, folder: load(folder))
        self._budget = memory_bytes
        self._load_wait_seconds = load_wait_seconds
        self._on_settled = on_settled
        self._resolver = Resolver(models)
        self._residents: dict[str, Resident[T]] = {}  # by "name@version"
        self._loads: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()

    @asynccontextmanager
    async def acquire(self, reference: str, acceptable_versions: Sequence[str] = ()) -> AsyncIterator[Resident[T]]:
        """A lease on a loaded version: its weights stay as they are until the block ends.

        Of `acceptable_versions` the first in memory answers, else the first of all is fetched; `reference` is then a
        plain name. Errors: NotFound; NotReady when loading takes longer than the wait; what made the load fail.
        """
        resident = await self._find(reference, acceptable_versions)
        with self._leased(resident):
            await self._wait(resident)
            if resident.error:
                raise resident.error.with_traceback(None)
            note(model_version=str(resident.version))
            yield resident

    async def load(self, reference: str) -> Resident[T]:
        """Starts loading and waits a while; the state says how far it came."""
        resident = await self._find(reference, ())
        with self._leased(resident):
            try:
                await self._wait(resident)
            except NotReady:
                log.info("%s is still loading", resident.version)
        return resident

    async def unload(self, reference: str) -> None:
        """No new request uses it from now on; its memory is free once the last one is answered."""
        version = await self._resolver.resolve(reference)
        if self._residents.pop(str(version), None) is None:
            raise NotFound("loaded model", reference, sorted(self._residents))

    def residents(self) -> list[Resident[T]]:
        return [self._residents[name] for name in sorted(self._residents)]

    @contextmanager
    def _leased(self, resident: Resident[T]) -> Iterator[None]:
        try:
            with resident.leased():
                yield
        finally:
            self._released.set()

    async def _find(self, reference: str, acceptable_versions: Sequence[str]) -> Resident[T]:
        if not acceptable_versions:
            version = await self._resolver.resolve(reference)
            return self._held([str(version)]) or self._start(version, swappable=False)
        if "@" in reference:
            raise InvalidInput(Problem("model", reference, "a plain name where acceptable_versions are given"))
        names = [f"{reference}@{version}" for version in acceptable_versions]
        if held := self._held(names):
            return held
        version = await self._resolver.resolve(names[0])
        return self._held(names) or self._start(version, swappable=True)

    def _held(self, names: Iterable[str]) -> Resident[T] | None:
        held = [resident for name in names if (resident := self._residents.get(name)) and not _stale(resident)]
        order = (ModelState.READY, ModelState.LOADING, ModelState.FAILED)
        return min(held, key=lambda resident: order.index(resident.state), default=None)

    def _start(self, version: Version, *, swappable: bool) -> Resident[T]:
        resident = Resident[T](version, swappable)
        previous = self._retire(version.model) if swappable else None
        if previous:
            resident.memory_bytes = previous.memory_bytes
        self._residents = {name: known for name, known in self._residents.items() if not _stale(known)}
        self._residents[str(version)] = resident
        task = asyncio.create_task(self._bring_in(resident, previous))
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)
        return resident

    def _retire(self, model: str) -> Resident[T] | None:
        for name, resident in self._residents.items():
            if resident.swappable and resident.version.model == model:
                return self._residents.pop(name)
        return None

    async def _bring_in(self, resident: Resident[T], previous: Resident[T] | None) -> None:
        started = time.monotonic()
        try:
            folder = await asyncio.to_thread(self._models.fetch, resident.version)
            weights = await self._drained(previous) if previous else None
            if weights is None:
                await self._make_room(resident, await asyncio.to_thread(self._needed_bytes, folder))
            loaded = await in_own_thread(self._read, resident.version, weights)
            resident.ready(loaded, loaded.memory_bytes)
        except Exception as error:
            failure = as_service_error(error)
            log.warning("%s did not load: %s", resident.version, failure.message)
            resident.fail(failure)
        else:
            log.info("%s loaded in %.2f s", resident.version, time.monotonic() - started)
        self._on_settled(resident, time.monotonic() - started)
        self._released.set()

    def _read(self, version: Version, weights: T | None) -> T:
        folder = self._models.fetch(version)  # again: after a long wait the cache may have needed the room
        return self._load(folder) if weights is None else self._swap(weights, folder)

    async def _drained(self, previous: Resident[T]) -> T | None:
        """The weights of the version before, once nobody uses them; None where it had failed to load."""
        await previous.settled.wait()
        await previous.idle.wait()
        return previous.give_up()

    async def _make_room(self, resident: Resident[T], needed: int) -> None:
        if needed > self._budget:
            raise Conflict(f"{resident.version} needs {needed} bytes, the memory budget is {self._budget}")
        while self.memory_used() - resident.memory_bytes + needed > self._budget:
            if not self._evict():
                self._released.clear()
                await self._released.wait()
        resident.memory_bytes = needed

    def memory_used(self) -> int:
        """Bytes, also of versions that are being loaded. From any thread."""
        return sum(resident.memory_bytes for resident in tuple(self._residents.values()))

    def _evict(self) -> bool:
        unused = [r for r in self._residents.values() if r.state is ModelState.READY and not r.leases]
        if not unused:
            return False
        oldest = min(unused, key=lambda resident: resident.last_used)
        log.info("%s makes room", oldest.version)
        del self._residents[str(oldest.version)]
        return True

    async def _wait(self, resident: Resident[T]) -> None:
        if resident.settled.is_set():
            return
        try:
            await asyncio.wait_for(resident.settled.wait(), self._load_wait_seconds)
        except TimeoutError:
            raise NotReady(f"{resident.version} is still loading", RETRY_LOADING_SECONDS) from None


def _stale(resident: Resident) -> bool:
    return resident.state is ModelState.FAILED and time.monotonic() - resident.last_used > RETRY_FAILED_SECONDS
