import json

import pytest

from services.data import Finding, check
from services.runtime.errors import InvalidInput


def pair(prompt: object, chosen: str, rejected: str) -> dict:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def by_check(report) -> dict[str, Finding]:
    return {finding.check: finding for finding in report.findings}


def test_a_clean_file_has_no_findings_and_three_samples(jsonl) -> None:
    report = check(jsonl(*[pair(f"Question {n}", "long answer", "short") for n in range(9)]))
    assert report.findings == ()
    assert report.counts == {"rows": 9, "records": 9, "bad": 0}
    assert [sample.splitlines()[0] for sample in report.samples] == [
        "user: Question 0",
        "user: Question 4",
        "user: Question 8",
    ]
    assert report.samples[0].splitlines()[1:] == ["chosen: long answer", "rejected: short"]
    assert json.loads(json.dumps(report.to_dict()))["mapping"]["chosen"] == "chosen"


def test_bad_rows_are_findings(jsonl) -> None:
    path = jsonl(pair("p", "a", "b"), pair("p", "a", "a"), pair("p", "", "b"), pair("q", "c", "c"))
    found = by_check(check(path))
    assert found["rejected: expected an answer other than the chosen one"] == Finding(
        "rejected: expected an answer other than the chosen one", 2, (f"{path}:2", f"{path}:4"), bad=True
    )
    assert found["chosen: expected a text that is not empty"].count == 1


def test_contradictory_and_duplicate_pairs(jsonl) -> None:
    path = jsonl(pair("p", "a", "b"), pair("q", "a", "b"), pair("p", "b", "a"), pair("q", "a", "b"))
    found = by_check(check(path))
    assert found["contradicts another record"].places == (f"{path}:1", f"{path}:3")
    assert found["duplicate record"].places == (f"{path}:4",)


def test_answer_labelled_good_and_bad(jsonl) -> None:
    labelled = [{"prompt": "p", "completion": "a", "label": label} for label in (True, False)]
    assert by_check(check(jsonl(*labelled)))["contradicts another record"].count == 2


def message(role: str, content: str = "x") -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("roles", "in_order"),
    [
        (["user"], True),
        (["system", "user"], True),
        (["user", "assistant", "user"], True),
        (["assistant"], False),
        (["user", "user"], False),
        (["user", "assistant"], False),
        (["user", "system", "user"], False),
        (["system"], False),
    ],
)
def test_role_order(jsonl, roles: list[str], in_order: bool) -> None:
    report = check(jsonl({"prompt": [message(role) for role in roles]}))
    assert ("roles out of order" not in by_check(report)) is in_order


def test_empty_turn(jsonl) -> None:
    row = {"prompt": [message("user", "Hi"), message("assistant", " "), message("user", "Well?")]}
    assert by_check(check(jsonl(row)))["empty turn in the prompt"].count == 1


def test_prompts_that_leak_into_the_held_out_file(jsonl) -> None:
    train = jsonl(pair("What is  RLHF?", "a", "b"), pair("Another?", "a", "b"))
    held_out = jsonl({"prompt": "what is rlhf?"}, {"prompt": "New?"}, name="held_out.jsonl")
    assert by_check(check(train, against=held_out))["prompt is also in the held-out file"].places == (f"{train}:1",)
    assert "prompt is also in the held-out file" not in by_check(check(train))


def test_over_long_rows(jsonl) -> None:
    path = jsonl(pair("p", "a" * 50, "b"), pair("p", "c", "d"))
    report = check(path, max_characters=50)
    assert by_check(report)["longer than 50 characters"].places == (f"{path}:1",)
    assert report.characters["response_longest"] == 50


def test_how_often_the_chosen_answer_is_the_longer(jsonl) -> None:
    pairs = [pair("p", "long", "x"), pair("p", "longer", "x"), pair("p", "same", "size"), pair("p", "x", "long")]
    assert check(jsonl(*pairs)).chosen_longer == pytest.approx(2.5 / 4)
    assert check(jsonl({"prompt": "p"})).chosen_longer is None


def test_ties_are_counted(jsonl) -> None:
    row = {"context": "p", "response1": "a", "response2": "b", "overall_preference": 1}
    assert check(jsonl(row, row | {"overall_preference": 0})).counts["ties"] == 1


def test_a_file_nobody_can_read_is_an_error(tmp_path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        check(tmp_path / "gone.jsonl")
