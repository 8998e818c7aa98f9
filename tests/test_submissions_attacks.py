"""Every planted mistake and attack in a row, its predictions or its folder is refused, with one line."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
import submission_checkout
from submission_checkout import add, edit, in_place, in_text, only, pack, repack, replace_row

from lab_lib.files import read_json, write_json
from lab_lib.submissions import safe
from lab_lib.submissions.check import check_all
from lab_lib.submissions.form import packed_path, row_name

good = submission_checkout.good


@pytest.fixture
def root(good, tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("LAB_DATA", raising=False)  # no real corpus: it would only be read for minutes
    return shutil.copytree(good, tmp_path / "copy") / "results"


def linked(root: Path) -> None:
    path = only(root)
    path.rename(root / "elsewhere.json")
    path.symlink_to(root / "elsewhere.json")


def linked_predictions(root: Path) -> None:
    path = packed_path(only(root))
    path.rename(root / "elsewhere.gz")
    path.symlink_to(root / "elsewhere.gz")


def linked_folder(root: Path) -> None:
    (root / "training").rename(root.parent / "outside")
    (root / "training").symlink_to(root.parent / "outside")


def twice(root: Path) -> None:
    path = only(root)
    row = read_json(path) | {"who": "eve"}
    copy = write_json(path.parent / f"{row_name(row)}.json", row)
    shutil.copy(packed_path(path), packed_path(copy))


def first_line(lines, **changes):
    return [json.dumps(json.loads(lines[0]) | changes), *lines[1:]]


def renamed(lines):
    rows = [json.loads(line) for line in lines]
    first = rows[0]["dialogue"]
    return [json.dumps(row | {"dialogue": "x"} if row["dialogue"] == first else row) for row in rows]


def beside(name: str):
    """A file under results/ that is no row."""

    def put(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("{}", encoding="utf-8")

    return put


def linked_figure(root: Path) -> None:
    path = root / "figures" / "training-town.svg"
    path.rename(root.parent / "figure.svg")
    path.symlink_to(root.parent / "figure.svg")


def linked_aside(root: Path) -> None:
    (root / "lab-tiny").symlink_to("/etc")


def predictions_folder(root: Path) -> None:
    packed_path(only(root)).unlink()
    packed_path(only(root)).mkdir()


def packed_anew(root: Path) -> None:
    path = only(root)
    text = gzip.decompress(packed_path(path).read_bytes())
    copy = path.with_name("eve-2026-11-20-00000000.json")
    write_json(copy, read_json(path) | {"who": "eve"})
    shutil.copy(packed_path(path), packed_path(copy))
    repack(copy, text, gzip.compress(text, compresslevel=1, mtime=7))


def drawing(inside: str, name: str = "town-qlora-cpu/x.svg"):
    """A picture beside a record, or in place of a figure."""

    def put(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>', encoding="utf-8")

    return put


def raised(points: float):
    """Raise BLEU, and Combined with it."""

    def change(root: Path) -> None:
        scores = read_json(only(root))["metrics"]
        edit(metrics=scores | {name: round(scores[name] + points, 2) for name in ("bleu", "combined")})(root)

    return change


def a_little_more(part: str, name: str, points: float):
    def change(root: Path) -> None:
        edit(**{f"{part}__{name}": read_json(only(root))[part][name] + points})(root)

    return change


def speed(**changes):
    """Change the row of the speeds, under a name that fits its content."""

    def change(root: Path) -> None:
        path = only(root, "speed")
        row = read_json(path) | changes
        path.unlink()
        write_json(path.with_name(f"{row_name(row)}.json"), row)

    return change


def with_states(state):
    return lambda lines: [json.dumps(json.loads(line) | {"state": state}) for line in lines]


ZIP = b"PK\x05\x06" + bytes(18)  # one without files
BOMB = gzip.compress(b"0" * (safe.UNPACKED_BYTES + 10))
ATTACKS = {
    "better BLEU": (edit(metrics__bleu=40.0, metrics__combined=75.0), "outside its own interval"),
    "better BLEU and interval": (
        edit(metrics__bleu=40.0, metrics__combined=72.5, intervals={"bleu": [38.0, 42.0]}),
        "combined is|bleu is 40.0, its predictions give",
    ),
    "all that rounding could hide": (raised(0.05), "its predictions give"),
    "one step more": (raised(0.01), "bleu is"),
    "Combined a little higher": (a_little_more("metrics", "combined", 0.02), "(Inform + Success) / 2 + BLEU is"),
    "a word more": (a_little_more("richness", "num_unigrams", 0.1), "num_unigrams is"),
    "seed of another run": (edit(seeds={"training": 7}), "seeds.training is 7, its config has 0"),
    "narrower interval": (edit(intervals__bleu=[6.9, 7.0]), "interval"),
    "Combined of another formula": (edit(metrics__combined=150.0), "(Inform + Success) / 2 + BLEU is"),
    "impossible value": (edit(metrics__inform=140.0), "metrics.inform: 140.0 is greater than the maximum"),
    "more dialogues than exist": (edit(dialogues=6000), "dialogues is 6000, its predictions have 60"),
    "own states claimed": (edit(states="own"), "states is own, its predictions have gold"),
    "richer than it is": (edit(richness__num_unigrams=9999), "num_unigrams is 9999, its predictions give"),
    "unknown table in the row": (edit(task="winning"), "task: 'winning' is not one of"),
    "row of another table": (edit(task="decoding"), "belongs in decoding/"),
    "unknown table as a folder": (lambda root: (root / "trainings").mkdir(), "no such table; did you mean 'training'"),
    "other references": (edit(references_sha256="0" * 64), "different references"),
    "date to come": (edit(date="2099-01-01"), "in the future"),
    "date that does not exist": (edit(date="2026-02-31"), "does not exist"),
    "traversal in a name": (in_place(who="../../x"), "who: '../../x' does not match"),
    "field we do not know": (edit(script="rm -rf /"), "'script' was unexpected"),
    "HTML": (edit(note="<img src=x onerror=alert(1)>"), "note: '<' is not allowed"),
    "link": (edit(note="see http://evil.example"), "note: 'http:' is not allowed"),
    "mention": (edit(note="@everyone look"), "note: '@' is not allowed"),
    "table break": (edit(system="x | 100 | 100"), "system: '|' is not allowed"),
    "formula": (edit(system="=1+1"), "begins like a spreadsheet formula"),
    "formula in a setting": (edit(settings=["=SUM(A1)"]), "begins like a spreadsheet formula"),
    "text that runs backwards": (edit(system="a\u202eb"), "control character U+202E"),
    "row of another name": (
        lambda root: only(root).rename(root / "training" / "ann-2026-11-20-00000000.json"),
        "called",
    ),
    "file that is no row": (add("run.py", b"import os"), "only rows"),
    "archive": (add("ann-2026-11-20-00000000.zip", b"PK"), "only rows"),
    "hidden file": (add(".gitattributes", b"* filter=x"), "only rows"),
    "link as a row": (linked, "only rows"),
    "link as predictions": (linked_predictions, "only rows"),
    "link as a folder": (linked_folder, "a link, expected a folder"),
    "huge row": (replace_row('{"note": "' + "x" * safe.ROW_BYTES + '"}'), "at most 100,000 are taken"),
    "key there twice": (replace_row('{"who": "ann", "who": "eve"}'), "'who' occurs twice"),
    "NaN": (replace_row('{"metrics": {"bleu": NaN}}'), "NaN is not a JSON number"),
    "nested without end": (replace_row("[" * 5000), "recursion|nested"),
    "nested deeply": (replace_row('{"config": ' + '{"a": ' * 20 + "1" + "}" * 21), "nested deeper than 12"),
    "cut JSON": (replace_row('{"who": "ann"'), "delimiter"),
    "no object": (replace_row("[]"), "expected a JSON object"),
    "not text": (lambda root: only(root).write_bytes(b'{"who": "\xff"}'), "not UTF-8"),
    "predictions missing": (lambda root: packed_path(only(root)).unlink(), "expected a plain file"),
    "predictions of somebody else": (
        lambda root: packed_path(only(root)).write_bytes(gzip.compress(b"{}\n")),
        "not the predictions of the row",
    ),
    "file that nobody reads, beside a speed": (
        lambda root: packed_path(only(root, "speed")).write_bytes(b"PK"),
        "predictions without a row",
    ),
    "predictions without a row": (lambda root: only(root).unlink(), "predictions without a row"),
    "gzip bomb": (lambda root: repack(only(root), b"", BOMB), "unpacks to more than"),
    "cut gzip": (lambda root: repack(only(root), b"", gzip.compress(b"{}\n")[:-9]), "truncated"),
    "two gzip files in one": (lambda root: repack(only(root), b"", gzip.compress(b"a") * 2), "other data follows"),
    "no gzip": (lambda root: repack(only(root), b"", b"PK\x03\x04"), "not a gzip file"),
    "reply left out": (pack(lambda lines: lines[:-1]), "replies"),
    "replies in another order": (pack(lambda lines: [lines[1], lines[0], *lines[2:]]), "expected turn 0"),
    "dialogue that is not in test": (pack(renamed), "not in the test split"),
    "reply that is no text": (pack(lambda lines: first_line(lines, response=7)), "expected text"),
    "field beside the reply": (pack(lambda lines: first_line(lines, bonus=1)), "line 1: expected dialogue"),
    "better replies than scored": (
        pack(lambda lines: first_line(lines, response="yes yes yes yes yes yes yes yes yes yes")),
        "its predictions give",
    ),
    "the same predictions again": (twice, "the same predictions as"),
    # Names and places
    "name in other letters": (in_place(who="аnn"), "who: 'аnn' does not match"),
    "row that looks like a reference": (edit(system="Gold replies"), "the name of a row that every table has"),
    "row that looks like a reference, in other letters": (
        edit(system="gоld replies"),
        "system: 'gоld replies' does not",
    ),
    "row that looks like a reference, with more white space": (edit(system="gold  replies"), "the name of a row that"),
    "row that looks like a reference, with digits": (
        edit(system="G0ld-rep1ies"),
        "'gold replies' is the name of a row",
    ),
    "row that looks like a baseline": (edit(system="randorn reply."), "'random reply' is the name of a row"),
    "row without a name": (edit(system="  "), "system: '  ' does not match"),
    "combining marks without end": (edit(system="a" + 40 * "\u0336"), "system: "),
    "model that looks like another": (edit(model__name="lаb-tiny"), "model.name: 'lаb-tiny' does not match"),
    "folder that differs in case alone": (lambda root: (root / "Training").mkdir(), "no such table; did you mean"),
    "page that differs in case alone": (beside("readme.md"), "readme.md: does not belong here"),
    "attributes that hide rows from a review": (beside(".gitattributes"), ".gitattributes: does not belong here"),
    "reference rows of one's own": (beside("reference.json"), "reference.json: does not belong here"),
    "program beside the figures": (beside("figures/x.html"), "x.html: does not belong here"),
    "figure that is a link": (linked_figure, "does not belong here: expected plain files"),
    "link beside the tables": (linked_aside, "lab-tiny: a link"),
    "folder in a table": (lambda root: (root / "training" / "deep").mkdir(), "only rows"),
    "predictions as a folder": (predictions_folder, "expected a plain file"),
    "picture that runs a program": (
        drawing("<script>alert(1)</script>"),
        "'<script': an SVG under results/ may only draw",
    ),
    "picture that runs it under a prefix": (drawing("<s:script/>"), "'<s:script'"),
    "picture that waits": (drawing('<g\nonload = "alert(1)"/>'), "'onload ='"),
    "picture that links": (
        drawing('<a xlink:href="https://evil.example">x</a>'),
        "may only draw",
    ),
    "picture of elsewhere": (drawing('<image href=" data:text/html,x"/>'), "may only draw"),
    "page in a picture": (drawing("<foreignObject/>"), "'<foreignObject'"),
    "picture with a style of elsewhere": (drawing("<style>@import 'x'</style>"), "'@import'"),
    "picture that fetches": (drawing('<rect fill="url(//evil.example)"/>'), "may only draw"),
    "active figure": (drawing("<set/>", "figures/training-town.svg"), "'<set'"),
    # Numbers
    "number without end": (in_text('"bleu": ', '"bleu": 1e999, "x": '), "1e999 is beyond any number"),
    "minus infinity": (replace_row('{"minutes": -Infinity}'), "-Infinity is not a JSON number"),
    "number of 400 digits": (edit(richness__num_unigrams=10**400), "a whole number of 401 digits"),
    "number of a million digits": (replace_row('{"a": ' + "9" * 90_000 + "}"), "a whole number of 90000 digits"),
    "seed of 30 digits": (edit(seeds={"training": 10**29}), "a whole number of 30 digits"),
    "text for a number": (edit(metrics__bleu="7"), "metrics.bleu: '7' is not of type 'number'"),
    "true for a number": (edit(metrics__bleu=True), "metrics.bleu: True is not of type 'number'"),
    "below zero": (edit(metrics__bleu=-1.0), "metrics.bleu: -1.0 is less than the minimum"),
    "no interval": (edit(intervals={}), "the interval of bleu is"),
    "score that nobody can check": (edit(richness__beauty=9.9), "richness has 'beauty'"),
    "deep inside a list": (replace_row('{"settings": ' + "[" * 20 + "]" * 20 + "}"), "nested deeper than 12"),
    "key there twice, deep inside": (in_text('"bleu": ', '"bleu": 99.0, "bleu": '), "'bleu' occurs twice"),
    "half a character": (in_text("a test row", "\\ud800"), "half of a surrogate pair"),
    "predictions for another corpus": (edit(corpus="multiwoz22"), "no data folder|multiwoz22"),
    "corpus that nobody has": (edit(corpus="mine"), "corpus: 'mine' is not a public"),
    "dev for test": (edit(split="dev"), "split: 'test' was expected"),
    "scores on a speed": (speed(metrics={"combined": 999}), "'metrics' should not be valid"),
    "speed of a corpus": (speed(corpus="town"), "'corpus' should not be valid"),
    "speed of nothing": (speed(train_its=None, infer_its=None), "infer_its: None is not of type 'number'"),
    "speed that is impossible": (speed(train_its=1e9), "train_its: 1000000000.0 is greater than the maximum"),
    # Predictions
    "the same predictions packed anew": (packed_anew, "the same predictions as"),
    "many gzip files in one": (lambda root: repack(only(root), b"", 1000 * gzip.compress(b"")), "other data follows"),
    "something behind the gzip": (
        lambda root: repack(only(root), b"", gzip.compress(b"{}") + b"PK"),
        "other data follows",
    ),
    "a zip for a gzip": (lambda root: repack(only(root), b"", ZIP), "not a gzip file"),
    "packed file that is too large": (
        lambda root: repack(only(root), b"", bytes(safe.PACKED_BYTES + 1)),
        "at most 2,000,000 are taken",
    ),
    "packed twice": (lambda root: repack(only(root), gzip.compress(b"{}\n")), "not UTF-8 text|not a JSON object"),
    "reply there twice": (
        pack(lambda lines: [lines[0].replace('"response"', '"response": "x", "response"'), *lines[1:]]),
        "line 1: not a JSON object: dialogue 'twn0461', turn 0: the key 'response' occurs twice",
    ),
    "reply without end": (pack(lambda lines: first_line(lines, response="a " * 20_000)), "at most 5,000 are taken"),
    "reply with half a character": (pack(lambda lines: first_line(lines, response="\ud800")), "half of a surrogate"),
    "line that is nested without end": (pack(lambda lines: ["[" * 4000, *lines[1:]]), "line 1: not a JSON object"),
    "turn that is no number": (pack(lambda lines: first_line(lines, turn=False)), "expected turn 0"),
    "turn below zero": (pack(lambda lines: first_line(lines, turn=-1)), "expected turn 0"),
    "state that is no state": (pack(lambda lines: first_line(lines, state=["x"])), "expected {domain: {slot: value}}"),
    "state of lists": (pack(with_states({"hotel": [[]]})), "expected {slot: value}"),
    "domains that are no names": (
        pack(lambda lines: first_line(lines, active_domains=[[1]])),
        "a list of domain names",
    ),
    "states of nothing": (pack(with_states({"hotel": {"area": [[[]]]}})), "states is gold, its predictions have own"),
    "empty predictions": (pack(lambda lines: []), "line 1: not a JSON object"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_bad_row_is_refused(root, name):
    attack, message = ATTACKS[name]
    attack(root)
    before = sorted(str(path) for path in root.parent.rglob("*"))
    faults = check_all(root).faults
    assert any(any(part in fault for part in message.split("|")) for fault in faults), faults
    assert all("\n" not in fault for fault in faults)
    assert sorted(str(path) for path in root.parent.rglob("*")) == before  # nothing was written anywhere


def test_there_are_more_than_twenty_attacks():
    assert len(ATTACKS) > 80
