import pytest

from services.data import Comparison, Message, read

OPENING = "\n\nHuman: How do I boil an egg?\n\nAssistant: For how long do you like it?\n\nHuman: Soft, please."


def test_published_shape_is_split_at_the_last_assistant_marker(jsonl) -> None:
    row = {
        "chosen": f"{OPENING}\n\nAssistant: Six minutes.\n\nThen cold water.",
        "rejected": f"{OPENING}\n\nAssistant: Six hours.",
    }
    result = read(
        jsonl(row, {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello!", "rejected": "\n\nHuman: Hi\n\nAssistant: No."})
    )
    assert result.detected_format == "hh-rlhf"
    assert result.records == [
        Comparison(
            (
                Message("user", "How do I boil an egg?"),
                Message("assistant", "For how long do you like it?"),
                Message("user", "Soft, please."),
            ),
            "Six minutes.\n\nThen cold water.",
            "Six hours.",
        ),
        Comparison((Message("user", "Hi"),), "Hello!", "No."),
    ]


def test_margin_and_weight_columns_beside_the_transcripts(jsonl) -> None:
    """Llama 2 was trained on such rows with a margin."""
    row = {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello!", "rejected": "\n\nHuman: Hi\n\nAssistant: No."}
    result = read(jsonl(row | {"margin": 1.5, "weight": 2}))
    assert result.records == [Comparison((Message("user", "Hi"),), "Hello!", "No.", margin=1.5, weight=2.0)]
    assert result.unused_columns == ()


@pytest.mark.parametrize(
    ("rejected", "said"),
    [
        (f"{OPENING}\n\nAssistant:", "a text that is not empty"),
        (f"{OPENING}\n\nAssistant: Six hours.\n\nHuman: Thanks.", "a transcript that ends with an Assistant turn"),
        ("\n\nHuman: Another question?\n\nAssistant: No.", "the same conversation as chosen"),
        ("How do I boil an egg? Six hours.", "a transcript that ends with an Assistant turn"),
    ],
    ids=["empty", "ends with the human", "another prompt", "no transcript"],
)
def test_broken_transcript_among_good_ones_is_named_by_line(jsonl, rejected: str, said: str) -> None:
    good = {"chosen": f"{OPENING}\n\nAssistant: Six minutes.", "rejected": f"{OPENING}\n\nAssistant: Ten."}
    result = read(jsonl(good, good, good | {"rejected": rejected}), max_bad=1)
    (bad,) = result.bad
    assert (bad.where.rsplit(":")[-1], bad.field) == ("3", "rejected")
    assert said in bad.expected
