from services.runtime.process import run
from services.runtime.server import serve
from services.trainer.launching import launcher
from services.trainer.lease import leadership
from services.trainer.service import Trainer
from services.trainer.settings import TrainerSettings


async def start(settings: TrainerSettings) -> None:
    async with leadership(settings):
        trainer = Trainer(settings, launcher)
        await serve("trainer", settings, trainer.register, trainer.admission, trainer.supervised)


if __name__ == "__main__":
    run(TrainerSettings, "RLHF_TRAINER_", start)
