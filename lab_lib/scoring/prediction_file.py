"""Scoring one prediction file: the table with reference and trivial rows, a JSON report and report.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus, Dialogue
from lab_lib.decoding.predictions import Predictions, read_predictions
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.embedding import load_embedder
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.prediction_checks import check_predictions
from lab_lib.evaluation.state_calls import score_state_calls
from lab_lib.files import sha256, write_json
from lab_lib.prompts.belief import state_functions
from lab_lib.results.report_html import write_report
from lab_lib.results.table import to_terminal
from lab_lib.runs.config import EvaluateConfig
from lab_lib.runs.record import environment
from lab_lib.runs.run import summary
from lab_lib.runs.score import Scored, bounds, score_row, score_rows, side_by_side
from lab_lib.runs.states import called
from lab_lib.scoring.cross_check import compare_figures, mwzeval_figures
from lab_lib.scoring.leaderboard import naming, source_split, system_name
from lab_lib.scoring.text_scores import Rows, score_embeddings, score_replies, text_table

METRICS = ("mwz", "states", "text", "embedding")
# What the page's head shows of the report.
HEAD = ("recipe", "command", "commit", "date", "machine", "seed", "scorer", "predictions_sha256", "versions")


@dataclass(frozen=True)
class Plan:
    """What a prediction file is scored against, and how. Raises LabError for what does not fit together."""

    corpus: str = "town"  # town, multiwoz22, or a folder in MultiWOZ 2.2 layout
    split: str = "test"
    metrics: tuple[str, ...] = ("mwz",)  # of METRICS; each adds a part to the report
    active: str = "given"  # where a turn's domain comes from: given, estimated, slot_names
    stemmer: bool = False  # ROUGE with Porter stemming; figures with and without it cannot be compared
    embedding_model: str | None = None  # folder or hub name of a sentence-transformers model
    cross_check: str | None = None  # mwzeval: the published scorer's figures beside ours
    settings: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in METRICS:
                raise LabError(f"metrics: unknown '{name}'{nearest(name, METRICS)}")
        if not self.metrics:
            raise LabError(f"metrics: none given; valid: {', '.join(METRICS)}")
        if ("embedding" in self.metrics) != bool(self.embedding_model):
            raise LabError("metrics: 'embedding' goes with --embedding-model, a folder or hub name")
        if self.cross_check and self.cross_check != "mwzeval":
            raise LabError(f"cross-check: unknown '{self.cross_check}'; valid: mwzeval")
        if self.cross_check and ("mwz" not in self.metrics or (self.corpus, self.split) != ("multiwoz22", "test")):
            raise LabError("cross-check: mwzeval scores metric mwz on corpus multiwoz22, split test only")


@dataclass(frozen=True)
class Job:
    """A checked prediction file: the dialogues it predicts and the rows of the table, its own one last."""

    corpus: Corpus
    dialogues: tuple[Dialogue, ...]
    rows: Rows
    name: str
    notes: tuple[str, ...]


def evaluate_file(path: Path, plan: Plan, out: Path, console: Console) -> Path:
    """Score a prediction file, print its tables, write `out` (JSON) and return it.

    With metric `mwz` the page with every dialogue is written beside it (`.html`). Raises LabError, naming file
    and record, for whatever cannot be scored.
    """
    with naming(path):
        job = prepare(path, plan)
        record = {"recipe": f"{job.name}: {plan.corpus} {plan.split}", "predictions": str(path), **environment()}
        record |= {"seed": plan.settings.seed, "predictions_sha256": sha256(path), "corpus": plan.corpus}
        record |= {"split": plan.split, "metrics": list(plan.metrics), "notes": list(job.notes)}
        if "mwz" in plan.metrics:
            record |= _mwz(job, plan, record, out, console)
        if "states" in plan.metrics:
            record["states"] = _states(job, plan, console)
        if "text" in plan.metrics:
            scores = score_replies(job.dialogues, job.rows, plan.settings, plan.stemmer)
            console.print(text_table(scores, f"{job.name}: replies against delexicalised references"))
            record["text"] = {name: row.as_json() for name, row in scores.items()}
        if plan.embedding_model:
            record["embedding"] = _embedding(job, plan.embedding_model, console)
    for note in record["notes"]:
        console.print(f"note: {note}", markup=False, highlight=False)
    return write_json(out, record)


def prepare(path: Path, plan: Plan) -> Job:
    """Read and check a prediction file; reference and trivial rows are cut to the dialogues it predicts."""
    predictions, corpus = read_predictions(path), load_corpus(plan.corpus)
    if plan.split not in corpus.splits:
        raise LabError(f"corpus {corpus.name}: no split '{plan.split}'{nearest(plan.split, corpus.splits)}")
    split = corpus.splits[plan.split]
    checked = check_predictions(predictions, {dialogue.key: len(dialogue.system_turns) for dialogue in split})
    fixed = bounds(corpus, plan.split, source_split(corpus, plan.split), plan.settings.seed)
    cut = {name: (kind, _only(found, predictions)) for name, (kind, found) in fixed.items()}
    name = system_name(path)
    if name in cut:
        raise LabError(f"{path.name} is called as a row of the table, '{name}'; rename the file")
    dialogues = tuple(dialogue for dialogue in split if dialogue.key in predictions)
    return Job(corpus, dialogues, {**cut, name: ("other", predictions)}, name, checked.notes)


def _only(predictions: Predictions, wanted: Predictions) -> Predictions:
    """Return the dialogues that are in `wanted`."""
    return {key: turns for key, turns in predictions.items() if key in wanted}


def _mwz(job: Job, plan: Plan, record: Mapping[str, Any], out: Path, console: Console) -> dict[str, Any]:
    """Score with the MultiWOZ scorer, show the table, write the page; return what goes into the report."""
    scorer = MwzScorer.from_corpus(job.corpus, plan.split, plan.settings.rules)
    keys = [dialogue.key for dialogue in job.dialogues]
    scored = score_rows(scorer, job.rows, keys, plan.settings, plan.active)
    rows = [score_row(name, kind, scores) for name, (kind, scores, _) in scored.items()]
    console.print(to_terminal(rows, str(record["recipe"])))
    own = scored[job.name][1]
    found = {
        "scorer": own.signature,
        "table": {name: summary(scores) for name, (_, scores, _p) in scored.items()},
        "mwz": own.as_json(),
        "notes": list(own.notes),
    }
    if plan.cross_check:
        found["cross_check"] = _cross_check(job, plan, scored, console)
    whole = {**record, **found}
    head = {name: whole[name] for name in HEAD} | {"notes": "; ".join(own.notes) or None}
    write_report(out.with_suffix(".html"), head, rows, side_by_side(job.dialogues, scored))
    return found


def _cross_check(job: Job, plan: Plan, scored: Mapping[str, Scored], console: Console) -> dict[str, dict[str, float]]:
    """Run the published scorer on the file and print both numbers."""
    theirs = mwzeval_figures(job.rows[job.name][1], plan.active)
    compared = compare_figures(scored[job.name][1], theirs)
    for name, pair in compared.items():
        line = f"{name:14} ours {pair['ours']:.4f}  mwzeval {pair['mwzeval']:.4f}  difference {pair['difference']:+.4f}"
        console.print(line, highlight=False)
    return compared


def _states(job: Job, plan: Plan, console: Console) -> dict[str, Any]:
    """Score the predicted belief states, and the calls where the file has them; print a line of each."""
    scorer = MwzScorer.from_corpus(job.corpus, plan.split, plan.settings.rules)
    predictions = job.rows[job.name][1]
    scores = scorer.score_states(predictions)
    console.print(
        f"states: joint accuracy {scores.joint_accuracy:.1f}, slot F1 {scores.slot_f1:.1f} over {scores.turns} turns",
        highlight=False,
    )
    if not called(predictions):
        return asdict(scores)
    functions, settings = state_functions(job.corpus.schema), plan.settings
    calls = score_state_calls(scorer, job.dialogues, functions, predictions, settings.resamples, settings.seed)
    console.print(
        f"calls: right in {calls.calls:.1f} % of the turns, in {calls.calls_due:.1f} % where some were due; "
        f"malformed {calls.malformed}",
        highlight=False,
    )
    return asdict(scores) | calls.as_json()


def _embedding(job: Job, model: str, console: Console) -> dict[str, Any]:
    """Score relevance by embeddings and print a line a row."""
    means = score_embeddings(job.dialogues, job.rows, load_embedder(model))
    for name, mean in means.items():
        console.print(f"embedding: reply and user's words, cosine x 100: {mean:.1f} {name}", markup=False)
    return {"model": model, "what": "mean cosine x 100 of reply and the user's words before it", "scores": means}
