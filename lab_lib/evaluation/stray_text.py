"""Stray text in answers: control tokens written out, and the names of roles.

Scorers read both as text. Nothing is removed here and the numbers do not change; a note gives their frequency.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lab_lib.evaluation.noting import counted
from lab_lib.texts import HIDDEN, is_blank

# `</s>`, `<pad>`, `<|im_end|>`, `<end_of_turn>`, `<eos_r>`, `[EOS]`, `[/INST]`, `<<SYS>>`, any closing tag, and their
# like; also what vocabularies write for a space, a line break or a part of a word, and the mark of bytes that are no
# text.
CONTROL = re.compile(
    r"<s>|<\s?[\\/]\s?s\s?>|<[|｜][^<>]{1,40}[|｜]>|<</?SYS>>|<(?:start|end|begin)[_▁ ]of[_▁ ]\w+>"
    r"|<(?:extra_id|unused|reserved)\w*>|</[a-z]\w{0,20}>|<_?[sbe]os(?:_\w{1,12})?>|<eo[a-z](?:_\w{1,12})?>"
    r"|<(?:pad|unk|mask|sep|cls|endoftext|im_start|im_end|think|inst|sys|end|stop|tool_call)>"
    r"|\[/?(?:eos|bos|pad|unk|cls|sep|mask|inst|sys|gmask|sop|eop)\]|\[/(?:assistant|user|system)\]"
    r"|<0x[0-9a-f]{2}>|(?<=\w)@@(?=\s|$)|(?<=\s)##(?=\w)|\\[nrt](?!\w)|[ĠĊ▁\ufffd]",
    re.IGNORECASE,
)
_DELETED = re.compile(r"\[\w+\]")  # `[EOS]`: to the response scorer a placeholder that no table knows
_SPEAKERS = "bot|assistant|system|user|human|customer|agent|ai|chatbot|model|wizard|sys|usr"
_ROLES = rf"(?:{_SPEAKERS}|response|reply|answer|output|gpt|chatgpt|robot|operator|support|clerk|speaker)"
# `bot> `, `Assistant: `, `### Response:`, `<assistant>`, `**AI:**`, `Speaker 2:`, `Agent - `, and a role alone on the
# first line.
ROLE = re.compile(
    rf"[\s#*<\[|({{]*{_ROLES}(?:[ _]?(?:response|reply|turn|assistant|\d))?"
    r"(?:[\s*]*[>:：\])|}]|\s[-–—=](?=\s)|\s*\n)[>:|*\])]*(?=\s|\w|$)",
    re.IGNORECASE,
)
# A role where a sentence has ended: the model continues with the next turn.
_NEXT = re.compile(rf"(?:\n\s*|(?<=[.!?\]])\s+)(?:{_SPEAKERS})\s?[>:：]", re.IGNORECASE)
ENDS = {0: "begin", -1: "end"}
FEW = 5  # minimum number of replies with the same beginning for a note


def stray_notes(texts: Iterable[Any], what: str = "replies") -> list[str]:
    """Return notes on control tokens, roles and invisible characters in texts; `what` the texts are called.

    What is no text is skipped.

    >>> stray_notes(["bot> it is. </s>", "fine"])[0]
    'control tokens written out in 1 of 2 replies: </s> 1x; they are scored as text'
    >>> stray_notes(["bot> it is. </s>", "fine"])[1]
    'a role before 1 of 2 replies: bot> 1x; it is scored as text'
    """
    counts = Counter(text for text in texts if isinstance(text, str))
    total = sum(counts.values())
    tokens, with_tokens = _found(counts, CONTROL)
    roles = _first(counts, ROLE)
    turns, with_turns = _found(counts, _NEXT)
    notes = []
    if tokens:
        about = "" if all(map(_DELETED.fullmatch, tokens)) else "; they are scored as text"
        notes.append(f"control tokens written out in {with_tokens} of {total} {what}: {counted(tokens)}{about}")
    if roles:
        notes.append(f"a role before {sum(roles.values())} of {total} {what}: {counted(roles)}; it is scored as text")
    if turns:
        notes.append(f"a role inside {with_turns} of {total} {what}: {counted(turns)}; is it the next turn?")
    return [*notes, *_hidden(counts, total, what)]


def _found(counts: Mapping[str, int], pattern: re.Pattern[str]) -> tuple[Counter[str], int]:
    """Return what a pattern finds in texts, and in how many of them."""
    found: Counter[str] = Counter()
    number = 0
    for text, times in counts.items():
        parts = [match[0].strip() for match in pattern.finditer(text)]
        number += times * bool(parts)
        for part in parts:
            found[part] += times
    return found, number


def _first(counts: Mapping[str, int], pattern: re.Pattern[str]) -> Counter[str]:
    """Return what a pattern finds at the beginning of texts."""
    found: Counter[str] = Counter()
    for text, times in counts.items():
        if match := pattern.match(text):
            found[match[0].strip()] += times
    return found


def _hidden(counts: Mapping[str, int], total: int, what: str) -> list[str]:
    """Count texts with invisible characters, and texts that contain nothing else."""
    signs: Counter[str] = Counter()
    number = blank = 0
    for text, times in counts.items():
        found = HIDDEN.findall(text)
        number += times * bool(found)
        blank += times * (bool(text.strip()) and is_blank(text))
        for sign in found:
            signs[f"U+{ord(sign):04X}"] += times
    if not number and not blank:
        return []
    only = f" ({blank} of them show nothing else: empty replies)" if blank else ""
    return [f"invisible characters in {max(number, blank)} of {total} {what}: {counted(signs)}{only}; scored as text"]


def shared_ends(raw: Sequence[str], read: Sequence[str], references: Sequence[str]) -> list[str]:
    """Return notes on a word with which most replies begin or end, and hardly any reference: a role, a token, a quote.

    `read` are the replies and `references` theirs as the scorer reads them; what `stray_notes` names is left out.
    """
    if len(set(read)) == 1:  # one reply to everything: its words say nothing more
        return []
    notes = []
    for place, verb in ENDS.items():
        named = [bool(ROLE.match(text) or CONTROL.search(text)) for text in raw]
        words = [_end(text, place) for text, odd in zip(read, named, strict=True) if not odd]
        word, count = max(Counter(filter(None, words)).items(), key=lambda pair: pair[1], default=("", 0))
        theirs = sum(_end(text, place) == word for text in references)
        if count >= FEW and 2 * count >= len(read) and 10 * theirs < count:
            of = f"of {len(references)} references {theirs}"
            notes.append(f"{count} of {len(read)} replies {verb} with {word!r:.40}, {of}; it is scored as text")
    return notes


def _end(text: str, place: int) -> str:
    """Return the first (0) or last (-1) word of a text with the marks around it."""
    words = text.split()
    return words[place] if words else ""
