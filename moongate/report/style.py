"""The style sheets of the pages: colours, type and badges that all have in common, and the report's own."""

from importlib import resources


def shared_style() -> str:
    """Colours, type and badges that all pages of the project have in common, as CSS."""
    return _file("base.css")


def report_style() -> str:
    """What only a run's report needs."""
    return _file("report.css")


def _file(name: str) -> str:
    return resources.files("moongate.report").joinpath("templates", name).read_text(encoding="utf-8")
