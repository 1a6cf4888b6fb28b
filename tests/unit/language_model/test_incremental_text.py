import pytest

from services.language_model.incremental_text import IncrementalText

from .small_models import byte_level

TEXT = "Naïve 漢字 🙂, said the cat.\n\nHuman: no"


def pieces(stop: tuple[str, ...], text: str = TEXT) -> tuple[list[str], IncrementalText]:
    tokenizer = byte_level()
    growing = IncrementalText(tokenizer, stop)
    taken: list[str] = []
    for token in tokenizer(text, add_special_tokens=False).input_ids:
        growing.push(token)
        taken.append(growing.take(finished=growing.stopped))
        if growing.stopped:
            break
    growing.finish()
    return [*taken, growing.take(finished=True)], growing


def test_pieces_never_hold_half_a_character() -> None:
    taken, growing = pieces(())
    assert "".join(taken) == growing.text == TEXT
    assert all("\ufffd" not in piece for piece in taken)
    assert len([piece for piece in taken if piece]) > 10


@pytest.mark.parametrize("stop", [("\n\nHuman:",), ("xyz", "cat", "said the cat")])
def test_text_ends_where_the_first_stop_text_begins(stop: tuple[str, ...]) -> None:
    taken, growing = pieces(stop)
    assert growing.stopped
    assert "".join(taken) == growing.text == TEXT[: min(TEXT.index(s) for s in stop if s in TEXT)]


def test_what_only_began_like_a_stop_text_is_handed_out() -> None:
    taken, growing = pieces(("the dog", "no way"))
    assert not growing.stopped
    assert "".join(taken) == TEXT


def test_unfinished_character_comes_out_at_the_end() -> None:
    tokenizer = byte_level()
    growing = IncrementalText(tokenizer, ())
    ids = tokenizer("a🙂").input_ids
    for token in ids[:-1]:
        growing.push(token)
    assert growing.take(finished=False) == "a"
    growing.finish()
    assert growing.text == tokenizer.decode(ids[:-1])
