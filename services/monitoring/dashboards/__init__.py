"""The five dashboards as Python values."""

from services.monitoring.dashboards.overview import OVERVIEW
from services.monitoring.dashboards.reward_health import REWARD_HEALTH
from services.monitoring.dashboards.run import RUN_DASHBOARD
from services.monitoring.dashboards.serving import SERVING
from services.monitoring.dashboards.storage import STORAGE_AND_CAPACITY

DASHBOARDS = (OVERVIEW, RUN_DASHBOARD, SERVING, REWARD_HEALTH, STORAGE_AND_CAPACITY)

__all__ = ["DASHBOARDS"]
