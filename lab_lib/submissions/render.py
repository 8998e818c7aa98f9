"""Tables and figures made from the rows; what stands between the markers is never written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import write_text
from lab_lib.submissions.figure import draw
from lab_lib.submissions.form import read_rows
from lab_lib.submissions.references import references
from lab_lib.submissions.safe import read_page
from lab_lib.submissions.tasks import CORPORA, TASKS

METRICS = {"bleu": "BLEU", "inform": "Inform", "success": "Success", "combined": "Combined"}
# A table ends where another begins at the latest, so that a page of many beginnings is read once, not once for each.
MARKERS = re.compile(r"(<!-- rows (\S+) -->\n)(?:(?!<!-- rows ).)*?(<!-- end rows -->)", re.DOTALL)
SETTINGS = 120  # characters of a cell; the row has them all
PLAIN = re.compile(r"[^A-Za-z0-9 .,:;/()%+=-]")


def render(root: Path) -> dict[Path, str]:
    """Return {file: what it should hold} of every page and figure made from the rows under `root` (results/)."""
    rows = read_rows(root)
    pages = {path: fill(read_page(path), rows, root, path) for path in (root / "README.md", root.parent / "README.md")}
    figures = {
        root / "figures" / f"{task}-{corpus}.svg": draw(found, references(corpus), TASKS[task].title, CORPORA[corpus])
        for (task, corpus), found in by_table(rows).items()
        if TASKS[task].scored
    }
    return pages | figures


def write(root: Path) -> list[Path]:
    """Bring pages and figures in line with the rows; return what was written. Figures without a table are removed."""
    wanted = render(root)
    changed = _changed(wanted)
    for path in changed:
        write_text(path, wanted[path])
    for path in _left_over(root, wanted):
        path.unlink()
    return changed


def stale(root: Path) -> list[str]:
    """Return a line for every page or figure that is not what the rows give, and for every table without a place.

    Where the markers of a table are gone, it could be written by hand.
    """
    wanted, page = render(root), root / "README.md"
    placed = {match[2] for match in MARKERS.finditer(wanted[page])}
    return [
        *(f"{page}: no '<!-- rows {task} -->' with an '<!-- end rows -->'" for task in TASKS if task not in placed),
        *(
            f"{path}: not what the rows give; run 'lab results render'"
            for path in [*_changed(wanted), *_left_over(root, wanted)]
        ),
    ]


def outside(text: str) -> str:
    """Return what of a page is written by hand."""
    return MARKERS.sub(r"\1\3", text)


def _changed(wanted: Mapping[Path, str]) -> list[Path]:
    return [path for path, text in wanted.items() if not path.exists() or read_page(path) != text]


def _left_over(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """Return the figures of tables that are no more."""
    return sorted(set(root.glob("figures/*.svg")) - set(wanted))


def by_table(rows: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Mapping[str, Any]]]:
    """Return {(task, corpus): {path: row}}, best first; speeds have no corpus."""
    tables: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for path, row in sorted(rows.items(), key=lambda item: (-_rank(item[1]), item[0])):
        tables.setdefault((row["task"], row.get("corpus", "")), {})[path] = row
    return dict(sorted(tables.items(), key=lambda item: (list(TASKS).index(item[0][0]), item[0][1])))


def fill(text: str, rows: Mapping[str, Mapping[str, Any]], root: Path, page: Path) -> str:
    """Return a page with every part between `<!-- rows TASK -->` and `<!-- end rows -->` made anew."""
    below = "" if page.parent == root else f"{root.name}/"

    def part(match: re.Match[str]) -> str:
        if match[2] not in TASKS:
            raise LabError(f"{page}: marker for unknown task {match[2]!r}")
        tables = {corpus: found for (task, corpus), found in by_table(rows).items() if task == match[2]}
        parts = [table(match[2], corpus, found, below) for corpus, found in tables.items()]
        return match[1] + ("\n".join(parts) or "No rows yet: yours can be the first.\n") + match[3]

    return MARKERS.sub(part, text)


def plain(text: Any) -> str:
    """Return a text as a table may hold it: whatever is no letter, digit or plain mark becomes an HTML entity.

    >>> plain("a|b <i> _x_")
    'a&#124;b &#60;i&#62; &#95;x&#95;'
    """
    return PLAIN.sub(lambda match: f"&#{ord(match[0])};", str(text))


def _rank(row: Mapping[str, Any]) -> float:
    if "metrics" in row:
        return float(row["metrics"]["combined"])
    return float(row.get("train_its") or 0)


def table(task: str, corpus: str, rows: Mapping[str, Mapping[str, Any]], below: str | None) -> str:
    """Return one table in Markdown; `below` is the way from the page to results/, with a slash at its end.

    None: there is no way, as from a comment, and rows are no links.
    """
    if not TASKS[task].scored:
        head = ["GPU", "CUDA", "train [it/s]", "infer [it/s]", "Recipe", "Machine", "By"]
        lines = [_speed(row, _by(row, below, path)) for path, row in rows.items()]
        return _grid(head, lines, numbers=(2, 3))
    head = ["System", "Model", "Settings", *METRICS.values(), "Length", "Words", "3-grams", "By"]
    fixed = references(corpus)
    lines = [_fixed(name, row) for name, row in fixed.items()]
    lines += [_scored(row, _by(row, below, path), fixed["gold replies"]["metrics"]) for path, row in rows.items()]
    title = f"{CORPORA[corpus]}, {next(iter(fixed.values()))['dialogues']} test dialogues:\n\n"
    notes = "\nRanges: 95 % intervals (bootstrap over dialogues). ↑ above the gold replies.\n"
    figure = "" if below != "" else f"\n![{TASKS[task].title}: Combined with intervals](figures/{task}-{corpus}.svg)\n"
    return title + _grid(head, lines, numbers=range(3, 10)) + notes + figure


def _grid(head: Sequence[str], lines: Sequence[Sequence[str]], numbers: Any) -> str:
    rule = ["---:" if place in numbers else "---" for place in range(len(head))]
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rule, *lines])


def _speed(row: Mapping[str, Any], by: str) -> list[str]:
    its = ["-" if row[name] is None else f"{row[name]:.2f}" for name in ("train_its", "infer_its")]
    machine = row["machine"]
    shown = [plain(machine["gpu"] or "none"), plain(machine["cuda"] or "-"), *its]
    return [*shown, plain(row["recipe"] or "-"), plain(machine["text"]), by]


def _fixed(name: str, row: Mapping[str, Any]) -> list[str]:
    return [name, "", "", *_figures(row, None), ""]


def _scored(row: Mapping[str, Any], by: str, gold: Mapping[str, float]) -> list[str]:
    system = plain(row["system"]) + (", own states" if row["states"] == "own" else "")
    settings = " ".join(row.get("settings", [])) or row.get("recipe") or "-"
    shown = settings if len(settings) <= SETTINGS else settings[:SETTINGS] + "…"
    return [system, plain(row["model"]["name"]), plain(shown), *_figures(row, gold), by]


def _figures(row: Mapping[str, Any], gold: Mapping[str, float] | None) -> list[str]:
    cells = []
    for name in METRICS:
        value, bounds = row["metrics"][name], row["intervals"].get(name)
        above = "↑" if gold and name != "combined" and value > gold[name] else ""
        cells.append(f"{value:.1f}{above}" + (f" ({bounds[0]:.1f}–{bounds[1]:.1f})" if bounds else ""))
    richness = row.get("richness", {})
    counts = [richness.get("num_unigrams"), richness.get("num_trigrams")]
    length = richness.get("avg_lengths")
    return [*cells, "-" if length is None else f"{length:.1f}", *("-" if c is None else f"{c:.0f}" for c in counts)]


def _by(row: Mapping[str, Any], below: str | None, path: str) -> str:
    said = f"{plain(row['who'])}, {row['date']}"
    return said if below is None else f"[{said}]({below}{path})"
