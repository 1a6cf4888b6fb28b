"""Comparisons as the stages read them: every distinct answer once, and which beat which."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from services.data.records import Comparison, Prompt


class Answer(Hashable, Protocol):
    """A prompt with a response, tokenised; its length is in tokens."""

    def __len__(self) -> int: ...


AnswerT = TypeVar("AnswerT", bound=Answer)


@dataclass
class AnswerGroup(Generic[AnswerT]):
    """Answers to one prompt; `pairs` are the places of the chosen and the rejected one."""

    places: dict[AnswerT, int] = field(default_factory=dict)
    pairs: list[tuple[int, int]] = field(default_factory=list)

    def add(self, chosen: AnswerT, rejected: AnswerT) -> None:
        chosen_place, rejected_place = (self.places.setdefault(a, len(self.places)) for a in (chosen, rejected))
        self.pairs.append((chosen_place, rejected_place))

    @property
    def answers(self) -> list[AnswerT]:
        return list(self.places)

    @property
    def length(self) -> int:
        return max(map(len, self.places))


@dataclass(frozen=True)
class Comparisons(Generic[AnswerT]):
    groups: list[AnswerGroup[AnswerT]]
    num_long: int
    num_ties: int


def group_by_prompt(
    rows: Sequence[Comparison], encode: Callable[[Prompt, str], AnswerT], limit: int
) -> Comparisons[AnswerT]:
    """Ties and rows with an answer of more than `limit` tokens are left out and counted."""
    groups = defaultdict[Prompt, AnswerGroup[AnswerT]](AnswerGroup[AnswerT])
    num_long = num_ties = 0
    for row in rows:
        chosen, rejected = encode(row.prompt, row.chosen), encode(row.prompt, row.rejected)
        if chosen == rejected:
            num_ties += 1
        elif max(len(chosen), len(rejected)) > limit:
            num_long += 1
        else:
            groups[row.prompt].add(chosen, rejected)
    return Comparisons(list(groups.values()), num_long, num_ties)


def connected(group: AnswerGroup[AnswerT]) -> list[AnswerGroup[AnswerT]]:
    """The group cut into what belongs in one batch: pairs that share an answer, directly or through others.

    Ouyang et al. 2022 keep all pairs of one labelling task together; a prompt that was asked in many tasks would fill a
    whole batch with itself.
    """
    members = {place: {place} for place in group.places.values()}
    for chosen, rejected in group.pairs:
        joined = members[chosen] | members[rejected]
        members.update(dict.fromkeys(joined, joined))
    answers, parts = group.answers, defaultdict[int, AnswerGroup[AnswerT]](AnswerGroup[AnswerT])
    for chosen, rejected in group.pairs:
        parts[min(members[chosen])].add(answers[chosen], answers[rejected])
    return list(parts.values())


def flatten(groups: Sequence[AnswerGroup[AnswerT]]) -> tuple[list[AnswerT], list[tuple[int, int]]]:
    """All answers of the groups, and their pairs as places in that list."""
    answers: list[AnswerT] = []
    pairs: list[tuple[int, int]] = []
    for group in groups:
        pairs += [(len(answers) + chosen, len(answers) + rejected) for chosen, rejected in group.pairs]
        answers += group.answers
    return answers, pairs
