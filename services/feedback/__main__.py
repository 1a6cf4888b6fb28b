from services.feedback.service import Feedback
from services.feedback.settings import FeedbackSettings
from services.runtime.process import run
from services.runtime.server import serve


async def start(settings: FeedbackSettings) -> None:
    feedback = Feedback(settings)
    await serve("feedback", settings, feedback.register, alongside=feedback.preparing)


if __name__ == "__main__":
    run(FeedbackSettings, "RLHF_FEEDBACK_", start)
