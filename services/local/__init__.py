"""All services as processes of this machine."""

from services.local.prometheus import Prometheus
from services.local.services import FIXED_PORTS, Services

__all__ = ["FIXED_PORTS", "Prometheus", "Services"]
