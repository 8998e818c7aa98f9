"""docs/emotion.md: the figures of its tables are those of the records that it links."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_lib.files import read_json

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "emotion.md").read_text("utf-8")
MEASURES = ("accuracy", "macro_f1", "micro_emotions", "micro_shifted", "calibration")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is given."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(("judge", "record"), [("tfidf", "record"), ("encoder", "encoder")])
@pytest.mark.parametrize("part", ["test", "clean test"])
def test_the_table_of_judges_is_that_of_their_cards(judge, record, part):
    card = read_json(ROOT / "results" / "judge-dailydialog" / f"{record}.json")
    values = [card["sets"][part][name] for name in MEASURES] + [card["mean_recall"]["even priors"]]
    assert card["judge"] == judge and card["half"] == "score"
    assert [judge, part, *(f"{100 * value:.1f}" for value in values)] in rows("Judge")


def cell(row: dict, name: str) -> str:
    value, interval = f"{row['values'][name]:.1f}", row["intervals"].get(name)
    return f"{value} ({interval[0]:.1f}–{interval[1]:.1f})" if interval else value


@pytest.mark.parametrize(
    ("system", "record", "kind"),
    [("start", "record", "start"), ("tuned, seed 0", "record", "finetuned"), ("tuned, seed 1", "seed-1", "finetuned")],
)
def test_the_table_of_preference_tuning_is_that_of_its_records(system, record, kind):
    found = read_json(ROOT / "results" / "emotion-dpo-cpu" / f"{record}.json")["rows"].values()
    row = next(one for one in found if one["kind"] == kind)
    cells = [cell(row, name) for name in ("control", "control2", "rewarded", "relevance", "repeating")]
    assert [system, *cells] in [one for one in rows("System") if len(one) == 6]


def test_the_figures_of_guidance_are_those_of_its_record():
    runs = read_json(ROOT / "results" / "emotion-guidance-cpu" / "summary.json")["runs"]
    of = {run["settings"]["decoding.guidance"]: run["scores"]["values"] for run in runs}
    for name in ("control", "relevance"):
        assert "{:.1f}, {:.1f} and {:.1f}".format(*(of[strength][name] for strength in (1.0, 2.0, 3.0))) in PAGE
