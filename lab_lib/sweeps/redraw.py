"""Draw the figures of recorded sweeps again from their summaries, without training or scoring.

    python -m lab_lib.sweeps.redraw results/lora-rank-cpu results/decoding-strategies

This is for changes of style. The folder has the name of the recipe whose grid was run.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.files import read_json, read_text, reading, write_text
from lab_lib.results.rows import read_row
from lab_lib.sweeps.baselines import floors_of
from lab_lib.sweeps.figure import Surroundings, caption, draw_sweep
from lab_lib.sweeps.grid import load_sweep
from lab_lib.sweeps.summary import question, read_measures, to_row

ALT = re.compile(r"!\[(?P<title>.+?): [^:]* 95 % interval.*\]\(figure\.png\)")


def redraw(folder: Path) -> Path:
    """Write figure.png of a recorded sweep and its description in summary.md anew; return the picture's path.

    Raises LabError where the folder has no summary, or is not called as the recipe of a sweep.
    """
    summary, page = read_json(folder / "summary.json"), read_text(folder / "summary.md")
    sweep = load_sweep(folder.name)
    title = ALT.search(page)
    if sweep is None or title is None:
        raise LabError(f"{folder}: expected the record of a sweep, in a folder called as its recipe")
    with reading(folder / "summary.json", "the summary of a sweep"):
        rows, measures = [to_row(run) for run in summary["runs"]], read_measures(summary, folder / "summary.json")
        metric = sweep.figure.metric or measures.main
        baselines = [read_row(name, row) for name, row in summary["baselines"].items()]
        floors = floors_of(baselines, metric, summary.get("baseline_ranges", ()))
        around = Surroundings(question(folder.name, summary["runs"][0]["settings"]), floors)
    path = folder / "figure.png"
    draw_sweep(rows, measures, sweep.figure, title["title"], path, None, around)
    said = f"![{title['title']}: {caption(rows, measures, metric)}](figure.png)"
    write_text(folder / "summary.md", page.replace(title[0], said))
    return path


if __name__ == "__main__":
    try:
        for argument in sys.argv[1:]:
            print(redraw(Path(argument)))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
