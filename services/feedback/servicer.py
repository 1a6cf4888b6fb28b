"""FeedbackService over gRPC: decode, call, encode."""

from collections.abc import AsyncIterator

from grpc.aio import Server, ServicerContext
from rlhf.v1 import feedback_pb2 as pb
from rlhf.v1 import feedback_pb2_grpc

from services.feedback.access import sees_everything, the_rater
from services.feedback.answers import Undo
from services.feedback.campaign import Campaign
from services.feedback.campaigns import Campaigns
from services.feedback.exporting import Exporter
from services.feedback.importing import Importer
from services.feedback.judgement_specs import (
    NOTHING_LEFT,
    decode_submission,
    encode_assignment,
    encode_judgement,
    encode_rater_progress,
)
from services.feedback.labelling import Labelling, NothingLeft
from services.feedback.paging import page
from services.feedback.raters import Raters
from services.feedback.report_specs import decode_header, decode_plan, encode_statistics
from services.feedback.reports import Reports
from services.feedback.specs import STATES, decode_item, decode_spec, encode_campaign, encode_progress
from services.runtime.requests import guarded
from services.storage.dataset_specs import encode_dataset

SERVICE = pb.DESCRIPTOR.services_by_name["FeedbackService"]


@guarded(SERVICE)
class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    def __init__(
        self,
        campaigns: Campaigns,
        raters: Raters,
        labelling: Labelling,
        reports: Reports,
        importer: Importer,
        exporter: Exporter,
    ) -> None:
        self._campaigns, self._raters, self._labelling = campaigns, raters, labelling
        self._reports, self._importer, self._exporter = reports, importer, exporter

    async def CreateCampaign(
        self, request: pb.CreateCampaignRequest, context: ServicerContext
    ) -> pb.CreateCampaignResponse:
        campaign = await self._campaigns.create(decode_spec(request.spec), request.request_id)
        return pb.CreateCampaignResponse(campaign=_encode(campaign))

    async def GetCampaign(self, request: pb.GetCampaignRequest, context: ServicerContext) -> pb.GetCampaignResponse:
        return pb.GetCampaignResponse(campaign=_encode(self._campaigns.get(request.campaign)))

    async def ListCampaigns(
        self, request: pb.ListCampaignsRequest, context: ServicerContext
    ) -> pb.ListCampaignsResponse:
        return pb.ListCampaignsResponse(campaigns=map(_encode, self._campaigns.all()))

    async def CloseCampaign(
        self, request: pb.CloseCampaignRequest, context: ServicerContext
    ) -> pb.CloseCampaignResponse:
        return pb.CloseCampaignResponse(campaign=_encode(await self._campaigns.close(request.campaign)))

    async def SetGuidelines(
        self, request: pb.SetGuidelinesRequest, context: ServicerContext
    ) -> pb.SetGuidelinesResponse:
        campaign = await self._campaigns.set_guidelines(request.campaign, request.guidelines)
        return pb.SetGuidelinesResponse(campaign=_encode(campaign))

    async def AddItems(self, request: pb.AddItemsRequest, context: ServicerContext) -> pb.AddItemsResponse:
        added = await self._campaigns.add_items(
            request.campaign, list(map(decode_item, request.items)), request.request_id
        )
        return pb.AddItemsResponse(added=added, campaign=_encode(self._campaigns.get(request.campaign)))

    async def ImportFile(
        self, requests: AsyncIterator[pb.ImportFileRequest], context: ServicerContext
    ) -> pb.ImportFileResponse:
        first = await anext(requests, pb.ImportFileRequest())
        header = decode_header(first)
        campaign = self._campaigns.get(first.header.campaign)
        outcome = await self._importer.take(campaign, header, requests)
        return pb.ImportFileResponse(
            items=outcome.items,
            judgements=outcome.judgements,
            bad=outcome.bad,
            detected_format=outcome.detected_format,
            campaign=_encode(campaign),
        )

    async def SetRater(self, request: pb.SetRaterRequest, context: ServicerContext) -> pb.SetRaterResponse:
        await self._raters.set(request.rater.name, list(request.rater.skills))
        return pb.SetRaterResponse(rater=request.rater)

    async def ListRaters(self, request: pb.ListRatersRequest, context: ServicerContext) -> pb.ListRatersResponse:
        raters = self._raters.all().items()
        return pb.ListRatersResponse(raters=[pb.Rater(name=name, skills=skills) for name, skills in raters])

    async def NextItem(self, request: pb.NextItemRequest, context: ServicerContext) -> pb.NextItemResponse:
        campaign, rater = self._campaigns.get(request.campaign), the_rater(request.rater)
        found = self._labelling.next(campaign, rater)
        nothing = isinstance(found, NothingLeft)
        return pb.NextItemResponse(
            assignment=None if nothing else encode_assignment(campaign, found),
            nothing_left=NOTHING_LEFT[found] if nothing else pb.NOTHING_LEFT_UNSPECIFIED,
            progress=encode_rater_progress(campaign, rater),
            campaign_progress=encode_progress(campaign.tally),
        )

    async def SubmitJudgement(
        self, request: pb.SubmitJudgementRequest, context: ServicerContext
    ) -> pb.SubmitJudgementResponse:
        campaign, rater = self._campaigns.get(request.campaign), the_rater(request.rater)
        judgement = await self._labelling.submit(campaign, decode_submission(request, rater))
        return pb.SubmitJudgementResponse(
            judgement=judgement.id,
            progress=encode_rater_progress(campaign, rater),
            campaign_progress=encode_progress(campaign.tally),
        )

    async def UndoJudgement(
        self, request: pb.UndoJudgementRequest, context: ServicerContext
    ) -> pb.UndoJudgementResponse:
        campaign, rater = self._campaigns.get(request.campaign), the_rater(request.rater)
        undone = await self._labelling.undo(campaign, rater, request.request_id, request.judgement)
        assignment = campaign.assigner.assignment(rater, (undone.item, undone.occasion))
        return pb.UndoJudgementResponse(
            judgement=undone.id,
            assignment=encode_assignment(campaign, assignment),
            progress=encode_rater_progress(campaign, rater),
            campaign_progress=encode_progress(campaign.tally),
        )

    async def ListJudgements(
        self, request: pb.ListJudgementsRequest, context: ServicerContext
    ) -> pb.ListJudgementsResponse:
        campaign, hidden = self._campaigns.get(request.campaign), not sees_everything()
        rater = the_rater(request.rater) if hidden else request.rater
        judgements = [
            judgement
            for judgement in campaign.tally.judgements.values()
            if rater in ("", judgement.rater) and not isinstance(judgement.answer, Undo)
        ]
        shown, token = page(judgements, request.page_size, request.page_token)
        return pb.ListJudgementsResponse(
            judgements=[encode_judgement(campaign, judgement, hidden) for judgement in shown], next_page_token=token
        )

    async def GetProgress(self, request: pb.GetProgressRequest, context: ServicerContext) -> pb.GetProgressResponse:
        campaign = self._campaigns.get(request.campaign)
        rater = the_rater(request.rater) if request.rater or not sees_everything() else ""
        return pb.GetProgressResponse(
            campaign_progress=encode_progress(campaign.tally),
            progress=encode_rater_progress(campaign, rater) if rater else None,
            state=STATES[campaign.state],
        )

    async def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: ServicerContext
    ) -> pb.GetStatisticsResponse:
        campaign = self._campaigns.get(request.campaign)
        return encode_statistics(await self._reports.statistics(campaign), encode_progress(campaign.tally))

    async def ExportDataset(
        self, request: pb.ExportDatasetRequest, context: ServicerContext
    ) -> pb.ExportDatasetResponse:
        campaign = self._campaigns.get(request.campaign)
        plan = decode_plan(request.kind, request.aggregation, campaign.spec.kind)
        dataset, left_out = await self._exporter.to_dataset(campaign, plan, request.name or campaign.name)
        return pb.ExportDatasetResponse(dataset=encode_dataset(dataset), left_out=left_out)

    async def DownloadExport(
        self, request: pb.DownloadExportRequest, context: ServicerContext
    ) -> AsyncIterator[pb.DownloadExportResponse]:
        campaign = self._campaigns.get(request.campaign)
        plan = decode_plan(
            request.kind, request.aggregation, campaign.spec.kind, request.preference_format, request.file_format
        )
        async with self._exporter.to_file(campaign, plan) as file:
            async for chunk in file.chunks():
                yield pb.DownloadExportResponse(chunk=chunk)
            yield pb.DownloadExportResponse(summary=pb.ExportSummary(rows=file.rows, sha256=file.sha256))


def add_feedback(server: Server, servicer: FeedbackServicer) -> str:
    """The full name of what the server answers from now on."""
    feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(servicer, server)
    return SERVICE.full_name


def _encode(campaign: Campaign) -> pb.Campaign:
    return encode_campaign(campaign, with_models=sees_everything())
