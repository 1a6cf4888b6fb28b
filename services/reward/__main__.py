from functools import partial

from services.reward.servicer import register
from services.reward.settings import RewardSettings
from services.runtime.process import run
from services.runtime.server import serve


async def start(settings: RewardSettings) -> None:
    await serve("reward", settings, partial(register, settings))


if __name__ == "__main__":
    run(RewardSettings, "RLHF_REWARD_", start)
