"""The error explorer: the dialogues of a run that failed for one cause, gold and system replies side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lab_lib.corpora.types import Dialogue
from lab_lib.course.widgets.dialogues import goal_lines
from lab_lib.course.widgets.page import UNDERLINED, marked, page, paragraph, table
from lab_lib.course.widgets.shell import Pager, show_static, show_widget, static_view
from lab_lib.course.widgets.training import corpus_of, spoken
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError, nearest
from lab_lib.files import read_json
from lab_lib.results.differences import difference
from lab_lib.runs.config import load_run_config
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.score import SYSTEMS

FAILED, ALL = "all failures", "all dialogues"  # beside the causes themselves
MOST = 8  # causes with a row of their own in the table


def errors(
    folder: str | Path, system: str = "fine-tuned", cause: str | None = None, static: bool | None = None
) -> None:
    """Show why dialogues of a scored run failed, below the cell: choose a cause, page through its dialogues.

    `folder` is a run folder with report.json; `system` a row of its table; `cause` one of its causes ("hotel: missing
    address"), by default all failures. `static` as in the package's docstring: shows the causes and the first dialogue.
    Raises LabError for a folder without a report, and for an unknown system or cause.
    """
    scored = read_scored(Path(folder))
    if system not in scored:
        raise LabError(f"{folder}: no replies of '{system}' here{nearest(system, scored)}")
    cause = cause or FAILED
    known = choices(scored[system])
    if cause not in known:
        raise LabError(f"{folder}: no dialogue of '{system}' has the cause '{cause}'{nearest(cause, known)}")
    if static_view(static):
        keys = chosen(scored[system], cause)
        first = dialogue_html(scored[system], keys[0], 0, len(keys)) if keys else paragraph("No dialogue failed.")
        show_static(f"{system}: {len(keys)} dialogues, {cause}", page(cause_table(scored[system]), first))
    else:
        show_widget(_shell(scored, system, cause))


@dataclass(frozen=True)
class Judged:
    """One system of a run: its replies and verdicts by dialogue key, and the dialogues they belong to.

    A verdict is {"match": {domain: bool, "total": bool}, "success": the same, "causes": [text, ...]}.
    """

    name: str
    dialogues: Mapping[str, Dialogue]
    replies: Mapping[str, Sequence[Mapping[str, Any]]]
    verdicts: Mapping[str, Mapping[str, Any]]


def read_scored(folder: Path) -> dict[str, Judged]:
    """Return {row name: judged} of the systems whose replies are in a run folder.

    Raises LabError when report.json, a prediction file or the corpus is missing or does not fit.
    """
    report, run = read_json(folder / "report.json"), RunFolder(folder)
    if not isinstance(report, dict) or not all(
        isinstance(row, dict) and "per_dialogue" in row for row in report.values()
    ):
        raise LabError(f"{folder / 'report.json'}: expected {{row name: scores with per_dialogue}}, a run's report")
    corpus = corpus_of(load_run_config(folder).data.corpus)
    dialogues = {dialogue.key: dialogue for split in corpus.splits.values() for dialogue in split}
    found = {}
    for file, (name, _) in SYSTEMS.items():
        if name in report and run.predictions(file).exists():
            verdicts, replies = report[name]["per_dialogue"], read_predictions(run.predictions(file))
            if strange := sorted((verdicts.keys() - dialogues.keys()) | (verdicts.keys() ^ replies.keys())):
                raise LabError(f"{folder}: dialogue {strange[0]}: report, replies and corpus do not fit together")
            found[name] = Judged(name, dialogues, replies, verdicts)
    return found


def causes(judged: Judged) -> list[tuple[str, int]]:
    """Return (cause, number of dialogues that have it), the most frequent first."""
    counts = Counter(cause for verdict in judged.verdicts.values() for cause in dict.fromkeys(verdict["causes"]))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def choices(judged: Judged) -> dict[str, int]:
    """Return what can be chosen, with the number of dialogues: failures, each cause, all dialogues."""
    return {name: len(chosen(judged, name)) for name in (FAILED, *(cause for cause, _ in causes(judged)), ALL)}


def chosen(judged: Judged, cause: str) -> list[str]:
    """Return the keys of the dialogues with a cause (or FAILED, or ALL), in the report's order."""
    verdicts = judged.verdicts.items()
    if cause == ALL:
        return [key for key, _ in verdicts]
    if cause == FAILED:
        return [key for key, verdict in verdicts if not (verdict["match"]["total"] and verdict["success"]["total"])]
    return [key for key, verdict in verdicts if cause in verdict["causes"]]


def cause_table(judged: Judged) -> Markup:
    """Return the causes with their numbers of dialogues, the rarer ones on a line."""
    if not (rows := causes(judged)):
        return paragraph(f"{judged.name}: no failure in {len(judged.verdicts)} dialogues.")
    title = f"{judged.name}: {len(chosen(judged, FAILED))} of {len(judged.verdicts)} dialogues failed"
    rare = ", ".join(f"{cause} ({count})" for cause, count in rows[MOST:])
    rest = paragraph(f"and {rare}", "soft") if rare else Markup()
    return Markup("{}{}{}").format(paragraph(title), table(["cause", "dialogues"], rows[:MOST], "fit"), rest)


def dialogue_html(judged: Judged, key: str, place: int, count: int) -> Markup:
    """Return a dialogue, number `place` (from 0) of `count`: verdicts, goal, and every reply beside the gold one."""
    dialogue, verdict = judged.dialogues[key], judged.verdicts[key]
    inform, success = ("✓" if verdict[name]["total"] else "✗" for name in ("match", "success"))
    title = Markup("<b>{}</b> · Inform {} · Success {} <span class='soft'>({} of {})</span>").format(
        dialogue.id, inform, success, place + 1, count
    )
    why = Markup("<br>").join([f"✗ {cause}" for cause in verdict["causes"]] or ["no cause of failure"])
    goal = Markup("<br>").join(f"goal, {line}" for line in goal_lines(dialogue.goal or {}))
    rows = [
        (user, gold, _reply(gold, reply))
        for (user, gold), reply in zip(spoken(dialogue), judged.replies[key], strict=True)
    ]
    heads = ["user", "gold reply", judged.name]
    return Markup("{}<p class='wrong'>{}</p>{}{}{}").format(
        paragraph(title), why, paragraph(goal, "soft"), paragraph(UNDERLINED), table(heads, rows)
    )


def _reply(gold: str, row: Mapping[str, Any]) -> Markup:
    """Return a reply with its differences, under the calls the model wrote for it (if it predicts states)."""
    said = marked(difference(gold, row["response"]))
    return Markup("<code>{}</code><br>{}").format(row["call"], said) if row.get("call") else said


def _shell(scored: Mapping[str, Judged], system: str, cause: str) -> Any:
    """Return the widget: system, cause, pager, and the dialogue under them."""
    import ipywidgets

    systems = ipywidgets.Dropdown(options=list(scored), value=system, description="system")
    cause_box = ipywidgets.Dropdown(description="cause", layout={"width": "28em"})
    view = ipywidgets.HTML()

    def keys() -> list[str]:
        return chosen(scored[systems.value], cause_box.value)

    def draw() -> None:
        found = keys()
        here = [dialogue_html(scored[systems.value], key, pager.place, len(found)) for key in found[pager.place :][:1]]
        view.value = page(*here or [paragraph("No dialogue has failed.")])

    def refill(wanted: str) -> None:
        """List the causes of the chosen system, and begin at the first dialogue."""
        counts = choices(scored[systems.value])
        cause_box.options = [(f"{name} ({count})", name) for name, count in counts.items()]
        cause_box.value = wanted if wanted in counts else FAILED
        pager.resize(len(keys()))

    pager = Pager("dialogue", draw)
    systems.observe(lambda _: refill(cause_box.value), names="value")
    refill(cause)
    cause_box.observe(lambda _: pager.resize(len(keys())), names="value")
    return ipywidgets.VBox([ipywidgets.HBox([systems, cause_box]), pager.box, view])
