from functools import partial

from services.policy.servicer import register
from services.policy.settings import PolicySettings
from services.runtime.process import run
from services.runtime.server import serve


async def start(settings: PolicySettings) -> None:
    await serve("policy", settings, partial(register, settings))


if __name__ == "__main__":
    run(PolicySettings, "RLHF_POLICY_", start)
