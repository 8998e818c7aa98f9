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
