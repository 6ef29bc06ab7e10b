"""What a reader must know before trusting the numbers of a run."""

from collections.abc import Iterator, Mapping

from kvsim.report import tier_words, words
from kvsim.report.measures import Summary, at, doubts, number


def warnings(summary: Summary) -> list[str]:
    """All of it, gravest first."""
    return [
        *doubts(summary),
        *_rejections(summary),
        *_unfinished(summary),
        *tier_words.warnings(summary),
    ]


def _rejections(summary: Summary) -> Iterator[str]:
    rejected = number(summary, "requests.rejected")
    if not rejected:
        return
    reasons = at(summary, "requests.rejected_reasons")
    if not isinstance(reasons, Mapping) or not reasons:
        yield f"{words.plural(rejected, 'request')} rejected"
        return
    for why, many in sorted(reasons.items(), key=lambda item: -(words.known(item[1]) or 0)):
        yield f"{words.plural(many, 'request')} rejected: {why}"


def _unfinished(summary: Summary) -> Iterator[str]:
    """Requests that neither finished nor were rejected."""
    arrived, finished, rejected = (
        number(summary, f"requests.{name}") for name in ("arrived", "finished", "rejected")
    )
    if arrived is None or finished is None:
        return
    left = arrived - finished - (rejected or 0)
    if left > 0:
        yield f"{words.plural(left, 'request')} unfinished when the run ended"
