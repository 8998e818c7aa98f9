"""From the spaced tokens of DailyDialog to written English: `I ’ m fine , thanks .` to `I'm fine, thanks.`

Written English stays unchanged. Undecidable cases stay unchanged too: single quotes around words, hyphens.
"""

from __future__ import annotations

import re

SIGNS = str.maketrans("’‘′“”。、", "'''\"\".,")
RULES = tuple(
    (re.compile(pattern), change)
    for pattern, change in (
        (r"(?i)(\w) ?' (s|t|m|re|ve|ll|d|clock|em)\b(?!')", r"\1'\2"),  # I ' m, don ' t, o ' clock
        (r"s ' (?=\w)(?![^']* ')", "s' "),  # parents ' house, unless a quotation ends behind it
        (r"(?<=\d) ([.:]) (?=\d)", r"\1"),  # 3 . 50, 12 : 45
        (r"(?<=\d) , (?=\d{3}\b)", ","),  # 3 , 000
        (r"\b([A-Za-z]) \. (?=[A-Za-z] \.)", r"\1."),  # p . m ., U . S . A .
        (r"(?<=\.) (?=\.)", ""),  # . . .
        (r"(?<=[a-z])([.?!])(?=[A-Z])", r"\1 "),  # evening.We
        (r" (?=[,.;:?!%)\]])", ""),
        (r"(?<=[$£¥(\[]) ", ""),
        (r" +", " "),
    )
)
QUOTED = re.compile(r'" ?([^"]*?) ?"')


def written(text: str) -> str:
    """Return spaced tokens as written English.

    >>> written("Well , it ' s 3 . 50 , don ’ t you think ? ! I'm sure .")
    "Well, it's 3.50, don't you think?! I'm sure."
    >>> written('My parents \\' house ( the " old mill " ) , at 5 p . m . . . .')
    'My parents\\' house (the "old mill"), at 5 p.m....'
    """
    text = text.translate(SIGNS)
    for pattern, change in RULES:
        text = pattern.sub(change, text)
    return QUOTED.sub(r'"\1"', text).strip()
