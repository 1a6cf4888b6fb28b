"""`rlhf quickstart`: starts the services, walks the road, judges the models, writes the report."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import rlhf

from services.local import Services
from services.quickstart.controls import run_controls
from services.quickstart.judging import SPLITS, Answers, answer, questions, reward_accuracy
from services.quickstart.labelling import LabellingPage, for_a_person, mixed, summary
from services.quickstart.memory import MemoryWatch
from services.quickstart.narrator import Narrator
from services.quickstart.plan import FULL, SMALL
from services.quickstart.report import print_summary, write_report
from services.quickstart.road import Road
from services.runtime.errors import InvalidInput, Problem
from services.simulator.evaluation import MINIMUM_EFFECT, effect, effect_at_matched_length
from services.simulator.splits import Split
from services.simulator.world import load_world, simulator_digest

JUDGED = ("base", "sft", "ppo", "dpo")
SHOWN_SAMPLES = 8
POLICIES = 2  # services, one for each core: PPO has one to itself while the other answers for models that are ready


def main(
    *,
    seed: int = 0,
    storage: str | None = None,
    world: str | None = None,
    out: Path = Path("build/quickstart"),
    fast: bool = False,
    controls: bool = False,
    label: bool = False,
    client: rlhf.Client | None = None,
) -> dict:
    """Returns what report.json holds. `client` leads to services that run already; by default it starts its own, on
    `storage`: a folder or s3://…, by default a new folder under `out`.

    `fast` does a little of everything, to see that it works; `controls` adds the negative controls. `label` stops for a
    person who judges pairs in a browser, on a page of its own services.
    """
    if label and client:
        raise InvalidInput(Problem("label", "services that run already", "its own: the page is one of them"))
    out.mkdir(parents=True, exist_ok=True)
    started, narrator, chosen = time.monotonic(), Narrator(), load_world(world or "home")
    plan = SMALL if fast else FULL
    where = storage or str(out / f"storage-{time.strftime('%Y%m%d-%H%M%S')}")
    own = nullcontext(([client], "")) if client else own_services(where, out, narrator, label)
    with MemoryWatch() as memory, own as (clients, url):
        road = Road(clients, chosen, plan, seed, out, narrator)
        person = walk(road, LabellingPage(clients[0], url, narrator) if label else None)
        results = learn_and_judge(road)
        if controls:
            with narrator.stage("controls", "Negative controls"):
                results["controls"] = run_controls(road)
    results |= {
        **person,
        "seed": seed,
        "world": chosen.name,
        "simulator_digest": simulator_digest(chosen),
        "plan": dataclasses.asdict(plan),
        "seconds": {**narrator.seconds, "total": round(time.monotonic() - started, 1)},
        "peak_memory_mib": memory.peak_mib,
        "models": road.models,
        "curves": road.curves,
    }
    write_report(results, out)
    print_summary(results, out, "" if client else where, narrator.console)
    return results


@contextmanager
def own_services(
    storage: str, out: Path, narrator: Narrator, pages: bool = False
) -> Iterator[tuple[list[rlhf.Client], str]]:
    """With the address of the pages, where they are wanted."""
    with narrator.stage("start", "Starting policy, reward, reference and trainer"):
        services = Services(storage, out / "services", gateway=pages, policies=POLICIES).start()
    with services, ExitStack() as opened:
        clients = [opened.enter_context(rlhf.Client(**connection)) for connection in services.connections]
        yield clients, services.gateway_url if pages else ""


def walk(road: Road, page: LabellingPage | None = None) -> dict:
    """To the comparisons. What there is to report of the person who judged pairs, where there is one."""
    stage, person = road.narrator.stage, {}
    with stage("upload", "Uploading the base model, demonstrations and prompts"):
        road.upload()
    with stage("sft", "Supervised fine-tuning"):
        road.sft()
    with stage("compare", "Sampling pairs of answers and having them judged"):
        road.compare()
    if page:
        with stage("label", "Waiting for you to say which answers are better"):
            person = {"person": label_by_hand(road, page)}
    return person


def label_by_hand(road: Road, page: LabellingPage) -> dict:
    asked = for_a_person(road.pairs, road.seed)
    judged = page.judge(asked, road.folder)
    road.pairs = mixed(road.pairs, asked, judged)
    return summary(asked, judged)


def learn_and_judge(road: Road) -> dict:
    """Reward model and DPO on a core each; then PPO, and beside it whatever model is ready answers."""
    stage, beside = road.narrator.stage, ThreadPoolExecutor(1)
    try:
        with stage("reward", "Reward model; DPO learns from the same comparisons beside it"):
            road.upload_comparisons()
            dpo = road.start_dpo()
            road.reward_model()
        with stage("ppo", "PPO; beside it DPO ends, and base, SFT and DPO answer prompts that no stage saw"):
            early = beside.submit(judge_all_but_ppo, road, dpo)
            road.ppo()
        with stage("judge", "Judging all of them by gold"):
            ppo = judged_answers(road, road.clients, ("ppo",))
            answers, reward = early.result()
    finally:
        beside.shutdown(wait=False)  # after Ctrl-C its calls end with the client
    return findings(answers | ppo, reward)


def judge_all_but_ppo(road: Road, dpo: rlhf.RunHandle) -> tuple[dict[str, dict[Split, Answers]], dict[str, float]]:
    road.finish("dpo", dpo, bar=False)
    reward = reward_accuracy(road.client, road.models["reward"], road.held_out_pairs())
    return judged_answers(road, road.beside, ("base", "sft", "dpo")), reward


def findings(answers: Mapping[str, Mapping[Split, Answers]], reward: dict[str, float]) -> dict:
    return {
        "reward_model": reward,
        "judged": {name: {split: answers[name][split].summary for split in SPLITS} for name in JUDGED},
        "effects": {name: effects(answers, name) for name in MINIMUM_EFFECT},
        "samples": side_by_side({name: answers[name]["held_out"] for name in JUDGED}),
    }


def judged_answers(
    road: Road, clients: Sequence[rlhf.Client], names: tuple[str, ...]
) -> dict[str, dict[Split, Answers]]:
    asked, plan = questions(road.world), road.plan
    return {
        name: {
            split: answer(
                clients, road.world, road.models[name], road.models["sft"], asked[split],
                plan.evaluation_samples, plan.max_new_tokens,
            )
            for split in SPLITS
        }
        for name in names
    }  # fmt: skip


def effects(answers: Mapping[str, Mapping[Split, Answers]], name: str) -> dict:
    """Differences of gold with intervals: the bars hold for `held_out`, the others are reported beside."""
    better, worse = (answers[model] for model in name.split(" over "))
    bar = MINIMUM_EFFECT[name]
    plain = {split: effect(better[split].judged, worse[split].judged) for split in SPLITS}
    matched = effect_at_matched_length(better["held_out"].judged, worse["held_out"].judged)
    return {
        "bar": bar,
        "passed": plain["held_out"].above(bar) and matched.above(bar),
        "matched_length": dataclasses.asdict(matched),
        **{split: dataclasses.asdict(value) for split, value in plain.items()},
    }


def side_by_side(answers: Mapping[str, Answers]) -> list[dict[str, str]]:
    """The first sample of every model to prompts of different families."""
    pool = answers["sft"].pool
    step = max(1, len(pool) // SHOWN_SAMPLES)
    return [
        {"prompt": pool[row].prompt, **{name: model.texts[row][0] for name, model in answers.items()}}
        for row in range(0, len(pool), step)
    ]
