"""Replies that somebody copied, from the corpus or from another row, are found however they are written."""

from __future__ import annotations

import gzip
import hashlib
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
from lab_lib.submissions.form import packed_path, row_name
from lab_lib.submissions.lines import from_lines, to_lines

good, root = submission_checkout.good, submission_checkout.root


def gold(root: Path, every: int) -> None:
    """Replace every so-manyth reply by the gold one, written as nobody writes, and score what comes out."""
    path, town = only(root), find_benchmark("response", "town")
    predictions = from_lines(safe.read_packed(packed_path(path)), path, ("response",))
    for place, key in enumerate(predictions):
        if place % every == 0:
            predictions[key] = [{"response": said["response"].upper() + " !"} for said in town.oracle.predictions[key]]
    rescored(root, predictions)


def rescored(root: Path, predictions) -> None:
    """Put other predictions beside the only row, with the scores that they have."""
    town = find_benchmark("response", "town")
    found = town.figures(town.score(predictions))
    repack(only(root), to_lines(predictions, ("response",)).encode())
    edit(**found)(root)


def test_the_gold_replies_are_nobodys(root):
    gold(root, every=1)
    verdict = check_all(root)
    assert len(verdict.faults) == 1
    assert "100% of the replies are the gold replies, word for word: these are the gold replies" in verdict.faults[0]


def edited(reply: str, how: str) -> str:
    words = reply.split()
    match how:
        case "a word more":
            return f"{reply} ok"
        case "ten words more":
            return f"{reply} is there anything else that i can do for you"
        case "a word less":
            return " ".join(words[1:])
        case "another word":
            return " ".join([*words[:-2], "thing", *words[-1:]])
        case _:
            return " ".join(words[: max(5, len(words) // 2)])


@pytest.mark.parametrize("how", ["a word more", "ten words more", "a word less", "another word", "half of it"])
def test_gold_replies_with_other_words_in_them_are_nobodys(root, how):
    oracle = find_benchmark("response", "town").oracle.predictions
    rescored(root, {key: [{"response": edited(turn["response"], how)} for turn in oracle[key]] for key in oracle})
    (fault,) = check_all(root).faults
    assert "of the replies are the gold replies, except for some words: these are the gold replies, which" in fault


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


def copy_row(root: Path, how: str, who: str = "eve", table: str = "training", changed: float = 1.0) -> Path:
    """Add somebody's row that says nearly what the only row says, with the scores that its words have.

    Of the dialogues a share is `changed` so; the others have replies of their own.
    """
    path, town = only(root), find_benchmark("response", "town")
    predictions = from_lines(safe.read_packed(packed_path(path)), path, ("response",))
    for place, turns in enumerate(predictions.values()):
        turns[:] = [{"response": edited(turn["response"], how)} if how else turn for turn in turns]
        if place >= changed * len(predictions):
            turns[:] = [{"response": "sorry , we could not find what you asked about here"}] * len(turns)
    packed = gzip.compress(to_lines(predictions, ("response",)).encode(), mtime=0)
    figures = town.figures(town.score(predictions))
    row = {**read_json(path), **figures, "who": who, "task": table}
    row["predictions_sha256"] = hashlib.sha256(packed).hexdigest()
    target = write_json(root / table / f"{row_name(row)}.json", row)
    packed_path(target).write_bytes(packed)
    return target


@pytest.mark.parametrize("how", ["a word more", "ten words more", "another word", "half of it"])
@pytest.mark.parametrize("table", ["training", "decoding"])
def test_another_row_with_other_words_in_it_is_refused_in_every_table(root, how, table):
    first = only(root).name if table == "training" else f"training/{only(root).name}"
    copy = copy_row(root, how, table=table)
    (fault,) = check_all(root, {copy}).faults
    assert fault.startswith(f"{copy}: ") and f"of the replies are those of {first}, or nearly" in fault


def test_the_same_row_in_another_table_is_refused(root):
    copy = copy_row(root, "", who="ann", table="decoding")
    (fault,) = check_all(root, {copy}).faults
    assert fault == f"{copy}: the same predictions as training/{only(root).name}"


def test_what_is_close_to_a_row_of_ones_own_in_one_table_is_a_remark(root):
    """Another decoding strategy may change little; but where it changes nothing, there is no row."""
    copy = copy_row(root, "a word more", who="ann", changed=0.9)
    verdict = check_all(root, {copy})
    assert verdict.faults == [] and any("of the replies are those of" in remark for remark in verdict.remarks)
    for path in (copy, packed_path(copy)):
        path.unlink()
    (fault,) = check_all(root, {copy_row(root, "a word more", who="ann")}).faults
    assert "100% of the replies are those of" in fault


NAMES = " ".join(f"[{name}]" for name in ["hotel_name", "restaurant_name", "attraction_name", "train_id"])
FACTS = " ".join(f"[value_{name}]" for name in ["phone", "address", "postcode", "reference", "price", "type", "food"])


@pytest.mark.parametrize(
    "every, remarks",
    [
        (1, ["100% of the replies are one and the same", "the gold replies have 1.7"]),
        (4, ["of the replies have 8 placeholders or more"]),
    ],
)
def test_replies_that_are_stuffed_with_placeholders_are_remarked_on(root, every, remarks):
    path = only(root)
    predictions = from_lines(safe.read_packed(packed_path(path)), path, ("response",))
    for turns in predictions.values():
        turns[::every] = [{"response": f"{NAMES} {FACTS}"}] * len(turns[::every])
    rescored(root, predictions)
    found = check_all(root).remarks
    assert all(any(remark in line for line in found) for remark in remarks), found
