from collections.abc import Iterator

import openai
import pytest
from playwright.sync_api import Browser

from tests.unit.gateway.browsing import chromium
from tests.unit.gateway.town import TOKEN, Town
from tests.unit.gateway.town import town as open_town


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture
def assistant(town: Town) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{town.url}/v1", api_key=TOKEN["shop"], max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """No longer than for a module: while it is open, no other event loop runs in this thread."""
    with chromium() as browser:
        yield browser
