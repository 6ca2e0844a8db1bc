"""What a recorded run shows: how it went, and where its report is."""

import os
from pathlib import Path
from urllib.parse import quote

from moongate.exhibits.kinds import Words
from moongate.markdown import code, escaped
from moongate.runs import RunRecord

STORE_URL_VARIABLE = "MOONGATE_STORE_URL"


def of_run(run: RunRecord, report: Path) -> Words:
    """Return the verdict with its reason, what has to be known first, and the way to the report."""
    word = run.verdict or "not judged"
    lines = [f"# {escaped(word)}", escaped(run.verdict_reason), *map(escaped, run.config.caveats())]
    lines += [f"**Report:** {_way_to(report, run.run_id)}", f"**Run:** {code(run.run_id)}"]
    again = f"moongate rerun {run.run_id} --stage sample --set sample.guidance=5"
    lines.append(f"From one stage on, with something changed:\n\n```\n{again}\n```")
    return Words("verdict", f"{word}: {run.verdict_reason}", "\n\n".join(filter(None, lines)))


def _way_to(report: Path, run_id: str) -> str:
    """Return a link when a web server shows the store; else the path, for a served page opens no files."""
    if url := os.environ.get(STORE_URL_VARIABLE):
        return f"[report.html]({quote(url.rstrip('/'), safe=':/')}/runs/{run_id}/report.html)"
    return code(str(report.resolve()))
