"""Notes of the MultiWOZ response scorer: missing goals, unknown placeholders, unusual replies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lab_lib.evaluation.bleu import BleuCounter
from lab_lib.evaluation.diversity import tokens
from lab_lib.evaluation.inform import DialogueVerdict
from lab_lib.evaluation.normalise import count_placeholders
from lab_lib.evaluation.placeholders import count_others, placeholder_notes
from lab_lib.evaluation.prediction_checks import Turns
from lab_lib.evaluation.reply_notes import empty_notes, short_notes
from lab_lib.evaluation.stray_text import FEW, shared_ends, stray_notes

JUDGED = ("NAME", "TRAINID", "PHONE", "ADDRESS", "POST", "REFERENCE")  # what Inform and Success look for in replies
Normalised = Mapping[str, Sequence[tuple[str, tuple[str, ...]]]]  # by dialogue: each reply, its unknown placeholders


def unknown_names(normalised: Normalised) -> Counter[str]:
    """Count the placeholder names that no table knows."""
    return Counter(name for turns in normalised.values() for _, names in turns for name in names)


def reply_notes(
    dialogues: Mapping[str, Turns], normalised: Normalised, references: Sequence[str], counter: BleuCounter
) -> list[str]:
    """Return the notes on replies, raw and as the scorer reads them; `references` are theirs, normalised.

    `counter` has the tokens of the replies.
    """
    raw = [turn["response"] for turns in dialogues.values() for turn in turns]
    read = [text for turns in normalised.values() for text, _ in turns]
    wordless = sum(tokens(text) == ("",) for text in read)
    as_one = "each counts as one word in Length and Words, as in the published scorer"
    return [
        *placeholder_notes(unknown_names(normalised), count_others(raw)),
        *_lexicalised(read, references),
        *stray_notes(raw),
        *shared_ends(raw, read, references),
        *empty_notes(wordless, sum(not text for text in read), len(read), as_one),
        *short_notes([len(counter.words(text)) for text in read]),
    ]


def _lexicalised(replies: Sequence[str], references: Sequence[str]) -> list[str]:
    """Warn if replies have less than 5 % of the references' placeholders, or never a placeholder that counts."""
    own, theirs = (sum(map(count_placeholders, side)) for side in (replies, references))
    if 20 * own >= theirs:
        gone = {name: sum(name in text for text in references) for name in JUDGED}
        gone = {n: count for n, count in gone.items() if count >= FEW and not any(n in text for text in replies)}
        named = ", ".join(f"{name} ({count} in the references)" for name, count in gone.items())
        return [f"placeholders that no reply has: {named}; Inform and Success look for them"] if gone else []
    return [
        f"placeholders such as [name]: {own} in the replies, {theirs} in the references; Inform and Success count "
        "placeholders only, and BLEU compares with them: either the replies must be delexicalised first, or the "
        "model has not learned placeholders"
    ]


def goal_notes(verdicts: Mapping[str, DialogueVerdict]) -> list[str]:
    """Say how many dialogues have no goal."""
    without = sum(not verdict.match for verdict in verdicts.values())
    return [f"dialogues without goal: {without}; they are left out of Inform and Success"] if without else []


def with_unread(verdict: DialogueVerdict, unknown: Sequence[Sequence[str]], turns: Turns) -> DialogueVerdict:
    """Add to a failure's causes the placeholders that the scorer does not read, such as `[adress]` or
    `[hotel-phone]`."""
    if not verdict.match or verdict.success["total"]:
        return verdict
    names = [f"[{name}]" for names in unknown for name in names] + list(count_others(t["response"] for t in turns))
    return replace(verdict, causes=(*verdict.causes, *(f"unknown slot {name}" for name in dict.fromkeys(names))))
