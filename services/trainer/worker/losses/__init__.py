"""Losses as pure functions of tensors: one algorithm, one file."""
