"""Rows of a dataset on the Hugging Face Hub, hf://owner/name[:split]."""

import re
import tempfile
from collections.abc import Iterator

from services.data.files import Row
from services.runtime.errors import InvalidInput, Problem

SCHEME = "hf://"
NAME = re.compile(r"hf://(\w[\w.-]*/\w[\w.-]*)(?::([\w.\[\]:%-]+))?")


def read_hub(source: str) -> Iterator[Row]:
    """`split` is "train" when not given, and may be a slice such as train[:1%]. Nothing stays on disk afterwards."""
    match = NAME.fullmatch(source)
    if not match:
        raise InvalidInput(Problem("source", source, "hf://owner/name or hf://owner/name:split"))
    name, split = match.group(1), match.group(2) or "train"
    with tempfile.TemporaryDirectory(prefix="rlhf-datasets-") as cache:
        yield from load(source, name, split, cache)


def load(source: str, name: str, split: str, cache: str) -> Iterator[Row]:
    import datasets  # slow to import, and needed for this alone
    from datasets.exceptions import DatasetsError

    datasets.disable_progress_bars()
    try:
        rows = datasets.load_dataset(name, split=split, cache_dir=cache)
    except (DatasetsError, FileNotFoundError, ValueError, ConnectionError) as error:
        raise InvalidInput(Problem("source", f"{source} ({error})", "a dataset that can be loaded")) from error
    for number, values in enumerate(rows, start=1):
        yield Row(number, dict(values))
