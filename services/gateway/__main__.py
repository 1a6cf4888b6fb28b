from services.gateway.server import serve
from services.gateway.settings import GatewaySettings
from services.runtime.process import run

if __name__ == "__main__":
    run(GatewaySettings, "RLHF_GATEWAY_", serve)
