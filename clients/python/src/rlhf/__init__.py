"""Python SDK of RLHF as services."""
