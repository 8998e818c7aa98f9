"""The task `skills` with requests that have errors of a recogniser: a share in training, and a row on test."""

from __future__ import annotations

import pytest

from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.prompts.config import PromptConfig
from lab_lib.tasks.skills import SkillsTask
from lab_lib.tasks.skills_config import SkillsConfig
from lab_lib.tasks.skills_spoken import as_heard, as_learned, texts


def task(**settings) -> SkillsTask:
    return SkillsTask(SkillsConfig("skills", **settings), DataConfig("home"), PromptConfig(), DecodeConfig())


def test_a_share_of_the_training_requests_is_learned_as_it_is_heard():
    splits = task().load()
    heard = [as_learned(item, 0.5, 0) for item in splits["train"]]
    changed = [(old, new) for old, new in zip(splits["train"], heard, strict=True) if old != new]
    assert 0.3 < len(changed) / len(heard) < 0.5  # some of the drawn ones do not change
    for old, new in changed:
        assert (new.key, new.call, new.skills) == (old.key, old.call, old.skills)
        words = new.utterance.lower()
        assert all(value.lower().rstrip("?!. ") in words or "," in value for value in texts(old.call)
                   if value.lower() in old.utterance.lower() and value.isalpha()), (old, new)  # fmt: skip
    assert heard == [as_learned(item, 0.5, 0) for item in splits["train"]]
    assert all(as_learned(item, 1.0, 0) == item for item in splits["test"] + splits["dev"])
    assert sum(as_learned(item, 1.0, 1) != as_learned(item, 1.0, 0) for item in splits["train"]) > 300


def test_examples_and_the_spoken_row_read_what_is_heard_and_nothing_else_changes():
    tokenizer, _ = load_tokenizer(find_source("lab-tiny"))
    plain, both = task(), task(spoken=1.0, spoken_test=True)
    assert plain.variants == () and both.variants == ("spoken",) and both.interactive("spoken")
    items = plain.load()["train"][:40]
    for item in items:
        (old,), (new,) = (one.examples(item, tokenizer) for one in (plain, both))
        answers = [[id for id, counts in zip(one.ids, one.loss_mask, strict=True) if counts] for one in (old, new)]
        assert answers[0] == answers[1]
        assert (old == new) == (as_learned(item, 1.0, 0) == item)
    for item in plain.load()["test"][:40]:
        (asked,), (typed,) = (list(both.converse(item, tokenizer, variant)) for variant in ("spoken", ""))
        heard = as_heard(item, 0)
        assert asked.facts == {"heard": heard.utterance} and asked.key == typed.key
        assert next(both.converse(heard, tokenizer)).ids == asked.ids
        assert next(plain.converse(item, tokenizer)).ids == typed.ids


def test_a_share_that_is_none_is_refused():
    with pytest.raises(LabError, match=r"task\.spoken=1\.5: a share of the training requests, between 0 and 1"):
        SkillsConfig("skills", spoken=1.5)
