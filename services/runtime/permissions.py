"""Which role may call what: a row for every method of the contracts, in the order in which they stand there.

A method without a row is for operators alone. Health is not listed: it answers to everybody.
"""

from services.runtime.identity import Role

OPERATOR = frozenset({Role.OPERATOR})
TRAIN = OPERATOR | {Role.TRAINER}
USE = TRAIN | {Role.CALLER}
JUDGE = TRAIN | {Role.ANNOTATOR}
EVERYBODY = frozenset(Role)

PERMISSIONS: dict[str, frozenset[Role]] = {
    "/rlhf.v1.PolicyService/Generate": USE,
    "/rlhf.v1.PolicyService/GenerateStream": USE,
    "/rlhf.v1.RewardService/Score": USE,
    "/rlhf.v1.RewardService/Rank": USE,
    "/rlhf.v1.ReferenceService/LogProbs": USE,
    # Models load on first request; to load one in advance or to drop one is to decide for all callers.
    "/rlhf.v1.ModelLifecycleService/LoadModel": TRAIN,
    "/rlhf.v1.ModelLifecycleService/UnloadModel": OPERATOR,
    "/rlhf.v1.ModelLifecycleService/ListLoadedModels": USE,
    "/rlhf.v1.TrainerService/CreateRun": TRAIN,
    "/rlhf.v1.TrainerService/GetRun": TRAIN,
    "/rlhf.v1.TrainerService/ListRuns": TRAIN,
    "/rlhf.v1.TrainerService/CancelRun": TRAIN,
    "/rlhf.v1.TrainerService/ResumeRun": TRAIN,
    "/rlhf.v1.TrainerService/WatchRun": TRAIN,
    "/rlhf.v1.TrainerService/StreamLogs": TRAIN,
    "/rlhf.v1.TrainerService/ListRunEvents": TRAIN,
    "/rlhf.v1.WorkerService/ReportProgress": TRAIN,
    "/rlhf.v1.CatalogService/UploadDataset": TRAIN,
    "/rlhf.v1.CatalogService/ImportDataset": TRAIN,
    "/rlhf.v1.CatalogService/ListDatasets": TRAIN,
    "/rlhf.v1.CatalogService/DownloadDataset": TRAIN,
    "/rlhf.v1.CatalogService/UploadModel": TRAIN,
    "/rlhf.v1.CatalogService/ImportModel": TRAIN,
    "/rlhf.v1.CatalogService/ListModels": USE,
    "/rlhf.v1.CatalogService/DownloadModel": TRAIN,
    # An alias is what everybody's callers get.
    "/rlhf.v1.CatalogService/Promote": OPERATOR,
    "/rlhf.v1.CatalogService/Rollback": OPERATOR,
    "/rlhf.v1.FeedbackService/CreateCampaign": TRAIN,
    "/rlhf.v1.FeedbackService/GetCampaign": JUDGE,
    "/rlhf.v1.FeedbackService/ListCampaigns": JUDGE,
    "/rlhf.v1.FeedbackService/CloseCampaign": TRAIN,
    "/rlhf.v1.FeedbackService/SetGuidelines": TRAIN,
    "/rlhf.v1.FeedbackService/AddItems": TRAIN,
    "/rlhf.v1.FeedbackService/ImportFile": TRAIN,
    "/rlhf.v1.FeedbackService/SetRater": TRAIN,
    "/rlhf.v1.FeedbackService/ListRaters": TRAIN,
    # The service answers an annotator for that annotator alone.
    "/rlhf.v1.FeedbackService/NextItem": JUDGE,
    "/rlhf.v1.FeedbackService/SubmitJudgement": JUDGE,
    "/rlhf.v1.FeedbackService/UndoJudgement": JUDGE,
    "/rlhf.v1.FeedbackService/ListJudgements": JUDGE,
    "/rlhf.v1.FeedbackService/GetProgress": JUDGE,
    "/rlhf.v1.FeedbackService/GetStatistics": TRAIN,
    "/rlhf.v1.FeedbackService/ExportDataset": TRAIN,
    "/rlhf.v1.FeedbackService/DownloadExport": TRAIN,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": EVERYBODY,
}


def roles_for(method: str) -> frozenset[Role]:
    """`method` as gRPC names it, "/package.Service/Method"."""
    return PERMISSIONS.get(method, OPERATOR)
