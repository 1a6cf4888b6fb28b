"""What Prometheus reads of campaigns, over real gRPC and real storage."""

from pathlib import Path

from prometheus_client import REGISTRY
from rlhf.v1 import feedback_pb2 as pb

from tests.unit.feedback.desk import desk, pairs, prefer


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def answered(kind: str) -> float:
    return value("rlhf_feedback_judgements_total", answer=kind) or 0.0


async def test_campaigns_show_by_state_and_what_waits_in_open_ones(tmp_path: Path) -> None:
    preferences, undone, exported = answered("preference"), answered("undo"), exports()
    async with desk(tmp_path) as service:
        await service.create(items=pairs(5), overlap_share=0.0, gold_share=0.0, repeat_share=0.0)
        await service.create("closed", items=pairs(3))
        await service.stub.CloseCampaign(pb.CloseCampaignRequest(campaign="closed"))
        assert await service.work("anna", prefer("good"), most=2) == 2
        assert value("rlhf_feedback_waiting_items") == 3
        await service.undo("anna")
        assert value("rlhf_feedback_waiting_items") == 4
        assert value("rlhf_feedback_campaigns", state="open") == 1
        assert value("rlhf_feedback_campaigns", state="closed") == 1
        assert value("rlhf_feedback_campaigns", state="failed") == 0
        assert (answered("preference") - preferences, answered("undo") - undone) == (2, 1)
        await service.download(kind=pb.EXPORT_KIND_JUDGEMENTS)
        assert exports() == exported + 1
    assert value("rlhf_feedback_waiting_items") is None, "the service has stopped"


def exports() -> float:
    return value("rlhf_feedback_export_seconds_count", kind="judgements") or 0.0
