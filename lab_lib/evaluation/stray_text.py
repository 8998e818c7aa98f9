"""What a decoder leaves in an answer that is no part of it: control tokens written out, and the name of a role.

Scorers read both as text. Nothing is removed here, numbers stay as they are; a note says how often it happens.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from lab_lib.evaluation.noting import counted

# `</s>`, `<pad>`, `<|im_end|>`, `<end_of_turn>`, `[EOS]`, `[/INST]`, `<<SYS>>` and their like; also what byte-level and
# sentence-piece vocabularies write for a space or line break, and the mark of bytes that are no text.
CONTROL = re.compile(
    r"</?s>|<[|｜][^<>]{1,40}[|｜]>|<</?SYS>>|<(?:start|end|begin)[_▁ ]of[_▁ ]\w+>|<(?:extra_id|unused|reserved)\w*>"
    r"|</?(?:pad|bos|eos|unk|mask|sep|cls|eod|eot|eom|endoftext|im_start|im_end|think|inst|sys)>"
    r"|\[/?(?:eos|bos|pad|unk|cls|sep|mask|inst|sys|gmask|sop|eop)\]|<0x[0-9a-f]{2}>|[ĠĊ▁\ufffd]",
    re.IGNORECASE,
)
_ROLES = "bot|assistant|system|user|human|customer|agent|ai|chatbot|model|wizard|sys|usr|response|reply|answer|output"
# `bot> `, `Assistant: `, `### Response:`, `<assistant>`, `**AI:**`, and a role alone on the first line.
ROLE = re.compile(rf"[\s#*<\[|({{]*(?:{_ROLES})(?:[\s*]*[>:：\])|}}]|\s*\n)[>:|*\])]*(?=\s|\w|$)", re.IGNORECASE)


def stray_notes(texts: Iterable[Any], what: str = "replies") -> list[str]:
    """Return notes on control tokens in texts and on the roles they begin with; `what` the texts are called.

    What is no text is passed over.

    >>> stray_notes(["bot> it is. </s>", "fine"])[0]
    'control tokens written out in 1 of 2 replies: </s> 1x; they are scored as text'
    >>> stray_notes(["bot> it is. </s>", "fine"])[1]
    'a role before 1 of 2 replies: bot> 1x; it is scored as text'
    """
    tokens: Counter[str] = Counter()
    roles: Counter[str] = Counter()
    total = with_tokens = 0
    for text, times in Counter(text for text in texts if isinstance(text, str)).items():
        found = CONTROL.findall(text)
        total, with_tokens = total + times, with_tokens + times * bool(found)
        for token in found:
            tokens[token] += times
        if role := ROLE.match(text):
            roles[role[0].strip()] += times
    notes = []
    if tokens:
        named = counted(tokens)
        deleted = all(token[0] == "[" for token in tokens)  # `[EOS]`: a placeholder that no table knows
        about = "" if deleted else "; they are scored as text"
        notes.append(f"control tokens written out in {with_tokens} of {total} {what}: {named}{about}")
    if roles:
        named = counted(roles)
        notes.append(f"a role before {sum(roles.values())} of {total} {what}: {named}; it is scored as text")
    return notes
