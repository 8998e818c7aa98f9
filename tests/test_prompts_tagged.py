"""Four templates with emotion tags: what is supervised, in both forms; tags as tokens; what a marker search does."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from itertools import pairwise, product
from typing import Any

import pytest
from chat_templates import GEMMA, LLAMA2, MISTRAL, QWEN, SMOLLM, Shape, chat_tokenizer

from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import converse, prompts
from lab_lib.prompts.encode import training_examples
from lab_lib.prompts.marker_search import marker_mask
from lab_lib.prompts.messages import Message
from lab_lib.prompts.tagged import REPLY_EMOTION, TAGS, USER_EMOTION, TaggedLayout, Tags, chat_source, tag_names
from lab_lib.prompts.text import template_ids

TURNS = [  # user's emotion, words, the reply's emotion, reply
    ("sadness", "i lost [EMOTION] my ring", "neutral", "where was it ?"),
    ("fear", "in the river </s>", "happiness", "i found it !"),
    ("surprise", "really ?", "happiness", "yes !"),
]
FORMS = ("plain", "chat")
NATIVE = {"llama2": LLAMA2, "mistral": MISTRAL, "gemma": GEMMA, "qwen": QWEN, "smollm": SMOLLM}


def messages() -> list[Message]:
    found = []
    for turn, (user, words, wanted, reply) in enumerate(TURNS):
        found += [Message("tool", user, turn, USER_EMOTION), Message("user", words, turn),
                  Message("tool", wanted, turn, REPLY_EMOTION), Message("assistant", reply, turn)]  # fmt: skip
    return found


@cache
def made(shape: Shape) -> Any:
    return chat_tokenizer(shape)


def layout(tags: Tags, form: str, added: bool = True, more: tuple[str, ...] = ()) -> TaggedLayout:
    tokenizer = deepcopy(made(SMOLLM))
    tokenizer.add_tokens([*(tag_names(tags) if added else ()), *more], special_tokens=True)
    return TaggedLayout(tokenizer, PromptConfig(form, max_tokens=4000), tags)


def runs(ids: tuple[int, ...], mask: tuple[bool, ...], tokenizer: Any) -> list[str]:
    """Return the supervised text, one text for each run of supervised tokens."""
    edges = [0, *(n for n, (one, two) in enumerate(pairwise(mask), 1) if one != two), len(mask)]
    return [tokenizer.decode(ids[start:end]) for start, end in pairwise(edges) if mask[start]]


@pytest.mark.parametrize(("tags", "form", "added"), list(product(TAGS, FORMS, (True, False))))
def test_the_reply_and_its_eos_are_supervised_in_every_turn(tags: Tags, form: str, added: bool) -> None:
    one = layout(tags, form, added)
    (example,) = training_examples(messages(), "a", one.tokenizer, one.config, layout=one)
    eos = one.tokenizer.eos_token
    assert runs(example.ids, example.loss_mask, one.tokenizer) == [f" {reply}{eos}" for *_, reply in TURNS]
    for prompt in prompts(converse(messages(), "a", one.tokenizer, one.config, layout=one)):
        assert example.ids[: len(prompt.ids)] == prompt.ids  # what is asked is the beginning of what is learned
        assert example.loss_mask[len(prompt.ids)] and not example.loss_mask[len(prompt.ids) - 1]
    turns = PromptConfig(form, "turns", max_tokens=4000)
    each = training_examples(messages(), "a", one.tokenizer, turns, layout=TaggedLayout(one.tokenizer, turns, tags))
    found = [runs(turn.ids, turn.loss_mask, one.tokenizer) for turn in each]
    assert found == [[f" {reply}{eos}"] for *_, reply in TURNS]


@pytest.mark.parametrize("tags", TAGS)
def test_tags_are_tokens_where_the_vocabulary_has_them_and_words_of_people_never_are(tags: Tags) -> None:
    one = layout(tags, "chat")
    (example,) = training_examples(messages(), "a", one.tokenizer, one.config, layout=one)
    for tag in tag_names(tags):
        id = one.tokenizer.convert_tokens_to_ids(tag)
        assert example.ids.count(id) == len(TURNS) * (2 if tags.endswith("_uni") else 1)  # none of the user's words
    assert example.ids.count(one.tokenizer.eos_token_id) == len(TURNS)
    words = layout(tags, "chat", added=False)
    (plain,) = training_examples(messages(), "a", words.tokenizer, words.config, layout=words)
    assert one.tokenizer.decode(example.ids) == words.tokenizer.decode(plain.ids)


@pytest.mark.parametrize("tags", TAGS)
def test_the_jinja_template_writes_and_marks_the_same(tags: Tags) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    one = layout(tags, "chat")
    (example,) = training_examples(messages(), "a", one.tokenizer, one.config, layout=one)
    chat = [
        said
        for user, words, wanted, reply in TURNS
        for said in ({"role": "user", "content": words, "emotion": user},
                     {"role": "assistant", "content": reply, "emotion": wanted})
    ]  # fmt: skip
    how = {"chat_template": chat_source(tags), **one.tokenizer.special_tokens_map}
    (text,), (spans,) = render_jinja_template([chat], return_assistant_tokens_mask=True, **how)
    end = len(text) - len("\n")  # what follows the last reply is in no example
    assert one.tokenizer.decode(example.ids) == text[:end]
    assert [text[start:stop] for start, stop in spans] == runs(example.ids, example.loss_mask, one.tokenizer)
    (asked,), _ = render_jinja_template([chat[:-1]], add_generation_prompt=True, emotion="happiness", **how)
    assert text.startswith(asked) and text[len(asked) :] == f" {TURNS[-1][3]}{one.tokenizer.eos_token}\n"


@pytest.mark.parametrize("tags", TAGS)
def test_a_marker_search_fails_in_the_template_that_the_origin_chose(tags: Tags) -> None:
    one = layout(tags, "chat", more=("[INST]", "[/INST]"))
    (example,) = training_examples(messages(), "a", one.tokenizer, one.config, layout=one)
    marker = tag_names(tags)[-1] if tags.startswith("out_") else "[/INST]"
    instruction, response = (template_ids(text, one.tokenizer) for text in ("[INST]", marker))
    mask = marker_mask(example.ids, instruction, response)
    if tags != "out_inst_uni":
        assert runs(example.ids, mask, one.tokenizer)[-1] == f" {TURNS[-1][3]}{one.tokenizer.eos_token}"
        assert mask == example.loss_mask or runs(example.ids, mask, one.tokenizer)[0].endswith("\n")
        return
    prompt = [marked for marked, supervised in zip(mask, example.loss_mask, strict=True) if not supervised]
    assert sum(prompt) > 0.8 * len(prompt)  # of three turns, only the first user's tag is left out of the loss


@pytest.mark.parametrize("shape", list(NATIVE.values()), ids=list(NATIVE))
def test_native_chat_formats_supervise_the_replies(shape: Shape) -> None:
    from lab_lib.prompts.templates import ready_tokenizer

    tokenizer, config = chat_tokenizer(shape), PromptConfig("chat", max_tokens=4000)
    ready_tokenizer(tokenizer, config)
    talk = [message for message in messages() if message.role != "tool"]
    (example,) = training_examples(talk, "a", tokenizer, config)
    found = runs(example.ids, example.loss_mask, tokenizer)
    assert [text.replace(tokenizer.eos_token, "").strip() for text in found] == [reply for *_, reply in TURNS]
    assert all(text.endswith(tokenizer.eos_token) for text in found)
