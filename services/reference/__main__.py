from functools import partial

from services.reference.servicer import register
from services.reference.settings import ReferenceSettings
from services.runtime.process import run
from services.runtime.server import serve


async def start(settings: ReferenceSettings) -> None:
    await serve("reference", settings, partial(register, settings))


if __name__ == "__main__":
    run(ReferenceSettings, "RLHF_REFERENCE_", start)
