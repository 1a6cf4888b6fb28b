from services.runtime.definitions import counter, gauge, histogram

ROUTE = ("method", "route")

REQUESTS = counter("rlhf_gateway_requests_total", "requests", "Requests that ended, by HTTP status", (*ROUTE, "status"))
SECONDS = histogram(
    "rlhf_gateway_request_seconds", "seconds", "From a request's arrival to the end of its answer", ROUTE
)
IN_PROGRESS = gauge("rlhf_gateway_requests_in_progress", "requests", "Requests that are being answered")

requests, seconds, in_progress = REQUESTS.on(), SECONDS.on(), IN_PROGRESS.on()
