"""Generate tables and figures from the rows; text between the markers is never written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric
from lab_lib.files import write_text
from lab_lib.runs.context import start_name
from lab_lib.submissions.benchmark import Benchmark, benchmark_of, find_benchmark
from lab_lib.submissions.figure import draw
from lab_lib.submissions.form import read_rows
from lab_lib.submissions.records import answers
from lab_lib.submissions.references import oracle, references
from lab_lib.submissions.safe import read_page
from lab_lib.submissions.size_figure import NAME as SIZE
from lab_lib.submissions.size_figure import size_figure
from lab_lib.submissions.tables import TABLES, Board, board_of, system_of

ABOVE = "↑"  # better than the oracle
# A table ends at the latest where another begins, so that a page with many beginnings is read only once.
MARKERS = re.compile(r"(<!-- rows (\S+) -->\n)(?:(?!<!-- rows ).)*?(<!-- end rows -->)", re.DOTALL)
SETTINGS = 120  # characters of a cell; the row has the full text
ANSWER = 400  # characters of a record's answer
# Tables that are not made from the rows of one table: the bounds of scores, and the records of recipes.
BOUNDS, RECORDS = "bounds", "records"
PLAIN = re.compile(r"[^A-Za-z0-9 .,:;/()%+=-]")


def render(root: Path) -> dict[Path, str]:
    """Return {file: its contents} of every page and figure generated from the files under `root` (results/)."""
    rows = read_rows(root)
    pages = {path: fill(read_page(path), rows, root, path) for path in (root / "README.md", root.parent / "README.md")}
    figures = {
        root / "figures" / board.figure: _figure(board, found)
        for board, found in by_board(rows).items()
        if TABLES[board.table].scored
    }
    size = size_figure(root)
    return pages | figures | ({root / "figures" / SIZE: size} if size else {})


def _figure(board: Board, rows: Mapping[str, Mapping[str, Any]]) -> str:
    benchmark = find_benchmark(board.task, board.corpus)
    fixed = references(board.task, board.corpus)
    return draw(rows, fixed, TABLES[board.table].title, benchmark.public.heading, benchmark.main)


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
    """Return one line per page or figure that does not match the rows, and per table without markers.

    A table without markers could be edited by hand.
    """
    wanted, page = render(root), root / "README.md"
    placed = {match[2] for match in MARKERS.finditer(wanted[page])}
    due = [*TABLES, BOUNDS, RECORDS]
    return [
        *(f"{page}: no '<!-- rows {table} -->' with an '<!-- end rows -->'" for table in due if table not in placed),
        *(
            f"{path}: does not match the rows; run 'lab results render'"
            for path in [*_changed(wanted), *_left_over(root, wanted)]
        ),
    ]


def outside(text: str) -> str:
    """Return the hand-written part of a page."""
    return MARKERS.sub(r"\1\3", text)


def _changed(wanted: Mapping[Path, str]) -> list[Path]:
    return [path for path, text in wanted.items() if not path.exists() or read_page(path) != text]


def _left_over(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """Return the figures of tables that no longer exist."""
    return sorted(set(root.glob("figures/*.svg")) - set(wanted))


def by_board(rows: Mapping[str, Mapping[str, Any]]) -> dict[Board, dict[str, Mapping[str, Any]]]:
    """Return {board: {path: row}}, the best row first."""
    boards: dict[Board, dict[str, Mapping[str, Any]]] = {}
    for path, row in sorted(rows.items(), key=lambda item: (-_rank(item[1]), item[0])):
        boards.setdefault(board_of(row), {})[path] = row
    return dict(sorted(boards.items(), key=lambda item: (list(TABLES).index(item[0].table), item[0])))


def fill(text: str, rows: Mapping[str, Mapping[str, Any]], root: Path, page: Path) -> str:
    """Return a page with every part between `<!-- rows TABLE -->` and `<!-- end rows -->` made anew."""
    below = "" if page.parent == root else f"{root.name}/"

    def part(match: re.Match[str]) -> str:
        boards = by_board(rows)
        if match[2] == RECORDS:
            parts = [_records(root, below)]
        elif match[2] == BOUNDS:
            parts = [_bounds(*pair) for pair in dict.fromkeys((b.task, b.corpus) for b in boards if b.corpus)]
        elif match[2] in TABLES:
            parts = [table(board, found, below) for board, found in boards.items() if board.table == match[2]]
        else:
            raise LabError(f"{page}: marker for unknown table {match[2]!r}")
        return match[1] + ("\n".join(parts) or "No rows yet: yours can be the first.\n") + match[3]

    return MARKERS.sub(part, text)


def plain(text: Any) -> str:
    """Return a text escaped for a table: all but letters, digits and plain punctuation become HTML entities.

    >>> plain("a|b <i> _x_")
    'a&#124;b &#60;i&#62; &#95;x&#95;'
    """
    return PLAIN.sub(lambda match: f"&#{ord(match[0])};", str(text))


def _rank(row: Mapping[str, Any]) -> float:
    """Return a number that is higher for a better row."""
    if "metrics" not in row:
        return float(row.get("train_its") or 0)
    main = benchmark_of(row).main
    return float(row["metrics"][main.key]) * (1 if main.higher_is_better else -1)


def table(board: Board, rows: Mapping[str, Mapping[str, Any]], below: str | None) -> str:
    """Return one board in Markdown; `below` is the relative path from the page to results/, with a slash at its end.

    None: there is no such path, for example in a comment, and rows are not links.
    """
    if TABLES[board.table].scored:
        return _scored_table(board, rows, below)
    head = ["GPU", "CUDA", "train [it/s]", "infer [it/s]", "Recipe", "Machine", "By"]
    lines = [_speed(row, _by(row, below, path)) for path, row in rows.items()]
    return _grid(head, lines, numbers=(2, 3))


def _scored_table(board: Board, rows: Mapping[str, Mapping[str, Any]], below: str | None) -> str:
    """Return the rows of a board; without a page (`below` is None) including the oracle and trivial rows."""
    benchmark, fixed = find_benchmark(board.task, board.corpus), references(board.task, board.corpus)
    columns, (name, gold) = benchmark.columns, oracle(fixed)
    head = ["System", "Model", "Settings", *(metric.heading for metric in columns), "By"]
    alone = fixed.items() if below is None else ()
    lines = [[fixed_name, "", "", *_figures(row, columns, None), ""] for fixed_name, row in alone]
    lines += [_scored(row, columns, _by(row, below, path), gold) for path, row in rows.items()]
    better = "above" if all(metric.higher_is_better for metric in benchmark.metrics.values()) else "better than"
    notes = f"\n{_ranges(benchmark)} {ABOVE} {better} the {name}.\n"
    shown = f"![{TABLES[board.table].title}: {benchmark.main.heading} with intervals](figures/{board.figure})"
    figure = f"\n{shown}\n" if below == "" else ""
    return _heading(benchmark, gold) + _grid(head, lines, numbers=range(3, 3 + len(columns))) + notes + figure


def _bounds(task: str, corpus: str) -> str:
    """Return the oracle and the trivial rows of a lab task and a corpus, which all its tables are compared with."""
    benchmark, fixed = find_benchmark(task, corpus), references(task, corpus)
    columns, (_, gold) = benchmark.columns, oracle(fixed)
    lines = [[name, *_figures(row, columns, None)] for name, row in fixed.items()]
    head = ["System", *(metric.heading for metric in columns)]
    return (
        f"{_heading(benchmark, gold)}{_grid(head, lines, numbers=range(1, 1 + len(columns)))}\n{_ranges(benchmark)}\n"
    )


def _heading(benchmark: Benchmark, gold: Mapping[str, Any]) -> str:
    return f"{benchmark.public.heading}, {gold['dialogues']} test {benchmark.task.words.items}:\n\n"


def _ranges(benchmark: Benchmark) -> str:
    return f"Small: 95 % intervals (bootstrap over {benchmark.task.words.items})."


def _records(root: Path, below: str) -> str:
    """Return the question and the answer of every recipe with a record."""
    lines = [
        [one.question.replace("|", "\\|"), plain(one.answer[:ANSWER]).replace(plain("–"), "–"),
         f"[{one.recipe}]({below}{one.recipe}/{one.page})"]
        for one in answers(root)
    ]  # fmt: skip
    return _grid(["Question or recipe", "What was found", "Record"], lines, numbers=()) if lines else ""


def _grid(head: Sequence[str], lines: Sequence[Sequence[str]], numbers: Any) -> str:
    rule = ["---:" if place in numbers else "---" for place in range(len(head))]
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rule, *lines])


def _speed(row: Mapping[str, Any], by: str) -> list[str]:
    its = ["-" if row[name] is None else f"{row[name]:.2f}" for name in ("train_its", "infer_its")]
    machine = row["machine"]
    shown = [plain(machine["gpu"] or "none"), plain(machine["cuda"] or "-"), *its]
    return [*shown, plain(row["recipe"] or "-"), plain(machine["text"]), by]


def _scored(row: Mapping[str, Any], columns: Sequence[Metric], by: str, gold: Mapping[str, Any]) -> list[str]:
    system = plain(system_of(row, gold["dialogues"])) + (", own states" if row.get("states") == "own" else "")
    settings = " ".join(row.get("settings", [])) or row.get("recipe") or "-"
    shown = settings if len(settings) <= SETTINGS else settings[:SETTINGS] + "…"
    return [system, plain(_model(row)), plain(shown), *_figures(row, columns, gold["metrics"]), by]


def _model(row: Mapping[str, Any]) -> str:
    """Return the model of a row, with the adapter that its training began from."""
    adapter = ((row.get("config") or {}).get("model") or {}).get("adapter")
    return str(row["model"]["name"]) + (f", {start_name(adapter)[:80]}" if isinstance(adapter, str) else "")


def _figures(row: Mapping[str, Any], columns: Sequence[Metric], gold: Mapping[str, float] | None) -> list[str]:
    """Return the cells of a row's numbers; a number that is better than the oracle's in `gold` is marked."""
    cells = []
    for metric in columns:
        values = row.get("richness", {}) if metric.descriptive else row["metrics"]
        value, bounds = values.get(metric.key), row["intervals"].get(metric.key)
        better = gold is not None and metric.key in gold and metric.better(value, gold[metric.key])
        cells.append(_cell(value, bounds, metric, better))
    return cells


def _cell(value: float | None, bounds: Sequence[float] | None, metric: Metric, better: bool) -> str:
    if value is None:
        return "-"
    mark = ABOVE if better else ""
    low_high = f"<br><sub>{bounds[0]:.{metric.decimals}f}–{bounds[1]:.{metric.decimals}f}</sub>" if bounds else ""
    return f"{value:.{metric.decimals}f}{mark}{low_high}"


def _by(row: Mapping[str, Any], below: str | None, path: str) -> str:
    said = f"{plain(row['who'])}, {row['date']}"
    return said if below is None else f"[{said}]({below}{path})"
