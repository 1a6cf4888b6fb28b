from services.runtime.process import run
from services.runtime.server import serve
from services.trainer.service import Trainer, local_launcher
from services.trainer.settings import TrainerSettings


async def start(settings: TrainerSettings) -> None:
    trainer = Trainer(settings, local_launcher)
    await serve("trainer", settings, trainer.register, trainer.admission, trainer.supervised)


if __name__ == "__main__":
    run(TrainerSettings, "RLHF_TRAINER_", start)
