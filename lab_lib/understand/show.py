"""Format a result for a terminal: the call alone on stdout, everything about it on stderr."""

from __future__ import annotations

from lab_lib.calls.call import literal
from lab_lib.errors import shown
from lab_lib.understand.converter import BY_RETRIEVAL
from lab_lib.understand.understood import Likely, Reading, SeenExemplar, Understood

UNTRAINED = "by retrieval alone: no trained run was named, so the nearest match and its template decide"
OTHERS = 3  # alternatives that are listed, at most


def about(found: Understood) -> list[str]:
    """Return the lines beside a call: what chose it, its probability, the alternatives, and why there is no call."""
    lines = [UNTRAINED if found.by == BY_RETRIEVAL else f"by {found.by}"]
    others = [one for one in found.options if one.name != found.name][:OTHERS]
    instead = "; otherwise " + ", ".join(map(_likely, others)) if others else ""
    lines.append(f"{found.name} {100 * found.probability:.0f} %{instead}")
    return [*lines, *([found.said] if found.said else [])]


def explained(found: Understood) -> list[str]:
    """Return the evidence as lines: the source of each value, and the retrieved texts with their scores."""
    lines = [_reading(one) for one in found.slots]
    lines += [f"description {one.score:6.3f}  {one.function}: {shown(one.text, 90)[1:-1]}  [{one.module}]"
              for one in found.evidence.descriptions]  # fmt: skip
    lines += [f"exemplar    {one.score:6.3f}  {one.function}: {shown(one.template, 90)[1:-1]}  [{_place(one)}]"
              for one in found.evidence.exemplars]  # fmt: skip
    return lines


def _place(one: SeenExemplar) -> str:
    return ", ".join(filter(None, (one.module, one.key, one.source)))


def _likely(one: Likely) -> str:
    return f"{one.name} {100 * one.probability:.0f} %"


def _reading(one: Reading) -> str:
    said = f" from {shown(one.said)}" if one.said else ""
    sure = f", {100 * one.probability:.0f} %" if one.probability is not None else ""
    return f"{one.slot} = {literal(one.value)}{said} ({one.source}{sure})"
