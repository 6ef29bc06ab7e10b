"""What a run says to people: tables in a terminal, one page with charts, reasons in words."""

from kvsim.report.comparing import as_json as comparison_json
from kvsim.report.folder import RunFolder, read
from kvsim.report.page import write_report
from kvsim.report.reasons import Context, reason
from kvsim.report.slowest import explain
from kvsim.report.tables import comparison, overview

__all__ = [
    "Context",
    "RunFolder",
    "comparison",
    "comparison_json",
    "explain",
    "overview",
    "read",
    "reason",
    "write_report",
]
