"""Replies that somebody copied, from the corpus or from another row, are found however they are written."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
import submission_checkout
from submission_checkout import edit, only, repack

from lab_lib.files import read_json, write_json
from lab_lib.submissions import safe
from lab_lib.submissions.benchmark import find_benchmark
from lab_lib.submissions.check import check_all
from lab_lib.submissions.form import packed_path
from lab_lib.submissions.lines import from_lines, to_lines

good, root = submission_checkout.good, submission_checkout.root


def gold(root: Path, every: int) -> None:
    """Replace every so-manyth reply by the gold one, written as nobody writes, and score what comes out."""
    path, town = only(root), find_benchmark("response", "town")
    predictions = from_lines(safe.read_packed(packed_path(path)), path, ("response",))
    for place, key in enumerate(predictions):
        if place % every == 0:
            predictions[key] = [{"response": said["response"].upper() + " !"} for said in town.oracle.predictions[key]]
    found = town.figures(town.score(predictions))
    repack(path, to_lines(predictions, ("response",)).encode())
    edit(**found)(root)


def test_the_gold_replies_are_nobodys(root):
    gold(root, every=1)
    verdict = check_all(root)
    assert len(verdict.faults) == 1
    assert "100% of the replies are the gold replies, word for word: these are the gold replies" in verdict.faults[0]


def test_many_gold_replies_are_a_remark(root):
    gold(root, every=2)
    verdict = check_all(root)
    assert verdict.faults == [] and any("of the replies are the gold replies" in remark for remark in verdict.remarks)


def shouted(lines):
    rows = [json.loads(line) for line in lines]
    return [json.dumps(row | {"response": row["response"].replace(" ", "  ").upper()}) for row in rows]


def last_dialogue_first(lines):
    last = json.loads(lines[-1])["dialogue"]
    return sorted(lines, key=lambda line: json.loads(line)["dialogue"] != last)


def packed_closely(lines):
    return [json.dumps(json.loads(line), separators=(",", ":")) for line in lines]


@pytest.mark.parametrize("change", [shouted, last_dialogue_first, packed_closely])
def test_a_copy_that_was_written_anew_is_refused(root, change):
    path = only(root)
    lines = gzip.decompress(packed_path(path).read_bytes()).decode().splitlines()
    copy = path.with_name("eve-2026-11-20-00000000.json")
    write_json(copy, read_json(path) | {"who": "eve"})
    shutil.copy(packed_path(path), packed_path(copy))
    repack(copy, ("\n".join(change(lines)) + "\n").encode())
    faults = check_all(root).faults
    assert len(faults) == 1 and "the same predictions as" in faults[0]
