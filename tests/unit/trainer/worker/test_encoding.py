import pytest

from services.data.records import Message
from services.runtime.errors import InvalidInput
from services.trainer.worker.encoding import encode, length_limit, pad_id, require_rows
from tests.unit.trainer.worker import small_world


def test_a_response_ends_with_the_end_of_sequence_token() -> None:
    tokenizer = small_world.tokenizer()
    found = encode(tokenizer, (Message("user", "w1 w2"),), "w3")
    assert tokenizer.convert_ids_to_tokens(found.prompt_ids) == ["<user>", "w1", "w2", "<assistant>"]
    assert tokenizer.convert_ids_to_tokens(found.response_ids) == ["w3", "<eos>"]
    assert len(found) == 6


def test_the_limit_is_the_smallest_of_what_was_asked_and_what_can_be_seen() -> None:
    tokenizer = small_world.tokenizer()
    assert length_limit(small_world.config(), tokenizer) == 64
    assert length_limit(small_world.config(), tokenizer, 20) == 20
    tokenizer.model_max_length = 48
    assert length_limit(small_world.config(), tokenizer, 500) == 48


def test_any_id_pads_where_the_tokenizer_names_none() -> None:
    tokenizer = small_world.tokenizer()
    tokenizer.pad_token = None
    assert pad_id(tokenizer) == 0


def test_leaving_everything_out_is_an_error_with_a_reason() -> None:
    require_rows([1], "sft.dataset", 3, 10)
    with pytest.raises(InvalidInput, match=r"sft\.dataset: got 3 rows that are all too long, expected .* 10 tokens"):
        require_rows([], "sft.dataset", 3, 10)
