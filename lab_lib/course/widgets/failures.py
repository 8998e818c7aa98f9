"""The error explorer: the items of a run that failed for a cause, gold and system answers side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.console import Console

from lab_lib.course.widgets.opened import open_run
from lab_lib.course.widgets.page import UNDERLINED, marked, page, paragraph, table
from lab_lib.course.widgets.shell import Pager, show_static, show_widget, static_view
from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError, nearest, shown
from lab_lib.evaluation.scores import Verdict
from lab_lib.files import read_json, reading
from lab_lib.results.differences import difference
from lab_lib.runs.context import Context
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import require_unchanged
from lab_lib.tasks.base import ItemView, Words
from lab_lib.tasks.splits import load_splits

FAILED = "all failures"  # a choice beside the single causes and all items
MOST = 8  # causes with a row of their own in the table


def errors(
    folder: str | Path, system: str = "fine-tuned", cause: str | None = None, static: bool | None = None
) -> None:
    """Show why items of a scored run failed, below the cell: choose a cause, page through its items.

    `folder` is a run folder with report.json; `system` a row of its table; `cause` one of its causes ("hotel: missing
    address"), by default all failures. `static` as in the package's docstring: shows the causes and the first item.
    Raises LabError for a folder without a report, and for an unknown system or cause.
    """
    scored = read_scored(Path(folder))
    if system not in scored:
        raise LabError(f"{folder}: no answers of '{system}' here{nearest(system, scored)}")
    judged, cause = scored[system], cause or FAILED
    known = choices(judged)
    if cause not in known:
        raise LabError(f"{folder}: no {judged.words.item} of '{system}' has the cause '{cause}'{nearest(cause, known)}")
    if static_view(static):
        keys = chosen(judged, cause)
        first = item_html(judged, keys[0], 0, len(keys)) if keys else paragraph(f"No {judged.words.item} failed.")
        show_static(f"{system}: {len(keys)} {judged.words.items}, {cause}", page(cause_table(judged), first))
    else:
        show_widget(_shell(scored, system, cause))


@dataclass(frozen=True)
class Judged:
    """One system of a run: its answers and verdicts by item key, and the items as people read them."""

    name: str
    views: Mapping[str, ItemView]
    answers: Mapping[str, Sequence[Mapping[str, Any]]]
    verdicts: Mapping[str, Verdict]
    words: Words = field(default_factory=Words)

    @property
    def everything(self) -> str:
        """The name of the choice of all items."""
        return f"all {self.words.items}"


def read_scored(folder: Path) -> dict[str, Judged]:
    """Return {row name: judged} of the systems whose answers are in a run folder.

    Raises LabError when report.json, a prediction file or the corpus is missing or does not fit.
    """
    report, run = read_json(folder / "report.json"), RunFolder(folder)
    if not isinstance(report, dict) or not all(isinstance(row, dict) and "per_item" in row for row in report.values()):
        raise LabError(f"{folder / 'report.json'}: expected {{row name: scores with per_item}}, a run's report")
    opened = open_run(folder)
    require_unchanged(opened.config, folder, lambda line: None, loads=False)
    context = Context(opened.config, opened.task, load_splits(opened.task), run, Console(quiet=True))
    views = {item.key: opened.task.view(item, ()) for item in context.splits.reported}
    found = {}
    for file, (name, _) in context.systems.items():
        if name in report and run.predictions(file).exists():
            verdicts, answers = report[name]["per_item"], read_predictions(run.predictions(file))
            if not isinstance(verdicts, dict):
                raise LabError(f"{folder / 'report.json'}: per_item is {shown(verdicts)}, expected {{item: verdict}}")
            if strange := sorted((verdicts.keys() - views.keys()) | (verdicts.keys() ^ answers.keys())):
                raise LabError(f"{folder}: item {strange[0]}: report, answers and corpus do not fit together")
            with reading(folder / "report.json", "the report of a run"):
                judged = {key: Verdict(**verdict) for key, verdict in verdicts.items()}
            found[name] = Judged(name, views, answers, judged, opened.task.words)
    return found


def causes(judged: Judged) -> list[tuple[str, int]]:
    """Return (cause, number of items that have it), the most frequent first."""
    counts = Counter(cause for verdict in judged.verdicts.values() for cause in dict.fromkeys(verdict.causes))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def choices(judged: Judged) -> dict[str, int]:
    """Return what can be chosen, with the number of items: failures, each cause, all items."""
    names = (FAILED, *(cause for cause, _ in causes(judged)), judged.everything)
    return {name: len(chosen(judged, name)) for name in names}


def chosen(judged: Judged, cause: str) -> list[str]:
    """Return the keys of the items with a cause (or FAILED, or all of them), in the report's order."""
    verdicts = judged.verdicts.items()
    if cause == judged.everything:
        return [key for key, _ in verdicts]
    if cause == FAILED:
        return [key for key, verdict in verdicts if not all(verdict.marks.values())]
    return [key for key, verdict in verdicts if cause in verdict.causes]


def cause_table(judged: Judged) -> Markup:
    """Return the causes with their numbers of items, the rarer causes together on one line."""
    items = judged.words.items
    if not (rows := causes(judged)):
        return paragraph(f"{judged.name}: no failure in {len(judged.verdicts)} {items}.")
    title = f"{judged.name}: {len(chosen(judged, FAILED))} of {len(judged.verdicts)} {items} failed"
    rare = ", ".join(f"{cause} ({count})" for cause, count in rows[MOST:])
    rest = paragraph(f"and {rare}", "soft") if rare else Markup()
    return Markup("{}{}{}").format(paragraph(title), table(["cause", items], rows[:MOST], "fit"), rest)


def item_html(judged: Judged, key: str, place: int, count: int) -> Markup:
    """Return an item, number `place` (from 0) of `count`: verdict, facts, and every answer beside the gold one."""
    view, verdict, words = judged.views[key], judged.verdicts[key], judged.words
    marks = "".join(f" · {mark} {'✓' if met else '✗'}" for mark, met in verdict.marks.items())
    title = Markup("<b>{}</b>{} <span class='soft'>({} of {})</span>").format(key, marks, place + 1, count)
    why = Markup("<br>").join([f"✗ {cause}" for cause in verdict.causes] or ["no cause of failure"])
    facts = Markup("<br>").join(f"{words.facts}, {line}" for line in fact_lines(view.facts))
    rows = [
        (turn.prompt, turn.reference, _answer(turn.reference, answer))
        for turn, answer in zip(view.turns, judged.answers[key], strict=True)
    ]
    heads = ["user", f"gold {words.answer}", judged.name]
    return Markup("{}<p class='wrong'>{}</p>{}{}{}").format(
        paragraph(title), why, paragraph(facts, "soft"), paragraph(UNDERLINED), table(heads, rows)
    )


def fact_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the facts of the whole item, one line per part, in the words of report.html.

    >>> fact_lines({"hotel": {"informable": {"area": "hill", "stars": "3"}, "requestable": ["PHONE"]}, "words": 12})
    ['hotel: area hill, stars 3 · asks PHONE', 'words: 12']
    """
    return [
        f"{part}: {_wishes(value) if isinstance(value, Mapping) else _spoken(value)}" for part, value in facts.items()
    ]


def _wishes(part: Mapping[str, Any]) -> str:
    titles = {"informable": "", "requestable": "asks "}
    return " · ".join(titles.get(name, f"{name} ") + _spoken(value) for name, value in part.items() if _spoken(value))


def _spoken(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_spoken(one)}" for key, one in value.items())
    return ", ".join(map(_spoken, value)) if isinstance(value, (list, tuple)) else str(value)


def _answer(gold: str, row: Mapping[str, Any]) -> Markup:
    """Return an answer with its differences, below the calls that the model wrote before it (if it predicts states)."""
    said = marked(difference(gold, row["response"]))
    return Markup("<code>{}</code><br>{}").format(row["call"], said) if row.get("call") else said


def _shell(scored: Mapping[str, Judged], system: str, cause: str) -> Any:
    """Return the widget: system, cause, pager, and the item under them."""
    import ipywidgets

    systems = ipywidgets.Dropdown(options=list(scored), value=system, description="system")
    cause_box = ipywidgets.Dropdown(description="cause", layout={"width": "28em"})
    view = ipywidgets.HTML()

    def keys() -> list[str]:
        return chosen(scored[systems.value], cause_box.value)

    def draw() -> None:
        found, judged = keys(), scored[systems.value]
        here = [item_html(judged, key, pager.place, len(found)) for key in found[pager.place :][:1]]
        view.value = page(*here or [paragraph(f"No {judged.words.item} has failed.")])

    def refill(wanted: str) -> None:
        """List the causes of the chosen system, and begin at the first item."""
        counts = choices(scored[systems.value])
        cause_box.options = [(f"{name} ({count})", name) for name, count in counts.items()]
        cause_box.value = wanted if wanted in counts else FAILED
        pager.resize(len(keys()))

    pager = Pager(scored[system].words.item, draw)
    systems.observe(lambda _: refill(cause_box.value), names="value")
    refill(cause)
    cause_box.observe(lambda _: pager.resize(len(keys())), names="value")
    return ipywidgets.VBox([ipywidgets.HBox([systems, cause_box]), pager.box, view])
