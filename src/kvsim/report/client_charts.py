"""How much each client was served."""

from kvsim.report import words
from kvsim.report.chart import BLUE, Chart, figure, share_of, short
from kvsim.report.folder import RunFolder
from kvsim.report.measures import at, number

CLIENTS = 24
"""At most so many get a bar; all others share one."""


def service(run: RunFolder) -> Chart:
    """Weighted tokens by client, the most served first."""
    caption = (
        "Tokens served: those of a prompt once, when it is admitted, and those of an answer twice "
        "(the weights of VTC, OSDI 2024). Jain's index is 1 if all clients got the same, and 1/n "
        "if one of n got everything; clients that ask for less get less."
    )
    served = {
        str(name): float(tokens) for name, tokens in at(run.summary, "fairness.service").items()
    }
    shown = dict(sorted(served.items(), key=lambda one: -one[1])[:CLIENTS])
    rest = sum(served.values()) - sum(shown.values())
    labels = [name or "no name" for name in shown]
    if len(served) > len(shown):
        labels.append(f"{words.count(len(served) - len(shown))} others")
        shown[labels[-1]] = rest
    drawn = figure("Tokens served, weighted", "", height=110 + 24 * len(labels))
    drawn.update_layout(hovermode="closest")
    drawn.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    drawn.add_bar(
        x=short(shown.values()), y=labels, orientation="h", marker_color=BLUE, showlegend=False,
        hovertemplate="%{x:,.3~s} tokens<extra>%{y}</extra>",
    )  # fmt: skip
    index, apart = (number(run.summary, f"fairness.{name}") for name in _NAMES)
    first = share_of(max(served.values()), sum(served.values()))
    finding = (
        f"The client served most got {first} of all; Jain's index is {words.digits(index or 0)}"
    )
    if apart:
        finding += f"; one got up to {words.amount(apart)} tokens ahead while both waited"
    return Chart("service", finding, caption, drawn)


_NAMES = ("jain_index", "largest_difference")
