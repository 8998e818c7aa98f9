"""Wrong answers to the exercises of lab 01, each with what its message must say."""

from __future__ import annotations


def alters_state(before, after):
    for domain in list(after):
        for slot, value in before.get(domain, {}).items():
            if after[domain].get(slot) == value:
                del after[domain][slot]
        if not after[domain]:
            del after[domain]
    return after


def new_domains(before, after):
    return {domain: slots for domain, slots in after.items() if domain not in before and slots}


def new_slots(before, after):
    found = {d: {s: v for s, v in slots.items() if s not in before.get(d, {})} for d, slots in after.items()}
    return {domain: slots for domain, slots in found.items() if slots}


def with_empty_domains(before, after):
    return {d: {s: v for s, v in slots.items() if before.get(d, {}).get(s) != v} for d, slots in after.items()}


def both_ways(before, after):
    found = {}
    for domain in {**before, **after}:
        one, two = before.get(domain, {}), after.get(domain, {})
        if different := {slot: two.get(slot) for slot in {**one, **two} if one.get(slot) != two.get(slot)}:
            found[domain] = different
    return found


def forgets_quiet_turns(states):
    active, before = [], {}
    for state in states:
        active.append([d for d, slots in state.items() if before.get(d) != slots])
        before = state
    return active


def one_domain_only(states):
    active, before, current = [], {}, []
    for state in states:
        current = [d for d, slots in state.items() if before.get(d) != slots][:1] or current
        active.append(current)
        before = state
    return active


def replaces_forward(text, spans):
    for start, end, slot in sorted(spans):
        text = text[:start] + f"[{slot}]" + text[end:]
    return text


def replaces_words(text, spans):
    original = text
    for start, end, slot in spans:
        text = text.replace(original[start:end], f"[{slot}]", 1)
    return text


def unsorted_spans(text, spans):
    parts, done = [], 0
    for start, end, slot in spans:
        if start >= done:
            parts += [text[done:start], f"[{slot}]"]
            done = end
    return "".join(parts) + text[done:]


def backwards(text, spans):
    for start, end, slot in sorted(spans, reverse=True):
        text = text[:start] + f"[{slot}]" + text[end:]
    return text


def sorts_in_place(text, spans):
    spans.sort()
    return unsorted_spans(text, spans)


def no_refusal(text, spans):
    return unsorted_spans(text, sorted(spans))


def words(dialogue):
    return [" ".join(turn.text.lower().split()) for turn in dialogue.turns]


def exact_copies(train, test):
    known = {tuple(turn.text for turn in dialogue.turns) for dialogue in train}
    return [d.id for d in test if tuple(turn.text for turn in d.turns) in known]


def same_openings(train, test):
    known = {words(dialogue)[0] for dialogue in train}
    return [d.id for d in test if words(d)[0] in known]


def known_turns(train, test):
    known = {turn for dialogue in train for turn in words(dialogue)}
    return [d.id for d in test if set(words(d)) <= known]


def any_order(train, test):
    known = {frozenset(words(dialogue)) for dialogue in train}
    return [d.id for d in test if frozenset(words(d)) in known]


def joined(train, test):
    known = {" ".join(words(dialogue)) for dialogue in train}
    return [d.id for d in test if " ".join(words(d)) in known]


def loses_the_last(ids, loss_mask):
    found, stretch = [], []
    for token, counts in zip(ids, loss_mask, strict=True):
        if counts:
            stretch.append(token)
        elif stretch:
            found.append(stretch)
            stretch = []
    return found


def with_gaps(ids, loss_mask):
    found = [[]]
    for token, counts in zip(ids, loss_mask, strict=True):
        if counts:
            found[-1].append(token)
        else:
            found.append([])
    return found


WRONG = [
    ("01.1", lambda turn, span: span.value, "got the value 'north'"),
    ("01.1", lambda turn, span: turn.text[span.start : span.end + 1], "end is exclusive"),
    ("01.1", lambda turn, span: turn.text.split()[span.start], "IndexError"),
    ("01.1", lambda turn, span: print(turn.text), "does your function return"),
    ("01.2", new_domains, "in a known domain too"),
    (
        "01.2",
        lambda before, after: {d: s for d, s in after.items() if s != before.get(d)},
        "got {'hotel': {'area'",
    ),
    ("01.2", new_slots, "Another value is a change"),
    ("01.2", with_empty_domains, "Leave out domains"),
    ("01.2", both_ways, "A slot that is gone"),
    ("01.2", alters_state, "altered its arguments"),
    ("01.2", lambda before, after: {d: after[d] for d in after if before[d] != after[d]}, "KeyError"),
    ("01.3", forgets_quiet_turns, "A turn that changes nothing"),
    ("01.3", lambda states: [list(state) for state in states], "Only what changed counts"),
    ("01.3", one_domain_only, "only those that changed now"),
    ("01.3", lambda states: [[] if not state else next(iter(state)) for state in states], "h., .o., .t"),
    ("01.4", replaces_words, "the place that the span marks"),
    ("01.4", replaces_forward, "offsets of later spans"),
    ("01.4", unsorted_spans, "Spans come in any order"),
    ("01.4", backwards, "before an earlier one has ended"),
    ("01.4", sorts_in_place, "altered the list"),
    ("01.4", no_refusal, "expected a ValueError"),
    ("01.5", lambda ds, who: [len(t.text) for d in ds for t in d.turns if t.speaker == who], "Words are what split"),
    ("01.5", lambda ds, who: [len(t.text.split()) for d in ds for t in d.turns], "both speakers"),
    (
        "01.5",
        lambda ds, who: [sum(len(t.text.split()) for t in d.turns if t.speaker == who) for d in ds],
        "per dialogue",
    ),
    ("01.6", lambda train, test: [d.id for d in test if d.id in {e.id for e in train}], "A copy under a new id"),
    ("01.6", exact_copies, "make no difference"),
    ("01.6", same_openings, "An opening that both share"),
    ("01.6", known_turns, "two different dialogues"),
    ("01.6", any_order, "The order of turns counts"),
    ("01.6", joined, "one by one"),
    ("01.7", lambda ids, loss_mask: [i for i, yes in zip(ids, loss_mask, strict=True) if yes], "one flat list"),
    ("01.7", loses_the_last, "got \\[\\[6, 7\\]\\]"),
    ("01.7", with_gaps, "got \\[\\[\\], \\[6, 7\\]"),
]
