from services.runtime.definitions import counter, gauge, histogram

ROUTE = ("method", "route")

REQUESTS = counter("rlhf_gateway_requests_total", "requests", "Requests that ended, by HTTP status", (*ROUTE, "status"))
SECONDS = histogram(
    "rlhf_gateway_request_seconds", "seconds", "From a request's arrival to the end of its answer", ROUTE
)
IN_PROGRESS = gauge("rlhf_gateway_requests_in_progress", "requests", "Requests that are being answered")
STREAMS_OPEN = gauge("rlhf_gateway_streams_open", "streams", "Server-sent events that have begun and not ended")
REFUSED = counter(
    "rlhf_gateway_refused_total", "requests", "Requests that the gateway itself refused, by what was wrong", ("reason",)
)

requests, seconds, in_progress = REQUESTS.on(), SECONDS.on(), IN_PROGRESS.on()
streams_open, refused = STREAMS_OPEN.on(), REFUSED.on()
