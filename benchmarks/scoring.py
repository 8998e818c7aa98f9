"""How fast the scorers are, as ratios to the published scorer's friendliest run: python benchmarks/scoring.py

Needs LAB_DATA. Each figure is the best of three fresh processes, one at a time. `--write` puts the table into
README.md beside this file. The published scorer's seconds are not measured here: they are those of
LAB_DATA/mwzeval/timing_official_seed4.json, taken with the hash seed that suits it best, on a machine of the same
kind; on another machine the seconds can be compared with each other, the ratios cannot.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from lab_lib.files import read_json, read_text, write_text
from lab_lib.results.record import commit, machine

HERE = Path(__file__).resolve().parent
REPEATS = 3
START, END = "<!-- table: scoring.py --write -->", "<!-- end of table -->"


def measure(*what: str) -> dict[str, float]:
    """Return the best of several fresh processes, figure by figure."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, str(HERE / "measure.py"), *what]
    runs = []
    for _ in range(REPEATS):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(what)}: {done.stderr}")
        runs.append(json.loads(done.stdout))
    return {name: min(run[name] for run in runs) for name in runs[0]}


def systems_table(data: Path) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Measure every published system; return a markdown table and the figures."""
    official = read_json(data / "mwzeval" / "timing_official_seed4.json")
    heads = ["system", "import", "construct", "evaluate", "Inform/Success", "bootstrap", "peak MB"]
    heads += ["official evaluate", "times faster", "official Inform/Success", "times faster"]
    lines, figures = [], {}
    for system, theirs in official.items():
        ours = figures[system] = measure("mwz", system)
        # Theirs scored two reference sets, and states where there are any: taken off, in their favour.
        extra = theirs["parts"]["get_bleu"] / 2 + theirs["parts"].get("get_dst", 0)
        evaluate = theirs["init_s"] + theirs["evaluate_s"] - extra
        ours["ratio"] = evaluate / (ours["construct"] + ours["evaluate"])
        ours["success_ratio"] = theirs["parts"]["get_success"] / ours["success"]
        seconds = [ours[name] for name in ("import", "construct", "evaluate", "success", "bootstrap")]
        cells = [system, *(f"{value:.3f}" for value in seconds), f"{ours['megabytes']:.0f}", f"{evaluate:.2f}"]
        cells += [f"{ours['ratio']:.1f}", f"{theirs['parts']['get_success']:.2f}", f"{ours['success_ratio']:.0f}"]
        lines.append(cells)
        print(*cells, sep="  ", file=sys.stderr)
    return table(heads, lines), figures


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Return a markdown table."""
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
    return [f"| {' | '.join(row)} |" for row in rows]


def goals_table(data: Path, figures: dict[str, dict[str, float]]) -> list[str]:
    """Measure the rest; return what was asked for beside what was found, the worst system counting."""
    whole = {name: ours["construct"] + ours["evaluate"] for name, ours in figures.items()}
    slowest = max(whole, key=lambda name: whole[name])
    again = {name: measure("training", "damd", name)["new"] for name in figures if name != "damd"}
    quarter, all_of_it = (measure("part", "ubar", count)["evaluate"] for count in ("250", "1000"))
    reading = measure("corpus")
    # A first evaluation in training also has to normalise the references of its corpus.
    first = {name: figures[name]["evaluate"] + reading["prepare"] for name in again}
    lines = [
        ("whole evaluation after import, seconds", "< 1.0", f"{max(whole.values()):.2f} ({slowest})"),
        ("Inform/Success, seconds", "< 0.15", f"{worst(figures, 'success', max):.3f}"),
        ("times faster than the friendliest official run", ">= 8", f"{worst(figures, 'ratio', min):.1f}"),
        ("the same, median of the systems", "", f"{median(ours['ratio'] for ours in figures.values()):.1f}"),
        ("times faster, Inform/Success", ">= 20", f"{worst(figures, 'success_ratio', min):.0f}"),
        ("peak memory, MB", "< 250", f"{worst(figures, 'megabytes', max):.0f}"),
        ("seconds for 250 and for 1,000 dialogues (ubar)", "linear", f"{quarter:.2f}, {all_of_it:.2f}"),
        ("new replies in training, seconds", "", f"{max(again.values()):.2f}"),
        ("the same, times faster than at first", ">= 2", f"{least(first, again):.1f}"),
        ("the same, if the references came prepared", "", f"{least(whole, again):.1f}"),
        ("bootstrap of all MultiWOZ metrics, seconds", "< 2", f"{worst(figures, 'bootstrap', max):.2f}"),
        ("reading MultiWOZ 2.2 and 2.1 from disk, seconds", "", f"{reading['read']:.1f}"),
        ("normalising its test references, seconds", "", f"{reading['prepare']:.2f}"),
    ]
    return table(("what", "goal", "found"), [*lines, *others(data)])


def worst(figures: dict[str, dict[str, float]], name: str, pick) -> float:
    """Return the figure of the system that does worst."""
    return pick(ours[name] for ours in figures.values())


def least(before: dict[str, float], after: dict[str, float]) -> float:
    """Return how many times faster the system is that gains least."""
    return min(before[name] / seconds for name, seconds in after.items())


def others(data: Path) -> list[tuple[str, str, str]]:
    """Measure the scorers of the other corpora, where their data are."""
    lines = []
    if (data / "sgd" / "dev").is_dir():
        found = measure("sgd")
        frames = f"{found['frames']:,.0f} frames"
        lines += [
            (f"SGD dev, {frames}, seconds", "< 0.3 for 6,700", f"{found['evaluate']:.2f}"),
            ("the same with bootstrap of every metric, seconds", "< 2", f"{found['with_bootstrap']:.2f}"),
            (
                "preparing its references, seconds and peak MB",
                "",
                f"{found['construct']:.1f}, {found['megabytes']:.0f}",
            ),
        ]
    if (data / "bfcl").is_dir():
        found = measure("calls")
        lines += [
            ("BFCL, microseconds a verdict", "< 50", f"{found['microseconds']:.0f}"),
            (f"its {found['items']:.0f} items with bootstrap, seconds", "< 2", f"{found['with_bootstrap']:.2f}"),
        ]
    return lines


def main() -> None:
    """Measure everything, print it, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    write = parser.parse_args().write
    if not os.environ.get("LAB_DATA"):
        sys.exit("benchmarks: set LAB_DATA to the folder of the real corpora")
    data = Path(os.environ["LAB_DATA"])
    systems, figures = systems_table(data)
    about = f"{machine()}; commit {commit()}; `python benchmarks/scoring.py`, best of {REPEATS} processes, one thread."
    text = "\n".join([about, "", *goals_table(data, figures), "", "By system, seconds:", "", *systems])
    print(text)
    if write:
        readme = HERE / "README.md"
        before, _, rest = read_text(readme).partition(START)
        write_text(readme, f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
