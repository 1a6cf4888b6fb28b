"""A worker without a model, for tests of faults: what it does, and how it dies, is a JSON plan in the first argument.

steps          of each stage
seconds        a step takes
checkpoints    every so many steps
die_at         step at which the process ends by `signal`, in attempts up to `deaths`
silent_at      step from which on nothing is heard of it any more
error          its last word
"""

import argparse
import json
import os
import signal
import sys
import time

import grpc
from rlhf.v1 import trainer_pb2 as pb
from rlhf.v1.trainer_pb2_grpc import WorkerServiceStub

from services.storage.location import open_store
from services.trainer import attempts, specs
from services.trainer.attempts import Attempt, StageOutcome, Status, Step

DEFAULTS = {
    "steps": 4,
    "seconds": 0.01,
    "checkpoints": 2,
    "deaths": 1,
    "signal": "SIGKILL",
    "die_at": 0,
    "silent_at": 0,
    "fail_at": 0,
}


class FaultyWorker:
    def __init__(self, plan: dict, flags: argparse.Namespace) -> None:
        self.plan, self.flags = {**DEFAULTS, **plan}, flags
        self.attempt = Attempt(open_store(flags.storage), flags.run, flags.attempt)
        self.stub = WorkerServiceStub(grpc.insecure_channel(flags.trainer))
        self.stop = False
        signal.signal(signal.SIGTERM, self.on_sigterm)

    def on_sigterm(self, *_: object) -> None:
        self.stop = True

    def work(self) -> str:
        """The last word."""
        stages = [name for name, _ in specs.read_spec(self.attempt.store, self.flags.run).stages()]
        base = self.attempt.base()
        first = stages.index(base.stage) if base.stage else 0
        for index, stage in enumerate(stages[first:], first):
            for step in range(1 + (base.step if index == first else 0), self.plan["steps"] + 1):
                self.step(stage, step)
                if self.stop:
                    return attempts.STOPPED
                if step == self.plan["fail_at"]:
                    return attempts.FAILED
            self.attempt.write_outcome(StageOutcome(stage, "made", "1.4-00000000", "d" * 64, {"loss": 0.5}))
        return attempts.FAILED if "error" in self.plan else attempts.SUCCEEDED

    def step(self, stage: str, number: int) -> None:
        time.sleep(self.plan["seconds"])
        print(f"{stage} step {number} of attempt {self.attempt.number}", flush=True)
        self.misbehave(number)
        step = Step(stage, number, self.plan["steps"], {"loss": 1.0 / number})
        self.attempt.write_steps([step])
        self.attempt.write_status(Status(attempts.RUNNING, stage, number, self.plan["steps"], "", time.time()))
        self.report(step)
        if number % self.plan["checkpoints"] == 0:
            self.attempt.store.put(self.attempt.checkpoint_prefix(stage, number) + "manifest.json", b"{}")

    def misbehave(self, number: int) -> None:
        if number == self.plan["die_at"] and self.attempt.number <= self.plan["deaths"]:
            os.kill(os.getpid(), signal.Signals[self.plan["signal"]])
        while number == self.plan["silent_at"] and self.attempt.number == 1:
            time.sleep(60)

    def report(self, step: Step) -> None:
        message = pb.StepMetrics(stage=step.stage, step=step.step, total_steps=step.total_steps, metrics=step.metrics)
        request = pb.ReportProgressRequest(run_id=self.flags.run, attempt=self.attempt.number, step=message)
        try:
            if self.stub.ReportProgress(request, timeout=1).stop:
                self.stop = True
        except grpc.RpcError as error:
            print(f"not reported: {error.code().name}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=json.loads)
    for name in ("storage", "run", "trainer", "policy", "reward", "reference", "work-dir", "last-words"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("attempt", "threads", "service-seconds"):
        parser.add_argument(f"--{name}", type=int, required=True)
    flags = parser.parse_args()
    worker = FaultyWorker(flags.plan, flags)
    state = worker.work()
    worker.attempt.write_status(Status(state, error=worker.plan.get("error", ""), heartbeat=time.time()))
    sys.exit(state == attempts.FAILED)


if __name__ == "__main__":
    main()
