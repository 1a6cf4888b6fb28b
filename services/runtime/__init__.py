"""Plumbing of a process: settings, errors, start-up, health, metrics, graceful stop. Knows no torch and no contract."""
