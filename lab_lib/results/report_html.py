"""The readable report of a run: one HTML file that needs no network, with every dialogue side by side."""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import write_text
from lab_lib.results.assets import asset, render
from lab_lib.results.state_table import Rows
from lab_lib.results.state_table import html_values as state_values
from lab_lib.results.table import ScoreRow, html_values, ordered

# A placeholder, a word or a single sign, each with the white space before it; then white space at the end.
TOKEN = re.compile(r"\s*(?:\[[^\[\]\s]+\]|\w+|[^\w\s])|\s+")
# In a call a value in quotes is one token: "12:22" for "11:59" is another value, not two other numbers.
CALL_TOKEN = re.compile(r'\s*(?:"(?:\\.|[^"\\])*"|\w+|[^\w\s])|\s+')


@dataclass(frozen=True)
class Task:
    """What the page calls the things of a task."""

    verdicts: tuple[str, str] = ("Inform", "Success")  # those under `match` and `success`, each with a `total`
    item: str = "dialogue"  # what is scored one by one
    answer: str = "reply"
    answers: str = "replies"


DIALOGUES = Task()


def write_report(
    path: Path,
    header: Mapping[str, Any],
    rows: Sequence[ScoreRow],
    dialogues: Sequence[Mapping[str, Any]],
    curve_svg: str | None = None,
    states: Rows | None = None,
    task: Task = DIALOGUES,
    table: Mapping[str, Any] | None = None,
) -> Path:
    """Write report.html (atomically) and return its path.

    Tasks other than dialogue replies have no `rows` but a `table` of their own (what `table.html` needs), and other
    words (`task`).

    `header` says what was run, in the order to show it: plain values, mappings, and under `choices` a list
    of (name, value, reason); `recipe` is the title. `dialogues` holds {key, goal, turns: [{user, state,
    reference, predictions: {row name: text}}], verdicts: {row name: {match: {domain: bool}, success:
    {domain: bool}, causes: [str]}}}, with the whole dialogue's verdict under the domain `total`; a system
    without a prediction is shown as having none. `curve_svg` is what `curve.draw_curve` returned. A run that predicts
    belief states has a second table, `states`, and in its turns {call: gold text, calls: {row name: text}, wrong:
    {row name: whether the state is wrong}}.
    Text of models and users is only ever put in as text. Raises LabError when two rows share a name or the
    file cannot be written.
    """
    return write_text(path, report_html(header, rows, dialogues, curve_svg, states, task, table))


def report_html(
    header: Mapping[str, Any],
    rows: Sequence[ScoreRow],
    dialogues: Sequence[Mapping[str, Any]],
    curve_svg: str | None = None,
    states: Rows | None = None,
    task: Task = DIALOGUES,
    table: Mapping[str, Any] | None = None,
) -> str:
    """Return the page that `write_report` writes."""
    from markupsafe import Markup

    script = asset("report.js")
    return render(
        "report.html",
        title=str(header.get("recipe", "run")),
        facts=_facts(header),
        choices=[tuple(map(str, choice)) for choice in header.get("choices", ())],
        groups={_label(key): value for key, value in header.items() if isinstance(value, Mapping)},
        task=task,
        own_table=table is not None,
        **(table or html_values(rows)),
        states=state_values(states) if states else None,
        curve=Markup(curve_svg[curve_svg.index("<svg") :]) if curve_svg else None,
        count=len(dialogues),
        data=Markup(embed({**page_data(rows, dialogues), "task": asdict(task)})),
        style=Markup(asset("report.css")),
        script=Markup(script),
        # The browser runs this one script and no other, so even a hole in the escaping would stay harmless.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _facts(header: Mapping[str, Any]) -> dict[str, str]:
    """Return the plain values of the header, without the title and what has a table of its own."""
    apart = {"recipe", "choices"}
    shown = [key for key in header if key not in apart and not isinstance(header[key], Mapping)]
    return {_label(key): "-" if header[key] is None else str(header[key]) for key in shown}


def _label(key: str) -> str:
    """Return a header key as a person would write it.

    >>> _label("scorer_signature")
    'Scorer signature'
    """
    words = str(key).replace("_", " ")
    return words[:1].upper() + words[1:]


def embed(value: Any) -> str:
    """Return JSON that may stand inside a `<script>` element: `<`, `>` and `&` are written as escapes.

    Plain ASCII, so that a lone surrogate in a model's output cannot spoil the file. NaN is refused
    (ValueError), because a browser would refuse the whole page's data for it.

    >>> embed("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page_data(rows: Sequence[ScoreRow], dialogues: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the page's script draws from: the systems' names and every dialogue with its differences.

    The first name is the reference's, then the systems that have predictions, in table order; names that have
    predictions but no row come last.
    """
    names = [row.name for row in ordered(rows)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise LabError(f"report: two rows are called {twice[0]!r}; give each system a name of its own")
    reference = next((row.name for row in rows if row.kind == "reference"), "reference")
    predicted = {name for dialogue in dialogues for turn in dialogue["turns"] for name in turn["predictions"]}
    systems = [name for name in names if name in predicted and name != reference]
    systems += sorted(predicted - {*names, reference})
    tuned = [row.name for row in ordered(rows) if row.kind == "finetuned" and row.name in systems]
    return {
        "names": [reference, *systems],
        "focus": 1 + systems.index(tuned[-1]) if tuned else len(systems),
        "dialogues": [_dialogue(dialogue, [reference, *systems]) for dialogue in dialogues],
    }


def _dialogue(dialogue: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return one dialogue for the page; lists run parallel to `names`, whose first is the reference."""
    turns = dialogue["turns"]
    matched = [[difference(turn["reference"], turn["predictions"].get(name)) for turn in turns] for name in names[1:]]
    return {
        "key": str(dialogue["key"]),
        "goal": dialogue.get("goal") or {},
        "verdicts": [(dialogue.get("verdicts") or {}).get(name) for name in names],
        "overlap": [100.0, *(overlap(column) for column in matched)],
        "turns": [
            {
                "user": turn["user"],
                "state": turn.get("state") or {},
                "replies": [[turn["reference"]], *(column[number] for column in matched)],
                **(_calls(turn, names) if "call" in turn else {}),
            }
            for number, turn in enumerate(turns)
        ],
    }


def _calls(turn: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return what was called before each reply and whether each state is wrong; None for systems without calls."""
    calls = [difference(turn["call"], turn["calls"].get(name), CALL_TOKEN) for name in names[1:]]
    return {"calls": [[turn["call"]], *calls], "wrong": [None, *(turn["wrong"].get(name) for name in names[1:])]}


def difference(reference: str, prediction: str | None, token: re.Pattern[str] = TOKEN) -> list[str] | None:
    """Compare two replies word by word: [same, missing, extra, same, missing, extra, ...]; None stays None.

    `same` and `extra` joined are the prediction, to the character; `missing` are words only the reference
    has. Case and white space do not count as differences, as in the scorer. Replies that share less than a
    third of their words count as wholly different: stray common words say nothing and are hard to read.
    Python's difflib does the matching, so the result is a good alignment, not always the shortest.

    >>> difference("it is in the [area] .", "It is in the north.")
    ['It is in the', ' [area]', ' north', '.']
    >>> difference("yes", "yes")
    ['yes']
    """
    if prediction is None:
        return None
    gold, said = token.findall(reference), token.findall(prediction)
    matcher = difflib.SequenceMatcher(None, _words(gold), _words(said), autojunk=False)
    if matcher.ratio() < 1 / 3:
        return ["", reference, prediction]
    parts = [""]
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            parts[-1] = "".join(said[c:d])
        else:
            parts += ["".join(gold[a:b]), "".join(said[c:d]), ""]
    return parts[:-1] if len(parts) > 1 and not parts[-1] else parts


def _words(tokens: Sequence[str]) -> list[str]:
    """Return tokens as they are compared."""
    return [token.strip().lower() for token in tokens]


def overlap(differences: Sequence[list[str] | None]) -> float | None:
    """Return how much of a dialogue agrees with its reference, 0-100: twice the shared words over all words.

    A missing reply is left out; None when there is nothing to compare. It sorts dialogues in the page, it is
    not a published metric.

    >>> overlap([["a b", " c", " d"]])  # 2 shared words; 3 words on each side
    66.7
    """
    same = other = 0
    for parts in differences:
        for place, part in enumerate(parts or ()):
            count = sum(bool(token.strip()) for token in TOKEN.findall(part))
            same, other = (same + count, other) if place % 3 == 0 else (same, other + count)
    return round(200 * same / (2 * same + other), 1) if same + other else None
