"""Docs, dashboards and alerts of the system, generated from the definitions of its metrics."""
