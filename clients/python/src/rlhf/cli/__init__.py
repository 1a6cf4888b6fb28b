"""The command `rlhf`; one file per group of commands."""

from rlhf.cli import (
    campaigns,
    data,
    feedback,
    generation,
    models,
    pipeline,
    raters,
    runs,
    scoring,
    services,
    train,
)
from rlhf.cli.root import app

app.command("up", rich_help_panel="Start here")(services.up)
app.command("quickstart", rich_help_panel="Start here")(services.quickstart)
app.command("pipeline", rich_help_panel="Train")(pipeline.pipeline)
app.add_typer(train.app, name="train", rich_help_panel="Train")
app.add_typer(runs.app, name="runs", rich_help_panel="Train")
app.add_typer(data.app, name="data", rich_help_panel="Bring and take away")
app.add_typer(models.app, name="models", rich_help_panel="Bring and take away")
app.add_typer(campaigns.app, name="campaigns", rich_help_panel="Ask people")
app.add_typer(feedback.app, name="feedback", rich_help_panel="Ask people")
app.add_typer(raters.app, name="raters", rich_help_panel="Ask people")
app.command("generate", rich_help_panel="Use")(generation.generate)
app.command("chat", rich_help_panel="Use")(generation.chat)
app.command("score", rich_help_panel="Use")(scoring.score)


def main() -> None:
    app(prog_name="rlhf")
