"""What is worth knowing about a dataset before training on it; `rlhf data check` prints it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.data.reading import ReadResult, read
from services.data.records import Comparison, Prompt, Record, UnpairedLabel, responses

MAX_PLACES = 5  # shown per finding
SAMPLES = 3
DEFAULT_MAX_CHARACTERS = 32_000  # some 8 000 tokens


@dataclass(frozen=True)
class Finding:
    """Something to look at; `bad` rows cannot be read, the others can but may do harm."""

    check: str
    count: int
    places: tuple[str, ...]  # "file:line" of the first few
    bad: bool = False


@dataclass(frozen=True)
class CheckReport:
    source: str
    detected_format: str
    record_type: str
    mapping: dict[str, str]  # field -> column
    unused_columns: tuple[str, ...]
    counts: dict[str, int]  # rows, records, bad, and what was left out
    chosen_longer: float | None  # share of pairs whose chosen answer is the longer; None without pairs
    characters: dict[str, int]  # median and longest prompt and response
    findings: tuple[Finding, ...]
    samples: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def check(
    source: str | Path,
    field_map: Mapping[str, str] | None = None,
    record_type: str | None = None,
    against: str | Path | None = None,
    max_characters: int = DEFAULT_MAX_CHARACTERS,
) -> CheckReport:
    """Reads the whole file and reports; bad rows are findings, not errors.

    `against` is a second file, such as the evaluation set: prompts in both are a leak. A record is over-long beyond
    `max_characters` of prompt and longest response together. Raises InvalidInput where nothing can be read.
    """
    result = read(source, field_map, record_type, max_bad=None)
    held_out = {prompt_key(record.prompt) for record in read(against, max_bad=None).records} if against else set()
    return CheckReport(
        source=str(source),
        detected_format=result.detected_format,
        record_type=str(result.record_type),
        mapping=result.mapping,
        unused_columns=result.unused_columns,
        counts=result.counts,
        chosen_longer=chosen_longer(result.records),
        characters=characters(result.records),
        findings=(*bad_findings(result), *findings(str(source), result, held_out, max_characters)),
        samples=tuple(render(record) for record in spread(result.records)),
    )


def bad_findings(result: ReadResult) -> Iterator[Finding]:
    """Bad rows, grouped by what is wrong with them."""
    groups: dict[str, list[str]] = {}
    for row in result.bad:
        groups.setdefault(f"{row.field}: expected {row.expected}", []).append(row.where)
    for problem, places in groups.items():
        yield Finding(problem, len(places), tuple(places[:MAX_PLACES]), bad=True)


def findings(source: str, result: ReadResult, held_out: set[str], max_characters: int) -> Iterator[Finding]:
    repeats = repeated(result.records)
    contradicted = contradicting(result.records)
    tests: dict[str, Callable[[int, Record], bool]] = {
        "empty turn in the prompt": lambda _, record: any(not message.content.strip() for message in record.prompt),
        "roles out of order": lambda _, record: not roles_in_order(record.prompt),
        "duplicate record": lambda index, _: index in repeats,
        "contradicts another record": lambda index, _: index in contradicted,
        "prompt is also in the held-out file": lambda _, record: prompt_key(record.prompt) in held_out,
        f"longer than {max_characters} characters": lambda _, record: length(record) > max_characters,
    }
    for name, test in tests.items():
        hits = [index for index, record in enumerate(result.records) if test(index, record)]
        if hits:
            places = tuple(f"{source}:{result.lines[index]}" for index in hits[:MAX_PLACES])
            yield Finding(name, len(hits), places)


def roles_in_order(prompt: Prompt) -> bool:
    """An optional system message, then user and assistant in turn, the user last."""
    roles = [message.role for message in prompt]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    return len(turns) % 2 == 1 and turns == ["user", "assistant"] * (len(turns) // 2) + ["user"]


def repeated(records: Sequence[Record]) -> set[int]:
    """Indices of records that stood before."""
    seen: set[Record] = set()
    return {index for index, record in enumerate(records) if record in seen or seen.add(record)}


def contradicting(records: Sequence[Record]) -> set[int]:
    """Indices of pairs that are also there the other way round, and of answers labelled both good and bad."""
    verdicts = [verdict(record) for record in records]
    known = {v for v in verdicts if v is not None}
    return {index for index, v in enumerate(verdicts) if v is not None and opposite(v) in known}


def verdict(record: Record) -> tuple[Any, ...] | None:
    match record:
        case Comparison():
            return record.prompt, record.chosen, record.rejected
        case UnpairedLabel():
            return record.prompt, record.response, record.label
        case _:
            return None


def opposite(verdict: tuple[Any, ...]) -> tuple[Any, ...]:
    prompt, first, second = verdict
    return (prompt, first, not second) if isinstance(second, bool) else (prompt, second, first)


def prompt_key(prompt: Prompt) -> str:
    """Equal for prompts that differ in case and spacing alone."""
    return "\n".join(f"{message.role}:{' '.join(message.content.lower().split())}" for message in prompt)


def chosen_longer(records: Sequence[Record]) -> float | None:
    """In characters; pairs of equal length count one half, so that 0.5 is no preference for length."""
    pairs = [(len(r.chosen), len(r.rejected)) for r in records if isinstance(r, Comparison)]
    if not pairs:
        return None
    outcomes = Counter((chosen > rejected) - (chosen < rejected) for chosen, rejected in pairs)
    return (outcomes[1] + outcomes[0] / 2) / len(pairs)


def characters(records: Sequence[Record]) -> dict[str, int]:
    lengths = {
        "prompt": sorted(prompt_length(record.prompt) for record in records),
        "response": sorted(len(text) for record in records for text in responses(record)),
    }
    return {
        f"{name}_{what}": numbers[index]
        for name, numbers in lengths.items()
        if numbers
        for what, index in (("median", len(numbers) // 2), ("longest", -1))
    }


def length(record: Record) -> int:
    return prompt_length(record.prompt) + max(map(len, responses(record)), default=0)


def prompt_length(prompt: Prompt) -> int:
    return sum(len(message.content) for message in prompt)


def spread(records: Sequence[Record]) -> list[Record]:
    """The first, a middle and the last record."""
    indices = {round(index * (len(records) - 1) / (SAMPLES - 1)) for index in range(SAMPLES)}
    return [records[index] for index in sorted(indices)]


def render(record: Record) -> str:
    names = {1: ["response"], 2: ["chosen", "rejected"]}.get(len(responses(record)), [])
    lines = [f"{message.role}: {message.content}" for message in record.prompt]
    lines += [f"{name}: {text}" for name, text in zip(names, responses(record))]
    if isinstance(record, UnpairedLabel):
        lines.append(f"label: {'good' if record.label else 'bad'}")
    return "\n".join(lines)
