"""The sentences of the report: the headline and the three answers."""

from dataclasses import dataclass

from moongate.metrics.rows import SummaryRow
from moongate.report.evidence import RunFacts
from moongate.report.numbers import decimal, interval, percent
from moongate.report.verdict import Finding, Grade, Mark, Variety, Verdict
from moongate.report.views import Answer, Scale, Tick

GRADE_WORDS: dict[Grade, str] = {"yes": "Yes", "partly": "Partly", "no": "No", "unknown": "Not measured"}
SHARE = "<share>"


@dataclass(frozen=True)
class _Question:
    """How one finding is put: the question, the headline's clause per grade, and what the share is of."""

    text: str
    clauses: dict[Grade, str]
    unit: str
    meaning: str
    mark: Mark


def headline(verdict: Verdict, run: RunFacts) -> str:
    """The verdict in one sentence with its three numbers."""
    learned, follows, drifted = findings = (verdict.learned, verdict.follows, verdict.drifted)
    kept = _class_kept(drifted.mark, run, verdict.variety)
    questions = (_learned(learned.mark), _follows(follows.mark), kept)
    amounts = (percent(learned.share), percent(follows.share), _drift(drifted.share))
    clauses, before = [], "yes"
    for question, finding, amount in zip(questions, findings, amounts, strict=True):
        clause = question.clauses[finding.grade].replace(SHARE, amount)
        # The clauses share their subject, "the model", as long as none between them has one of its own.
        own_subject = before == "unknown" and finding.grade != "unknown"
        clauses.append(f"it {clause}" if own_subject else clause)
        before = finding.grade
    less = ", though they vary less than before" if verdict.variety and verdict.variety.fell else ""
    sentence = f"{clauses[0]}, {clauses[1]}, and {clauses[2]}{less}."
    return sentence[0].upper() + sentence[1:]


def answers(verdict: Verdict, run: RunFacts) -> tuple[Answer, Answer, Answer]:
    """The three answers with bounds, intervals and marks."""
    learned, follows, drifted = verdict.learned, verdict.follows, verdict.drifted
    zero = Tick("nothing kept", decimal(0.0), 0.0)
    return (
        _answer(
            _learned(learned.mark),
            learned,
            _tick("base model", learned.start),
            _tick("real pictures", learned.goal),
            run,
        ),
        _answer(_follows(follows.mark), follows, zero, _tick("base model", follows.start), run),
        _answer(
            _class_kept(drifted.mark, run, verdict.variety),
            drifted,
            _tick("base model", drifted.start),
            _tick("all the subject", drifted.goal),
            run,
        ),
    )


def sentence(text: str) -> str:
    """`text` with a capital first letter and a full stop; empty stays empty."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def _drift(share: float) -> str:
    return f"{percent(share)} of the way to the subject" if share > 0 else "no nearer to the subject"


def _learned(mark: Mark) -> _Question:
    return _Question(
        "Did the model learn the subject?",
        {
            "yes": f"the model learned the subject ({SHARE} of the way to real pictures)",
            "partly": f"the model learned the subject only in part ({SHARE} of the way to real pictures)",
            "no": f"the model did not learn the subject ({SHARE} of the way to real pictures)",
            "unknown": "whether the model learned the subject was not measured",
        },
        "of the way from the base model to real pictures",
        "Subject fidelity: the base model is the start, real pictures of the subject are the goal. "
        f"Yes from {percent(mark.yes)}.",
        mark,
    )


def _follows(mark: Mark) -> _Question:
    return _Question(
        "Does it still follow prompts?",
        {
            "yes": f"still follows prompts ({SHARE} of the base model’s score)",
            "partly": f"follows prompts less well ({SHARE} of the base model’s score)",
            "no": f"no longer follows prompts ({SHARE} of the base model’s score)",
            "unknown": "how it follows prompts was not measured",
        },
        "of the base model’s prompt fidelity kept",
        "Cosine of picture and prompt (CLIP-T) over the same prompts and seeds. "
        f"Yes from {percent(mark.yes)}.",
        mark,
    )


def _class_kept(mark: Mark, run: RunFacts, variety: Variety | None) -> _Question:
    prompt = run.class_prompt
    return _Question(
        "Did the class stay apart from the subject?",
        {
            "yes": f"kept other pictures of “{prompt}” apart from it ({SHARE})",
            "partly": f"drew other pictures of “{prompt}” somewhat towards it ({SHARE})",
            "no": f"turned other pictures of “{prompt}” into the subject ({SHARE})",
            "unknown": f"what became of “{prompt}” was not measured",
        },
        "of the way from the class to the subject",
        f"How far plain pictures of “{prompt}” moved towards the subject (PRES). "
        f"Yes up to {percent(mark.yes)}.{_varied(variety)}",
        mark,
    )


def _varied(variety: Variety | None) -> str:
    if variety is None:
        return ""
    base, tuned = decimal(variety.base.value), decimal(variety.tuned.value)
    return f" They differ from each other by {tuned}; the base model’s by {base}."


def _answer(question: _Question, finding: Finding, start: Tick, goal: Tick, run: RunFacts) -> Answer:
    word = GRADE_WORDS[finding.grade]
    if finding.grade == "unknown":
        explanation = f"{question.meaning} {sentence(finding.missing)}"
        return Answer(question.text, finding.grade, word, "", "", explanation, "", None)
    over = f"The {percent(run.confidence)} interval reaches over a mark"
    doubts = {
        True: "",
        False: f"{over}: more pictures could change this answer.",
        None: "There are too few prompts for an interval: how sure this answer is cannot be said.",
    }
    scale = _scale(finding, start, goal, question.mark)
    return Answer(
        question.text,
        finding.grade,
        word,
        percent(finding.share),
        question.unit,
        question.meaning,
        doubts[finding.certain],
        scale,
    )


def _scale(finding: Finding, start: Tick, goal: Tick, mark: Mark) -> Scale:
    tuned = Tick(
        "tuned model", decimal(finding.tuned.value if finding.tuned else None), _clamp(finding.share)
    )
    span = interval(finding.tuned.low, finding.tuned.high) if finding.tuned else ""
    low, high = _clamp(finding.low), _clamp(finding.high)
    words = f"{tuned.label} {tuned.value}" + (f", interval {span}" if span else "")
    return Scale(start, goal, tuned, low, round(high - low, 2), _clamp(mark.yes), span, words)


def _tick(label: str, score: SummaryRow | None) -> Tick:
    return Tick(label, decimal(score.value if score else None), 0.0)


def _clamp(share: float) -> float:
    return round(min(max(share * 100.0, 0.0), 100.0), 2)
