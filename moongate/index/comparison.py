"""What the page's script compares runs with: settings, metrics and pictures of every run, as small JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from moongate.artifacts.differences import leaves, shown
from moongate.index.pictures import Album
from moongate.index.rows import BADGES, badges_of, wall_s
from moongate.index.views import RunRow
from moongate.metrics.rows import SummaryRow
from moongate.report.glossary import GUIDES, guide_for, variant_of
from moongate.report.verdict import Finding, judge
from moongate.runs import RunRecord

MODELS = ("real", "base", "tuned")
DIGITS = 5


class Comparisons:
    """Collects what is compared, so that a value which most runs share is written once."""

    def __init__(self) -> None:
        self._settings: dict[str, dict[str, str]] = {}
        self._scores: dict[str, tuple[SummaryRow, ...]] = {}
        self._rest: dict[str, dict[str, JsonValue]] = {}
        self._templates: dict[str, int] = {}

    def add(
        self,
        run: RunRecord,
        row: RunRow,
        scores: tuple[SummaryRow, ...],
        album: Album | None,
        best_loss: float | None,
    ) -> None:
        """Take in one run."""
        config = run.config.model_dump(mode="json")
        self._settings[run.run_id] = {name: shown(value) for name, value in leaves(config)}
        self._scores[run.run_id] = scores
        self._rest[run.run_id] = {
            "title": f"{row.subject} {row.short_id}",
            "when": row.when,
            "report": row.report,
            "portrait": row.portrait.src if row.portrait else "",
            "badges": list(row.badges),
            "keys": _sort_keys(run, scores, best_loss),
            "sheet": self._sheet(album) if album else None,
        }

    def as_json(self) -> JsonValue:
        """Return everything, runs by id. Settings are those that differ from the most common value."""
        names = list(dict.fromkeys(name for settings in self._settings.values() for name in settings))
        common = {name: _most_common(self._settings.values(), name) for name in names}
        ids = _in_order({score.metric for scores in self._scores.values() for score in scores})
        numbers = {metric: number for number, metric in enumerate(ids)}
        runs = {
            run_id: {
                **rest,
                "settings": _differing(self._settings[run_id], names, common),
                "metrics": _figures(self._scores[run_id], numbers),
            }
            for run_id, rest in self._rest.items()
        }
        return {
            "settings": list(names),
            "common": [common[name] for name in names],
            "metrics": [_described(metric) for metric in ids],
            "templates": list(self._templates),
            "runs": dict(runs),
        }

    def _sheet(self, album: Album) -> JsonValue:
        sheet = album.sheet
        prompts: list[JsonValue] = [
            [self._templates.setdefault(one.template, len(self._templates)), one.prompt]
            for one in sheet.prompts
        ]
        return {
            "src": sheet.src,
            "columns": sheet.columns,
            "rows": sheet.rows,
            "pixelated": album.strip.pixelated,
            "prompts": prompts,
        }


def _sort_keys(run: RunRecord, scores: Sequence[SummaryRow], best_loss: float | None) -> JsonValue:
    verdict = judge(scores, run.config.gate)
    return {
        "started": run.started_utc,
        "subject": run.config.subject.name,
        "verdict": min(BADGES.index(badge) for badge in badges_of(run)),
        "fidelity": _share(verdict.learned),
        "prompt": _share(verdict.follows),
        "drift": _share(verdict.drifted),
        "loss": _short(best_loss),
        "took": _short(wall_s(run)),
    }


def _share(finding: Finding) -> float | None:
    return None if finding.grade == "unknown" else _short(finding.share)


def _most_common(settings: Iterable[Mapping[str, str]], name: str) -> str:
    return Counter(one[name] for one in settings if name in one).most_common(1)[0][0]


def _differing(
    settings: Mapping[str, str], names: Sequence[str], common: Mapping[str, str]
) -> dict[str, JsonValue]:
    # A setting of another version, which this run does not have, is null.
    return {
        str(number): settings.get(name)
        for number, name in enumerate(names)
        if settings.get(name) != common[name]
    }


def _in_order(metrics: Iterable[str]) -> list[str]:
    def rank(metric: str) -> tuple[int, str]:
        guide = guide_for(metric)
        return (GUIDES.index(guide) if guide in GUIDES else len(GUIDES), metric)

    return sorted(metrics, key=rank)


def _described(metric: str) -> JsonValue:
    guide = guide_for(metric)
    return {
        "label": guide.label,
        "variant": variant_of(metric),
        "places": guide.places,
        "share": guide.is_share,
    }


def _figures(scores: Sequence[SummaryRow], numbers: Mapping[str, int]) -> dict[str, JsonValue]:
    """Return (value, low, high) of the real pictures, the base and the tuned model, by metric."""
    found: dict[str, list[JsonValue]] = {}
    for score in scores:
        if score.value is not None:
            row = found.setdefault(str(numbers[score.metric]), [None] * len(MODELS))
            row[MODELS.index(score.model)] = [_short(score.value), _short(score.low), _short(score.high)]
    return dict(found)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
