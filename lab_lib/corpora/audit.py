"""Audit a corpus: counts, unusual spans, duplicates, leakage, dropped records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab_lib.corpora.delex import applied_spans, covers, plain
from lab_lib.corpora.types import Corpus, Dialogue, Span, Turn


@dataclass(frozen=True)
class SplitAudit:
    """Counts of one split. The last three, None for the first split, compare it with the splits before it.

    words               white-space separated tokens of all turns
    tokens              tokens of the model's tokenizer, None when none was given
    other_words         spans whose words differ from their annotated value by more than case and spaces
    overlapping         spans left as text because an earlier one covers them (delexicalisation)
    dontcare            spans left as text because their value is `dontcare`
    unmapped            placeholders in system turns whose name the scorer does not know
    duplicates          dialogues with the same words as an earlier one of this split
    leaked              dialogues with the same words as one of an earlier split
    shared_openings     percent of first user turns that open a dialogue there too (information, not leakage)
    shared_replies      percent of system turns that are a reply there too (information, not leakage)
    """

    split: str
    dialogues: int
    user_turns: int
    system_turns: int
    words: int
    tokens: int | None
    with_goal: int
    spans: int
    other_words: int
    overlapping: int
    dontcare: int
    placeholders: int
    unmapped: int
    duplicates: int
    leaked: int | None
    shared_openings: float | None
    shared_replies: float | None


@dataclass(frozen=True)
class Audit:
    """Counts by split, and over all splits: placeholders by name, unknown ones, duplicate ids, reasons for drops.

    `leaks` names the dialogues whose words are in an earlier split too; `dropped` counts by reason.
    """

    corpus: str
    splits: tuple[SplitAudit, ...]
    placeholders: Mapping[str, int]
    unmapped: Mapping[str, int]
    duplicates: tuple[str, ...]
    leaks: tuple[str, ...]
    dropped: Mapping[str, int]

    def rows(self) -> list[tuple[str, ...]]:
        """Return a table: a header row, then one row per count with one column per split."""
        labels = {
            "dialogues": "dialogues",
            "user_turns": "user turns",
            "system_turns": "system turns",
            "words": "words (white space)",
            "tokens": "tokens (model)",
            "with_goal": "dialogues with a goal",
            "spans": "spans",
            "other_words": "  words differ from value",
            "overlapping": "  skipped: overlap",
            "dontcare": "  skipped: dontcare",
            "placeholders": "placeholders in replies",
            "unmapped": "  unknown to the scorer",
            "duplicates": "duplicate dialogues",
            "leaked": "dialogues in an earlier split too",
            "shared_openings": "  first user turns, %",
            "shared_replies": "  replies, %",
        }
        header = (self.corpus, *(split.split for split in self.splits))
        counted = [name for name in labels if any(getattr(split, name) is not None for split in self.splits)]
        return [header] + [
            (labels[name], *(_written(getattr(split, name)) for split in self.splits)) for name in counted
        ]

    def notes(self) -> list[str]:
        """Return further findings, one line each: names, leaks, and dropped records with their reasons."""
        lines = [f"placeholders: {_listed(self.placeholders)}", f"unmapped slots: {_listed(self.unmapped)}"]
        lines += [f"duplicate of an earlier dialogue: {_some(self.duplicates)}"] if self.duplicates else []
        lines += [f"LEAK: in an earlier split too: {_some(self.leaks)}"] if self.leaks else ["leakage: none"]
        lines += [f"dropped {count} x {reason}" for reason, count in self.dropped.items()] or ["dropped: nothing"]
        return lines


def audit(
    corpus: Corpus, known_slots: Collection[str] | None = None, count_tokens: Callable[[str], int] | None = None
) -> Audit:
    """Count what is in a corpus. Nothing is changed; texts are compared in lower case with single spaces.

    known_slots    names a scorer accepts between brackets; None: the slot names of the corpus's own schema
    count_tokens   text -> number of model tokens; None: not counted
    """
    known = known_slots if known_slots is not None else schema_slots(corpus)
    placeholders = Counter(span.slot for dialogues in corpus.splits.values() for span in _reply_spans(dialogues))
    splits: list[SplitAudit] = []
    leaks: list[Dialogue] = []
    earlier: list[Dialogue] = []
    for split, dialogues in corpus.splits.items():
        splits.append(_audit_split(split, dialogues, earlier, known, count_tokens))
        leaks += _leaks(dialogues, earlier)
        earlier += dialogues
    return Audit(
        corpus=corpus.name,
        splits=tuple(splits),
        placeholders=dict(placeholders.most_common()),
        unmapped={slot: count for slot, count in placeholders.most_common() if slot not in known},
        duplicates=tuple(d.id for dialogues in corpus.splits.values() for d in _duplicates(dialogues)),
        leaks=tuple(dialogue.id for dialogue in leaks),
        dropped=dict(Counter(dropped.reason for dropped in corpus.dropped).most_common()),
    )


def schema_slots(corpus: Corpus) -> frozenset[str]:
    """Return every slot name of the corpus's schema, without its domain."""
    return frozenset(slot["name"].partition("-")[2] for service in corpus.schema for slot in service["slots"])


def _audit_split(
    split: str,
    dialogues: Sequence[Dialogue],
    earlier: Sequence[Dialogue],
    known: Collection[str],
    count_tokens: Callable[[str], int] | None,
) -> SplitAudit:
    """Count one split and compare it with the dialogues of `earlier` splits."""
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    replies, spans = _reply_spans(dialogues), [(turn, span) for turn in turns for span in turn.spans]
    dontcare = sum(span.value == "dontcare" for _, span in spans)
    return SplitAudit(
        split=split,
        dialogues=len(dialogues),
        user_turns=sum(turn.speaker == "user" for turn in turns),
        system_turns=sum(turn.speaker == "system" for turn in turns),
        words=sum(len(turn.text.split()) for turn in turns),
        tokens=sum(count_tokens(turn.text) for turn in turns) if count_tokens else None,
        with_goal=sum(dialogue.goal is not None for dialogue in dialogues),
        spans=len(spans),
        other_words=sum(_other_words(turn, span) for turn, span in spans),
        overlapping=len(spans) - dontcare - sum(len(applied_spans(turn)) for turn in turns),
        dontcare=dontcare,
        placeholders=len(replies),
        unmapped=sum(span.slot not in known for span in replies),
        duplicates=len(_duplicates(dialogues)),
        leaked=len(_leaks(dialogues, earlier)) if earlier else None,
        shared_openings=_percent(_openings(dialogues), set(_openings(earlier))) if earlier else None,
        shared_replies=_percent(_replies(dialogues), set(_replies(earlier))) if earlier else None,
    )


def _reply_spans(dialogues: Iterable[Dialogue]) -> list[Span]:
    """Return the spans that become placeholders in system turns."""
    return [span for dialogue in dialogues for turn in dialogue.system_turns for span in applied_spans(turn)]


def _other_words(turn: Turn, span: Span) -> bool:
    """Return whether the words under a span differ from its value."""
    return span.value != "dontcare" and not covers(turn, span)


def _duplicates(dialogues: Iterable[Dialogue]) -> list[Dialogue]:
    """Return the dialogues with the same words as an earlier one."""
    seen: set[str] = set()
    found = []
    for dialogue in dialogues:
        words = _words(dialogue)
        found += [dialogue] if words in seen else []
        seen.add(words)
    return found


def _leaks(dialogues: Iterable[Dialogue], earlier: Iterable[Dialogue]) -> list[Dialogue]:
    """Return the dialogues whose words are among the earlier ones."""
    seen = {_words(dialogue) for dialogue in earlier}
    return [dialogue for dialogue in dialogues if _words(dialogue) in seen]


def _words(dialogue: Dialogue) -> str:
    """Return all words of a dialogue, one turn per line."""
    return "\n".join(plain(turn.text) for turn in dialogue.turns)


def _openings(dialogues: Iterable[Dialogue]) -> list[str]:
    return [plain(dialogue.turns[0].text) for dialogue in dialogues]


def _replies(dialogues: Iterable[Dialogue]) -> list[str]:
    return [plain(turn.text) for dialogue in dialogues for turn in dialogue.system_turns]


def _percent(texts: Sequence[str], others: Collection[str]) -> float:
    """Return the percentage of the texts that are among the others, to one decimal (0 for no text)."""
    return round(100 * sum(text in others for text in texts) / max(len(texts), 1), 1)


def _written(count: float | int | None) -> str:
    return "" if count is None else f"{count:,}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _some(ids: Sequence[str], limit: int = 5) -> str:
    return ", ".join(ids[:limit]) + (f" and {len(ids) - limit} more" if len(ids) > limit else "")
