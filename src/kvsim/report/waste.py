"""What KV memory held over time, and what of it was claimed for nothing."""

from kvsim.report import words
from kvsim.report.chart import BLUE, GREY, ORANGE, SKY, VERMILLION, Chart, figure, short
from kvsim.report.folder import RunFolder
from kvsim.report.measures import Summary, at, number

PARTS = {
    "states": ("token states", BLUE),
    "cached": ("kept for later requests", SKY),
    "reserved": ("reserved, used later", ORANGE),
    "internal": ("claimed, never used", VERMILLION),
    "unclaimed": ("in nobody's claim", GREY),
}
"""Of `memory.waste`: what each is called, and its colour."""


def said(summary: Summary) -> list[str]:
    """Each part as a share of KV memory and time, nothing where it was not asked for."""
    return [
        f"{name} {words.percent(share)}"
        for part, (name, _) in PARTS.items()
        if (share := number(summary, f"memory.waste.{part}"))
    ]


def waste(run: RunFolder) -> Chart:
    """The parts side by side."""
    caption = (
        "Share of KV memory, over the measured time and all replicas. Reserved: claimed and not in "
        "use yet. Never used: claimed, and empty when its request left (internal fragmentation). "
        "In nobody's claim: free, or in pieces that are too small for those who wait (external "
        "fragmentation)."
    )
    found = {part: number(run.summary, f"memory.waste.{part}") or 0.0 for part in PARTS}
    drawn = figure("Share of KV memory over time, %", "", height=150)
    drawn.update_layout(barmode="stack", hovermode="closest", legend_traceorder="normal")
    drawn.update_xaxes(range=[0, 100])
    drawn.update_yaxes(showticklabels=False, showgrid=False, type="category")
    for part, (name, colour) in PARTS.items():
        drawn.add_bar(
            name=name, x=short([100 * found[part]]), y=["KV memory"], orientation="h",
            marker_color=colour, hovertemplate=f"{name}: %{{x:.1f}} %<extra></extra>",
        )  # fmt: skip
    policy = at(run.scenario, "policies.allocation") or "paged"
    name = policy if isinstance(policy, str) else next(iter(policy))
    finding = (
        f"{words.percent(found['states'])} of KV memory held tokens of running requests, "
        f"{words.percent(found['reserved'] + found['internal'])} was claimed and empty ({name})"
    )
    return Chart("waste", finding, caption, drawn)
