"""Watching a run and reading its logs, over as many connections as it takes."""

from rlhf.calls import Stream
from rlhf.run import Run, StepEvent, event_from, update
from rlhf.v1 import trainer_pb2

# How long a watcher puts up with a control plane that is away, where no timeout says otherwise.
PATIENCE_SECONDS = 300.0


class WatchPosition:
    """Goes on after the last event that arrived."""

    resumable = True
    complete = False

    def __init__(self, run_id: str, after_event: int) -> None:
        self.run_id, self.event = run_id, after_event

    def request(self) -> trainer_pb2.WatchRunRequest:
        self.complete = self.event > 0  # nothing more after an event: the run ended with it
        return trainer_pb2.WatchRunRequest(run_id=self.run_id, after_event=self.event)

    def read(self, response: trainer_pb2.WatchRunResponse) -> StepEvent:
        event = event_from(response)
        self.event, self.complete = event.event, event.run.done
        return event


class LogPosition:
    """The service sends logs from their beginning; what was read before a break is passed over."""

    resumable = True
    complete = True

    def __init__(self, run_id: str, follow: bool) -> None:
        self.run_id, self.follow, self.handed_on, self.received = run_id, follow, 0, 0

    def request(self) -> trainer_pb2.StreamLogsRequest:
        self.received = 0
        return trainer_pb2.StreamLogsRequest(run_id=self.run_id, follow=self.follow)

    def read(self, response: trainer_pb2.StreamLogsResponse) -> str | None:
        fresh = response.text[max(0, self.handed_on - self.received) :]
        self.received += len(response.text)
        self.handed_on = max(self.handed_on, self.received)
        return fresh or None


class Outcome:
    """Keeps a run up to date until it ends."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def accept(self, item: StepEvent) -> None:
        update(self.run, item.run)

    def result(self) -> Run:
        return self.run

    def close(self) -> None:
        pass


def watch(run_id: str, after_event: int, timeout: float | None) -> Stream[StepEvent]:
    return Stream("WatchRun", WatchPosition(run_id, after_event), timeout, timeout or PATIENCE_SECONDS)


def logs(run_id: str, follow: bool, timeout: float | None) -> Stream[str]:
    return Stream("StreamLogs", LogPosition(run_id, follow), timeout, timeout or PATIENCE_SECONDS)
