"""Statistics, imports and exports between the contract and the plain values used here."""

from rlhf.v1 import feedback_pb2 as pb

from services.feedback.agreement import Agreement
from services.feedback.comparisons import Aggregation
from services.feedback.exporting import ExportKind, FileFormat, Plan
from services.feedback.formats import PreferenceFormat
from services.feedback.import_files import Header, ImportKind
from services.feedback.intervals import Estimate
from services.feedback.recipe import CampaignKind
from services.feedback.specs import known
from services.feedback.statistics import RaterStatistics, SourceStatistics, Statistics
from services.runtime.errors import InvalidInput, Problem

# Zero, which is what nobody chose, means the first.
IMPORT_KINDS = {0: ImportKind.ITEMS, 1: ImportKind.ITEMS, 2: ImportKind.GOLD, 3: ImportKind.JUDGEMENTS}
AGGREGATIONS = {0: Aggregation.RELIABILITY, 1: Aggregation.RELIABILITY, 2: Aggregation.MAJORITY, 3: Aggregation.VOTES}
EXPORT_KINDS = {1: ExportKind.COMPARISONS, 2: ExportKind.DEMONSTRATIONS, 3: ExportKind.JUDGEMENTS}
PREFERENCE_FORMATS = {
    0: PreferenceFormat.TRL,
    1: PreferenceFormat.TRL,
    2: PreferenceFormat.OPENAI,
    3: PreferenceFormat.HELPSTEER3,
    4: PreferenceFormat.LABEL_STUDIO,
}
FILE_FORMATS = {0: FileFormat.JSONL, 1: FileFormat.JSONL, 2: FileFormat.PARQUET}


def decode_header(request: pb.ImportFileRequest) -> Header:
    if request.WhichOneof("part") != "header":
        raise InvalidInput(Problem("part", request.WhichOneof("part") or "nothing", "the header first"))
    header = request.header
    return Header(
        kind=known(IMPORT_KINDS, header.kind, "kind"),
        filename=header.filename,
        sha256=header.sha256,
        field_map=dict(header.field_map),
        max_bad=header.max_bad,
    )


def decode_plan(
    kind: int, aggregation: int, campaign: CampaignKind, preference_format: int = 0, file_format: int = 0
) -> Plan:
    demonstrates = campaign is CampaignKind.DEMONSTRATION
    kinds = EXPORT_KINDS | {0: ExportKind.DEMONSTRATIONS if demonstrates else ExportKind.COMPARISONS}
    plan = Plan(
        kind=known(kinds, kind, "kind"),
        aggregation=known(AGGREGATIONS, aggregation, "aggregation"),
        preference_format=known(PREFERENCE_FORMATS, preference_format, "preference_format"),
        file_format=known(FILE_FORMATS, file_format, "file_format"),
    )
    wrong = ExportKind.COMPARISONS if demonstrates else ExportKind.DEMONSTRATIONS
    if plan.kind is wrong:
        raise InvalidInput(Problem("kind", str(plan.kind), f"what a {campaign} campaign collects, or judgements"))
    return plan


def encode_statistics(found: Statistics, progress: pb.CampaignProgress) -> pb.GetStatisticsResponse:
    return pb.GetStatisticsResponse(
        progress=progress,
        agreement=_agreement("", found.agreement),
        domains=[_agreement(domain, agreement) for domain, agreement in found.domains.items()],
        raters=map(_rater, found.raters),
        sources=map(_source, found.sources),
        days=[pb.DailyCount(date=date, judgements=count) for date, count in found.days.items()],
        longer_preferred=_estimate(found.longer_preferred),
    )


def _estimate(estimate: Estimate | None) -> pb.Estimate | None:
    if estimate is None:
        return None
    return pb.Estimate(value=estimate.value, low=estimate.low, high=estimate.high, count=estimate.count)


def _agreement(domain: str, agreement: Agreement) -> pb.AgreementStatistics:
    return pb.AgreementStatistics(
        domain=domain,
        items=agreement.units,
        judgements=agreement.votes,
        agreement=_estimate(agreement.agreement),
        cohen_kappa=_estimate(agreement.cohen_kappa),
        fleiss_kappa=_estimate(agreement.fleiss_kappa),
        krippendorff_alpha=_estimate(agreement.krippendorff_alpha),
    )


def _rater(rater: RaterStatistics) -> pb.RaterStatistics:
    return pb.RaterStatistics(
        rater=rater.rater,
        judgements=rater.judgements,
        skips=rater.skips,
        undone=rater.undone,
        gold_accuracy=_estimate(rater.gold_accuracy),
        repeat_consistency=_estimate(rater.repeat_consistency),
        first_preferred=_estimate(rater.first_preferred),
        longer_preferred=_estimate(rater.longer_preferred),
        agreement=_estimate(rater.agreement),
        reliability=rater.reliability,
        median_seconds=rater.median_seconds,
    )


def _source(source: SourceStatistics) -> pb.SourceStatistics:
    return pb.SourceStatistics(
        source=source.source,
        wins=source.wins,
        losses=source.losses,
        ties=source.ties,
        win_rate=_estimate(source.win_rate),
    )
