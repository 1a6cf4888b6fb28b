import pytest
from transformers import PreTrainedTokenizerFast

from services.language_model.chat import Message, decode_response, encode_prompt, encode_response
from services.language_model.tokens import prepare_tokenizer
from services.runtime.errors import InvalidInput

from .small_models import adds_bos, byte_level, causal

ASK = [Message("system", "Be brief."), Message("user", "Boil an egg?")]


def prepared(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    prepare_tokenizer(tokenizer, causal("llama"))
    return tokenizer


def test_default_template_reads_as_a_transcript() -> None:
    tokenizer = byte_level()
    turns = [*ASK, Message("assistant", "Ten minutes."), Message("user", "Sure?")]
    text = tokenizer.decode(encode_prompt(tokenizer, turns))
    assert text == "Be brief.\n\nHuman: Boil an egg?\n\nAssistant:\nTen minutes.</s>\n\nHuman: Sure?\n\nAssistant:\n"


@pytest.mark.parametrize("make", [byte_level, adds_bos])
def test_prompt_equals_plain_apply_chat_template_of_the_prepared_tokenizer(make) -> None:
    before = encode_prompt(make(), ASK)
    tokenizer = prepared(make())
    turns = [{"role": message.role, "content": message.content} for message in ASK]
    plain = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    assert encode_prompt(tokenizer, ASK) == plain == before


def test_beginning_of_sequence_stands_once_where_the_tokenizer_adds_it() -> None:
    assert encode_prompt(adds_bos(), ASK).count(0) == 1
    assert encode_prompt(adds_bos(), ASK)[0] == 0
    assert 0 not in encode_prompt(byte_level(bos_token="<s>"), ASK)


def test_own_template_is_used() -> None:
    tokenizer = byte_level()
    tokenizer.chat_template = "{{ '<s>' }}{% for m in messages %}{{ m['content'] }}|{% endfor %}"
    assert tokenizer.decode(encode_prompt(tokenizer, ASK)) == "<s>Be brief.|Boil an egg?|"


@pytest.mark.parametrize("text", ["Ten minutes.", "", "näh 漢 🙂\n\n  two spaces "])
def test_response_ends_with_the_end_token_and_decodes_to_its_text(text: str) -> None:
    for tokenizer in (byte_level(), adds_bos()):
        ids = encode_response(tokenizer, text)
        assert ids[-1] == tokenizer.eos_token_id
        assert ids.count(0) == 0
        assert decode_response(tokenizer, ids) == text


def test_bad_conversations_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"messages\[1\].role: got robot, expected system or user or assistant"):
        encode_prompt(byte_level(), [Message("user", "hi"), Message("robot", "beep")])
    with pytest.raises(InvalidInput, match="messages: got none"):
        encode_prompt(byte_level(), [])
    strict = byte_level()
    strict.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(InvalidInput, match=r"roles system, user.*roles must alternate"):
        encode_prompt(strict, ASK)
