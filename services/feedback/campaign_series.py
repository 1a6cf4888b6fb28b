"""Campaigns as Prometheus series, made afresh at every scrape: their number does not grow with the campaigns."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import Metric as MetricFamily
from prometheus_client.registry import Collector

from services.feedback import metrics
from services.feedback.campaign import CampaignState
from services.feedback.campaigns import Campaigns


class CampaignSeries(Collector):
    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns

    def describe(self) -> list[MetricFamily]:
        return []  # the registry need not scrape us to learn the names

    def collect(self) -> Iterator[MetricFamily]:
        all_ = self._campaigns.all()
        states = Counter(campaign.state for campaign in all_)
        family = metrics.CAMPAIGNS.family()
        for state in CampaignState:
            family.add_metric((state.value,), states[state])
        yield family
        waiting = metrics.WAITING.family()
        open_ = (campaign for campaign in all_ if campaign.state is CampaignState.OPEN)
        waiting.add_metric((), sum(len(campaign.tally.open) for campaign in open_))
        yield waiting
