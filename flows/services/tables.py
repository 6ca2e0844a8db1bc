"""What `moongate status` prints."""

from rich.console import Console
from rich.table import Table

from flows.services.report import MachineReport


def print_report(screen: Console, report: MachineReport) -> None:
    """Print what runs where."""
    if not report.services and not report.url:
        screen.print("Nothing was ever started here: moongate up")
        return
    answers = "answers" if report.healthy else "does not answer"
    screen.print(f"server  {report.url.removesuffix('/api')}  {answers}", "", highlight=False)
    screen.print(_services(report), "")
    if report.devices:
        screen.print(_devices(report), "")
    if report.refusal:
        screen.print(f"The server does not tell of its flow runs: {report.refusal}", highlight=False)
        return
    if not report.healthy:
        screen.print("Which flow runs are going on is unknown: the server does not answer.", highlight=False)
        return
    screen.print(_runs(report) if report.runs else "No flow runs are going on.", highlight=False)


def _services(report: MachineReport) -> Table:
    table = Table("service", "process", "since", "what", "log", box=None)
    for standing in report.services:
        holder = standing.holder
        state = (str(holder.pid), holder.since, holder.purpose) if holder else ("-", "-", "does not run")
        table.add_row(standing.name, *state, str(standing.log))
    return table


def _devices(report: MachineReport) -> Table:
    table = Table("device", "held by", box=None)
    for device, holder in report.devices:
        table.add_row(device.label, str(holder) if holder else "nobody")
    return table


def _runs(report: MachineReport) -> Table:
    table = Table("flow run", "state", "pool", "id", box=None)
    for run in report.runs:
        table.add_row(run.name, run.state, run.pool, run.flow_run_id)
    return table
