import pytest

from services.runtime.errors import InvalidInput
from services.trainer.uploads import check_model_files


def test_all_that_a_model_lacks_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as raised:
        check_model_files(["tokenizer.json"])
    assert [problem.expected for problem in raised.value.problems] == [
        "weights as *.safetensors",
        "a folder in Hugging Face layout",
    ]
