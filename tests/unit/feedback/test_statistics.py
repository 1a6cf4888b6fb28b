"""Raters of known accuracy and biases answer a campaign: what is measured holds the truth in its intervals."""

import asyncio
import json
import random
from dataclasses import dataclass
from pathlib import Path

from rlhf.v1 import feedback_pb2 as pb

from tests.unit.feedback.desk import Answer, conversation, desk

ITEMS, GOLD = 180, 50


@dataclass(frozen=True)
class Person:
    """Right with `accuracy`, unless a habit decides: for what stands first, or for what is longer."""

    accuracy: float
    first: float = 0.0
    longer: float = 0.0

    @property
    def right(self) -> float:
        """P(right answer): where a habit decides it is a coin toss, as sides and lengths say nothing of quality."""
        return 0.5 * (self.first + self.longer) + (1 - self.first - self.longer) * self.accuracy


PEOPLE = {
    "anna": Person(0.9),
    "ben": Person(0.8, first=0.3),
    "cleo": Person(0.85, longer=0.3),
    "dora": Person(0.7),
    "emil": Person(0.5),
}


def items() -> list[pb.Item]:
    """The better response is as often the longer one as not."""
    rng, made = random.Random(0), []
    for number in range(ITEMS + GOLD):
        padding = [" and so on and on", ""]
        rng.shuffle(padding)
        responses = [f"good {number}{padding[0]}", f"bad {number}{padding[1]}"]
        better = rng.randrange(2)
        item = pb.Item(
            prompt=conversation(f"question {number}"),
            responses=responses if better == 0 else responses[::-1],
            sources=["new@1", "old@1"] if better == 0 else ["old@1", "new@1"],
            domain="cooking" if number % 3 else "law",
        )
        if number >= ITEMS:
            item.gold = better
        made.append(item)
    return made


def answering(name: str) -> Answer:
    person, rng = PEOPLE[name], random.Random(name)

    def answer(assignment: pb.Assignment) -> pb.Preference:
        first, second = assignment.responses
        draw = rng.random()
        if draw < person.first:
            chosen = 0
        elif draw < person.first + person.longer:
            chosen = int(len(second.split()) > len(first.split()))
        else:
            better = int(second.startswith("good"))
            chosen = better if rng.random() < person.accuracy else 1 - better
        return pb.Preference(choice=pb.CHOICE_FIRST + chosen)

    return answer


async def test_accuracy_agreement_and_biases_are_within_their_intervals_of_the_truth(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=items(), overlap=5, overlap_share=1.0, gold_share=0.2, repeat_share=0.1)
        await asyncio.gather(*(service.work(name, answering(name)) for name in PEOPLE))
        found = await service.statistics()
    pairs = [(PEOPLE[a].right, PEOPLE[b].right) for a in PEOPLE for b in PEOPLE if a < b]
    agreement = sum(p * q + (1 - p) * (1 - q) for p, q in pairs) / len(pairs)
    truths = [(found.agreement.agreement, agreement), (found.agreement.krippendorff_alpha, 2 * agreement - 1)]
    truths += [(found.agreement.fleiss_kappa, 2 * agreement - 1), (found.agreement.cohen_kappa, 2 * agreement - 1)]
    truths += [(domain.agreement, agreement) for domain in found.domains]
    for rater in found.raters:
        person = PEOPLE[rater.rater]
        truths += [
            (rater.gold_accuracy, person.right),
            (rater.first_preferred, 0.5 + person.first / 2),
            (rater.longer_preferred, 0.5 + person.longer / 2),
            (rater.agreement, sum(p * q + (1 - p) * (1 - q) for p, q in others(rater.rater)) / (len(PEOPLE) - 1)),
        ]
    held = [estimate.low <= truth <= estimate.high for estimate, truth in truths]
    assert sum(held) >= 0.85 * len(held), "95 % intervals"
    assert all(abs(estimate.value - truth) < 0.15 for estimate, truth in truths)
    biased = {rater.rater: rater for rater in found.raters}
    assert biased["ben"].first_preferred.low > 0.5 > biased["anna"].first_preferred.low
    assert biased["cleo"].longer_preferred.low > found.longer_preferred.high
    assert biased["cleo"].repeat_consistency.value > biased["emil"].repeat_consistency.value
    assert abs(biased["anna"].reliability - 0.9) < 0.07
    assert abs(biased["emil"].reliability - 0.5) < 0.1
    assert [domain.domain for domain in found.domains] == ["cooking", "law"]
    assert [source.source for source in found.sources] == ["new@1", "old@1"]
    assert found.sources[0].win_rate.low > 0.5


def others(name: str) -> list[tuple[float, float]]:
    return [(PEOPLE[name].right, person.right) for other, person in PEOPLE.items() if other != name]


async def test_weighting_by_reliability_labels_better_than_the_majority_when_a_third_is_random(tmp_path: Path) -> None:
    raters = {f"good-{n}": 0.85 for n in range(6)} | {f"coin-{n}": 0.5 for n in range(3)}
    async with desk(tmp_path) as service:
        await service.create(items=items()[:ITEMS], overlap=3, overlap_share=1.0, gold_share=0, repeat_share=0)
        answers = {name: answering_with(name, accuracy) for name, accuracy in raters.items()}
        # One item each in turn, so that every rater is with every other.
        while await one_round(service, answers):
            pass
        right = {}
        for aggregation in (pb.AGGREGATION_RELIABILITY, pb.AGGREGATION_MAJORITY):
            rows = [json.loads(line) for line in (await service.download(aggregation=aggregation)).splitlines()]
            weights = [row.get("weight", 1.0) for row in rows]
            hits = [w for w, row in zip(weights, rows) if row["chosen"][0]["content"].startswith("good")]
            right[aggregation] = (len(hits) / len(rows), sum(hits) / sum(weights))
    by_reliability, by_majority = right[pb.AGGREGATION_RELIABILITY], right[pb.AGGREGATION_MAJORITY]
    assert by_reliability[0] >= by_majority[0], "labels"
    assert by_reliability[1] > by_majority[1] + 0.05, "labels by weight, which is what a loss sees"


async def one_round(service, answers: dict[str, Answer]) -> int:
    return sum([await service.work(name, answer, most=1) for name, answer in answers.items()])


def answering_with(name: str, accuracy: float) -> Answer:
    rng = random.Random(name)

    def answer(assignment: pb.Assignment) -> pb.Preference:
        better = int(assignment.responses[1].startswith("good"))
        return pb.Preference(choice=pb.CHOICE_FIRST + (better if rng.random() < accuracy else 1 - better))

    return answer


async def test_statistics_follow_every_judgement(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=items()[:10], overlap_share=0.0, repeat_share=0.0)
        empty = await service.statistics()
        counts = []
        for _ in range(3):
            assignment = (await service.next("anna")).assignment
            await service.submit("anna", assignment.id, milliseconds=3000)
            counts.append((await service.statistics()).raters[0].judgements)
        await service.undo("anna")
        after = (await service.statistics()).raters[0]
    assert (list(empty.raters), empty.HasField("longer_preferred"), empty.progress.items) == ([], False, 10)
    assert not empty.agreement.HasField("krippendorff_alpha")
    assert counts == [1, 2, 3]
    assert (after.judgements, after.undone, after.median_seconds) == (2, 1, 3.0)
    assert not after.HasField("reliability")
