"""All services as processes of this machine."""

from services.local.services import FIXED_PORTS, Services

__all__ = ["FIXED_PORTS", "Services"]
