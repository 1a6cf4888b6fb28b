"""The feedback service: people judge responses, and their judgements become datasets."""

import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from rlhf.calls import Async, Fold, Once, Stream, Sync, Unary, Upload, method
from rlhf.campaigns import (
    KINDS,
    Acknowledged,
    Assignment,
    Campaign,
    Generated,
    Item,
    Next,
    RaterProgress,
    Undone,
    acknowledged_from,
    campaign_from,
    generated_message,
    item_message,
    next_from,
    one_of,
    rater_progress_from,
    undone_from,
)
from rlhf.datasets import Dataset, DatasetName, dataset_from, existing
from rlhf.judgements import CHOICES, Judgement, Statistics, judgement_from, statistics_from
from rlhf.transfers import ExportSink, chunks, sha256
from rlhf.v1 import feedback_pb2 as pb

ITEMS_PER_CALL = 1000
IMPORT_KINDS = {
    "items": pb.IMPORT_KIND_ITEMS,
    "gold": pb.IMPORT_KIND_GOLD,
    "judgements": pb.IMPORT_KIND_JUDGEMENTS,
}
EXPORT_KINDS = {
    "": pb.EXPORT_KIND_UNSPECIFIED,
    "comparisons": pb.EXPORT_KIND_COMPARISONS,
    "demonstrations": pb.EXPORT_KIND_DEMONSTRATIONS,
    "judgements": pb.EXPORT_KIND_JUDGEMENTS,
}
AGGREGATIONS = {
    "reliability": pb.AGGREGATION_RELIABILITY,
    "majority": pb.AGGREGATION_MAJORITY,
    "votes": pb.AGGREGATION_VOTES,
}
FORMATS = {
    "trl": pb.PREFERENCE_FORMAT_TRL,
    "openai": pb.PREFERENCE_FORMAT_OPENAI,
    "helpsteer3": pb.PREFERENCE_FORMAT_HELPSTEER3,
    "label_studio": pb.PREFERENCE_FORMAT_LABEL_STUDIO,
}


def _campaign(response: Any) -> Campaign:
    return campaign_from(response.campaign)


class FeedbackCalls:
    @method
    def create(
        self,
        name: str,
        *,
        kind: str = "comparison",
        title: str = "",
        guidelines: str = "",
        generated: Generated | None = None,
        dataset: DatasetName = "",
        overlap: int = 2,
        overlap_share: float = 0.2,
        gold_share: float = 0.08,
        repeat_share: float = 0.05,
        strength: bool = False,
        responses_per_item: int = 0,
        skills: Sequence[str] = (),
        seed: int = 0,
        request_id: str | None = None,
        timeout: float = 60.0,
    ) -> Unary[Campaign]:
        """Starts a campaign, of kind comparison, ranking or demonstration.

        Its items are `generated`, or the records of a `dataset`, or come by `add_items` and `import_file`.
        `overlap` raters judge that share of the items, one each of the others. `gold_share` and `repeat_share` are of
        what a rater sees. Asked twice with one `request_id`, the service starts one campaign.
        """
        spec = pb.CampaignSpec(
            name=name,
            title=title,
            kind=one_of(KINDS, kind, "kind"),
            guidelines=guidelines,
            overlap=overlap,
            overlap_share=overlap_share,
            gold_share=gold_share,
            repeat_share=repeat_share,
            strength=strength,
            responses_per_item=responses_per_item,
            skills=skills,
            seed=seed,
        )
        if generated is not None:
            spec.generated.CopyFrom(generated_message(generated))
        elif dataset:
            spec.dataset = str(dataset)
        request = pb.CreateCampaignRequest(spec=spec, request_id=request_id or uuid.uuid4().hex)
        return Unary("CreateCampaign", request, _campaign, timeout)

    @method
    def get(self, campaign: str, *, timeout: float = 30.0) -> Unary[Campaign]:
        return Unary("GetCampaign", pb.GetCampaignRequest(campaign=campaign), _campaign, timeout)

    @method
    def list(self, *, timeout: float = 30.0) -> Unary[list[Campaign]]:
        """Newest first."""

        def read(response: pb.ListCampaignsResponse) -> list[Campaign]:
            return [campaign_from(campaign) for campaign in response.campaigns]

        return Unary("ListCampaigns", pb.ListCampaignsRequest(), read, timeout)

    @method
    def close(self, campaign: str, *, timeout: float = 30.0) -> Unary[Campaign]:
        """No judgement is taken any more; statistics and exports stay."""
        return Unary("CloseCampaign", pb.CloseCampaignRequest(campaign=campaign), _campaign, timeout)

    @method
    def set_guidelines(self, campaign: str, guidelines: str, *, timeout: float = 30.0) -> Unary[Campaign]:
        """A new version, in Markdown; judgements name the version that they were made under."""
        request = pb.SetGuidelinesRequest(campaign=campaign, guidelines=guidelines)
        return Unary("SetGuidelines", request, _campaign, timeout)

    @method
    def add_items(
        self, campaign: str, items: Sequence[Item], *, request_id: str | None = None, timeout: float = 60.0
    ) -> Generator[Any, Any, int]:
        """How many were added; a thousand with each call."""
        request_id, added = request_id or uuid.uuid4().hex, 0
        messages = [item_message(item, f"items[{place}]") for place, item in enumerate(items)]
        for start in range(0, len(messages), ITEMS_PER_CALL) or [0]:
            part = messages[start : start + ITEMS_PER_CALL]
            request = pb.AddItemsRequest(campaign=campaign, items=part, request_id=f"{request_id}-{start}")
            added += yield Unary("AddItems", request, lambda response: response.added, timeout)
        return added

    @method
    def import_file(
        self,
        campaign: str,
        path: str | PathLike[str],
        *,
        kind: str = "items",
        map: Mapping[str, str] | None = None,
        max_bad: int = 0,
        timeout: float = 3600.0,
    ) -> Upload[Campaign]:
        """Pairs or prompts as `items`, pairs whose label is known as `gold`, or `judgements` made elsewhere.

        Takes every format that datasets come in, and Label Studio's and HelpSteer3's judgements with their raters.
        The same file for the same purpose again changes nothing.
        """
        path = existing(path, "path")
        header = pb.ImportHeader(
            campaign=campaign,
            kind=one_of(IMPORT_KINDS, kind, "kind"),
            filename=path.name,
            field_map=map,
            max_bad=max_bad,
        )

        def requests() -> Iterator[pb.ImportFileRequest]:
            header.sha256 = sha256(path)
            yield pb.ImportFileRequest(header=header)
            for chunk in chunks(path):
                yield pb.ImportFileRequest(chunk=chunk)

        return Upload("ImportFile", requests, _campaign, timeout, repeatable=True)

    @method
    def set_rater(self, name: str, *, skills: Sequence[str] = (), timeout: float = 30.0) -> Unary[None]:
        """What a rater can; campaigns ask for skills."""
        request = pb.SetRaterRequest(rater=pb.Rater(name=name, skills=skills))
        return Unary("SetRater", request, lambda response: None, timeout)

    @method
    def raters(self, *, timeout: float = 30.0) -> Unary[dict[str, Sequence[str]]]:
        """Skills by rater."""

        def read(response: pb.ListRatersResponse) -> dict[str, Sequence[str]]:
            return {rater.name: [*rater.skills] for rater in response.raters}

        return Unary("ListRaters", pb.ListRatersRequest(), read, timeout)

    @method
    def next(self, campaign: str, *, rater: str = "", timeout: float = 30.0) -> Unary[Next]:
        """What the rater is to judge now; the same until it is judged. Without `rater`, whom the token names."""
        return Unary("NextItem", pb.NextItemRequest(campaign=campaign, rater=rater), next_from, timeout)

    @method
    def prefer(
        self,
        assignment: Assignment,
        choice: str,
        *,
        strength: int = 0,
        note: str = "",
        seconds: float = 0.0,
        request_id: str | None = None,
        timeout: float = 30.0,
    ) -> Unary[Acknowledged]:
        """`choice` is first, second, tie or both_bad; `strength` 1 to 3 where the campaign asks for it."""
        preference = pb.Preference(choice=one_of(CHOICES, choice, "choice"), strength=strength)
        return _submit(assignment, note, seconds, request_id, timeout, preference=preference)

    @method
    def rank(
        self,
        assignment: Assignment,
        tiers: Sequence[Sequence[int]],
        *,
        note: str = "",
        seconds: float = 0.0,
        request_id: str | None = None,
        timeout: float = 30.0,
    ) -> Unary[Acknowledged]:
        """Positions of the responses, best first; those of one tier are equally good."""
        ranking = pb.Ranking(tiers=[pb.RankingTier(positions=tier) for tier in tiers])
        return _submit(assignment, note, seconds, request_id, timeout, ranking=ranking)

    @method
    def demonstrate(
        self,
        assignment: Assignment,
        text: str,
        *,
        note: str = "",
        seconds: float = 0.0,
        request_id: str | None = None,
        timeout: float = 30.0,
    ) -> Unary[Acknowledged]:
        """An ideal response."""
        return _submit(assignment, note, seconds, request_id, timeout, demonstration=pb.Demonstration(text=text))

    @method
    def skip(
        self,
        assignment: Assignment,
        reason: str,
        *,
        seconds: float = 0.0,
        request_id: str | None = None,
        timeout: float = 30.0,
    ) -> Unary[Acknowledged]:
        """Somebody else is asked."""
        return _submit(assignment, "", seconds, request_id, timeout, skip=pb.Skip(reason=reason))

    @method
    def undo(
        self, campaign: str, *, rater: str = "", request_id: str | None = None, timeout: float = 30.0
    ) -> Unary[Undone]:
        """Takes the rater's latest judgement back."""
        request = pb.UndoJudgementRequest(campaign=campaign, rater=rater, request_id=request_id or uuid.uuid4().hex)
        return Unary("UndoJudgement", request, undone_from, timeout)

    @method
    def judgements(
        self, campaign: str, *, rater: str = "", timeout: float = 60.0
    ) -> Generator[Any, Any, Sequence[Judgement]]:
        """All of them in the order they were made, undone ones too; of one rater where `rater` is given."""
        found: list[Judgement] = []
        request = pb.ListJudgementsRequest(campaign=campaign, rater=rater, page_size=1000)
        while True:
            response = yield Unary("ListJudgements", request, lambda response: response, timeout)
            found += [judgement_from(judgement) for judgement in response.judgements]
            if not response.next_page_token:
                return found
            request.page_token = response.next_page_token

    @method
    def progress(self, campaign: str, *, rater: str = "", timeout: float = 30.0) -> Unary[RaterProgress]:
        """Of one rater; `get` tells that of the campaign."""

        def read(response: pb.GetProgressResponse) -> RaterProgress:
            return rater_progress_from(response.progress)

        return Unary("GetProgress", pb.GetProgressRequest(campaign=campaign, rater=rater), read, timeout)

    @method
    def statistics(self, campaign: str, *, timeout: float = 120.0) -> Unary[Statistics]:
        return Unary("GetStatistics", pb.GetStatisticsRequest(campaign=campaign), statistics_from, timeout)

    @method
    def export(
        self,
        campaign: str,
        *,
        name: str = "",
        aggregation: str = "reliability",
        timeout: float = 600.0,
    ) -> Unary[Dataset]:
        """A dataset of the catalog, ready to train on: comparisons (or demonstrations, where these were collected).

        `aggregation` is reliability (weighted by how good raters are), majority, or votes (one row per judgement).
        """
        request = pb.ExportDatasetRequest(
            campaign=campaign,
            name=name,
            aggregation=one_of(AGGREGATIONS, aggregation, "aggregation"),
        )
        return Unary("ExportDataset", request, lambda response: dataset_from(response.dataset), timeout)

    @method
    def download(
        self,
        campaign: str,
        into: str | PathLike[str],
        *,
        kind: str = "",
        aggregation: str = "reliability",
        format: str = "trl",
        timeout: float = 3600.0,
    ) -> Fold[Path]:
        """Writes the file `into`, Parquet where it ends in .parquet, else JSON lines.

        `kind` is comparisons, demonstrations, or judgements with all that is known of them; `format` of comparisons is
        trl, openai, helpsteer3 or label_studio.
        """
        parquet = Path(into).suffix == ".parquet"
        request = pb.DownloadExportRequest(
            campaign=campaign,
            kind=one_of(EXPORT_KINDS, kind, "kind"),
            aggregation=one_of(AGGREGATIONS, aggregation, "aggregation"),
            preference_format=one_of(FORMATS, format, "format"),
            file_format=pb.FILE_FORMAT_PARQUET if parquet else pb.FILE_FORMAT_JSONL,
        )
        stream = Stream("DownloadExport", Once(request, lambda response: response), timeout)
        return Fold(stream, lambda: ExportSink(Path(into)))


def _submit(
    assignment: Assignment, note: str, seconds: float, request_id: str | None, timeout: float, **answer: Any
) -> Unary[Acknowledged]:
    """Its own request id makes the call's retries safe."""
    request = pb.SubmitJudgementRequest(
        campaign=assignment.campaign,
        rater=assignment.rater,
        assignment=assignment.id,
        note=note,
        milliseconds=round(1000 * seconds),
        guidelines_version=assignment.guidelines_version,
        request_id=request_id or uuid.uuid4().hex,
        **answer,
    )
    return Unary("SubmitJudgement", request, acknowledged_from, timeout)


class Feedback(FeedbackCalls, Sync):
    """`client.feedback`"""


class AsyncFeedback(FeedbackCalls, Async):
    """`client.feedback` of an AsyncClient."""
