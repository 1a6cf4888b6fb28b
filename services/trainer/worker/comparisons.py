"""Comparisons as the stages read them: every distinct answer once, and which beat which."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from services.data.records import Comparison, Prompt


class Answer(Hashable, Protocol):
    """A prompt with a response, tokenised; its length is in tokens."""

    def __len__(self) -> int: ...


AnswerT = TypeVar("AnswerT", bound=Answer)


class Pair(NamedTuple):
    """Places of two answers: how often the pair counts, and by how many logits the chosen one should lead."""

    chosen: int
    rejected: int
    weight: float = 1.0
    margin: float = 0.0


class PairTensors(NamedTuple):
    """Places (int64) of N pairs, and their weights and margins (float32)."""

    chosen_N: Tensor
    rejected_N: Tensor
    weights_N: Tensor
    margins_N: Tensor


@dataclass
class AnswerGroup(Generic[AnswerT]):
    """Answers to one prompt, and the pairs among them."""

    places: dict[AnswerT, int] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)

    def add(self, chosen: AnswerT, rejected: AnswerT, weight: float = 1.0, margin: float = 0.0) -> None:
        chosen_place, rejected_place = (self.places.setdefault(a, len(self.places)) for a in (chosen, rejected))
        self.pairs.append(Pair(chosen_place, rejected_place, weight, margin))

    @property
    def answers(self) -> list[AnswerT]:
        return list(self.places)

    @property
    def length(self) -> int:
        return max(map(len, self.places))

    @property
    def weight(self) -> float:
        return sum(pair.weight for pair in self.pairs)


@dataclass(frozen=True)
class Comparisons(Generic[AnswerT]):
    groups: list[AnswerGroup[AnswerT]]
    num_long: int
    num_ties: int


def group_by_prompt(
    rows: Sequence[Comparison], encode: Callable[[Prompt, str], AnswerT], limit: int
) -> Comparisons[AnswerT]:
    """Ties and rows with an answer of more than `limit` tokens are left out and counted."""
    encode = cache(encode)  # an answer stands in many rows: against several others, judged by several raters
    groups = defaultdict[Prompt, AnswerGroup[AnswerT]](AnswerGroup[AnswerT])
    num_long = num_ties = 0
    for row in rows:
        chosen, rejected = encode(row.prompt, row.chosen), encode(row.prompt, row.rejected)
        if chosen == rejected:
            num_ties += 1
        elif max(len(chosen), len(rejected)) > limit:
            num_long += 1
        else:
            weight = 1.0 if row.weight is None else row.weight
            groups[row.prompt].add(chosen, rejected, weight, row.margin or 0.0)
    return Comparisons(list(groups.values()), num_long, num_ties)


def connected(group: AnswerGroup[AnswerT]) -> list[AnswerGroup[AnswerT]]:
    """The group cut into what belongs in one batch: pairs that share an answer, directly or through others.

    Ouyang et al. 2022 keep all pairs of one labelling task together; a prompt that was asked in many tasks would fill a
    whole batch with itself.
    """
    members = {place: {place} for place in group.places.values()}
    for pair in group.pairs:
        joined = members[pair.chosen] | members[pair.rejected]
        members.update(dict.fromkeys(joined, joined))
    answers, parts = group.answers, defaultdict[int, AnswerGroup[AnswerT]](AnswerGroup[AnswerT])
    for pair in group.pairs:
        parts[min(members[pair.chosen])].add(answers[pair.chosen], answers[pair.rejected], pair.weight, pair.margin)
    return list(parts.values())


def flatten(groups: Sequence[AnswerGroup[AnswerT]]) -> tuple[list[AnswerT], PairTensors]:
    """All answers of the groups, and their pairs as places in that list."""
    answers: list[AnswerT] = []
    pairs: list[Pair] = []
    for group in groups:
        first = len(answers)
        pairs += [pair._replace(chosen=first + pair.chosen, rejected=first + pair.rejected) for pair in group.pairs]
        answers += group.answers
    return answers, PairTensors(*map(torch.tensor, zip(*pairs)))
