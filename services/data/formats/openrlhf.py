"""OpenRLHF's comparisons: prompt, chosen, rejected and a margin."""

from dataclasses import replace

from services.data.formats import pairs

FORMAT = replace(
    pairs.EXPLICIT,
    name="OpenRLHF margin",
    columns={**pairs.EXPLICIT.columns, "margin": ("margin",)},
    optional={"weight": pairs.WEIGHTS["weight"]},
)
