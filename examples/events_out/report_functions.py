"""BuildReport and AnnounceReport. Handler settings: report_functions.build and report_functions.announce."""

from __future__ import annotations

from report_contracts import (
    NoSuchMonth,
    Report,
    ReportReady,
    ReportRequest,
    announce_report,
    build_report,
)

from lambdachain import remote

ROWS = {"2026-01": 31, "2026-02": 28}


@remote(build_report)
def build(request: ReportRequest) -> Report:
    if request.month not in ROWS:
        raise NoSuchMonth(month=request.month)
    return Report(month=request.month, rows=ROWS[request.month])


@remote(announce_report)
def announce(record: ReportReady) -> None:
    """Called by Lambda with the record of each report that was built."""
    report = record.response_payload
    print(f"the report for {report.month} is ready: {report.rows} rows")
