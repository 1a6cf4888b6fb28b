"""What the feedback service exports beside its calls."""

from services.runtime.definitions import counter, gauge, histogram

CAMPAIGNS = gauge("rlhf_feedback_campaigns", "campaigns", "Campaigns, by state", ("state",))
WAITING = gauge("rlhf_feedback_waiting_items", "items", "Items of open campaigns that want more judgements")
JUDGEMENTS = counter(
    "rlhf_feedback_judgements_total",
    "judgements",
    "Judgements that raters made, by kind of answer; an undo is one, too, imported ones are none",
    ("answer",),
)
EXPORT_SECONDS = histogram(
    "rlhf_feedback_export_seconds", "seconds", "From an export's turn until its dataset or file is there", ("kind",)
)

judgements, export_seconds = JUDGEMENTS.on(), EXPORT_SECONDS.on()
