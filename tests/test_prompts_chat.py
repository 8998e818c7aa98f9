"""Prompts in the tokenizer's own chat template: shapes of well-known models, what they refuse, what is supervised."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from chat_templates import GEMMA, LLAMA2, MISTRAL, PHI, QWEN, QWEN3, SHAPES, SMOLLM, Shape, chat_tokenizer

from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import converse, prompts
from lab_lib.prompts.dialogue import dialogue_examples, dialogue_messages, gold_conversation
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.encode import Example, Prompt, answer_text, training_examples
from lab_lib.prompts.end_to_end import BackEnd, converse_end_to_end
from lab_lib.prompts.messages import Message
from lab_lib.prompts.templates import ready_tokenizer
from lab_lib.training.batches import to_rows

CHAT = PromptConfig("chat", instruction="Help.", max_tokens=4000)
TURNS = replace(CHAT, format="turns")
USER, ASSISTANT = "user", "assistant"
PLAIN_TALK = [
    Message(USER, "i want a cheap restaurant", 0),
    Message(ASSISTANT, "the [name] is cheap .", 0),
    Message(USER, "thank you", 1),
    Message(ASSISTANT, "goodbye !", 1),
]
STEPS = [
    Message("system", "Help.", 0),
    Message(USER, "i want a table", 0),
    Message("tool", "area=north", 0, "state"),
    Message(ASSISTANT, "offer name", 0, "plan"),
    Message(ASSISTANT, "the [name] ?", 0),
    Message("tool", "kettle", 1, "named"),
    Message(USER, "book it", 1),
    Message(ASSISTANT, "book()", 1, "call"),
    Message("tool", "1, booked", 1, "found"),
    Message(ASSISTANT, "goodbye !", 1),
]


@cache
def town() -> Corpus:
    return load_corpus("town")


@cache
def ready(shape: Shape) -> Any:
    tokenizer = chat_tokenizer(shape)
    ready_tokenizer(tokenizer, CHAT)
    return tokenizer


def supervised(example: Example, tokenizer: Any) -> list[str]:
    """What is supervised, one text an answer."""
    answers, last = list[list[int]](), False
    for id, counts in zip(example.ids, example.loss_mask, strict=True):
        if counts:
            answers += [[]] if not last else []
            answers[-1].append(id)
        last = counts
    return [tokenizer.decode(ids) for ids in answers]


def assert_prefixes(examples: list[Example], asked: list[Prompt]) -> None:
    """Each prompt is the beginning of an example, and the next token is the first supervised one."""
    assert asked
    for prompt in asked:
        size = len(prompt.ids)
        (example,) = [e for e in examples if e.first <= prompt.turn <= e.last]
        assert example.ids[:size] == prompt.ids and example.loss_mask[size] and not example.loss_mask[size - 1]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("config", [CHAT, TURNS], ids=["dialogues", "turns"])
@pytest.mark.parametrize(
    "settings",
    [
        DialogueConfig(),
        DialogueConfig(state=True, database=True),
        DialogueConfig(predict_state=True, database=True),
        DialogueConfig(plan=True),
    ],
    ids=["replies", "states", "calls", "plans"],
)
def test_prompts_are_the_beginnings_of_examples_and_answers_are_supervised_to_their_end(shape, config, settings):
    tokenizer, database = ready(shape), BackEnd.of(town()).database
    for dialogue in town().splits["dev"][:3]:
        examples = dialogue_examples(dialogue, tokenizer, config, settings, database)
        asked = list(gold_conversation(dialogue, tokenizer, config, settings, database))
        assert_prefixes(examples, asked)
        written = [m.text for m in dialogue_messages(dialogue, config, settings, database) if m.supervised]
        said = [text for example in examples for text in supervised(example, tokenizer)]
        assert [text.strip() for text in said] == [f"{text}{_gap(shape)}{shape.end}" for text in written]
        assert len(asked) == len(written)
        to_rows(examples, tokenizer.eos_token_id)  # every example ends with a supervised EOS


def _gap(shape: Shape) -> str:
    """What the template writes between an answer and its end."""
    return " " if shape is LLAMA2 else ""


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_token_ids_are_those_of_the_tokenizer_s_own_rendering(shape):
    tokenizer = ready(shape)
    (example,) = training_examples(PLAIN_TALK, "k", tokenizer, CHAT)
    own = tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.text} for message in PLAIN_TALK], return_dict=False
    )
    assert list(example.ids) == own[: len(example.ids)] and len(own) - len(example.ids) <= 2
    (first, _) = prompts(converse(PLAIN_TALK, "k", tokenizer, CHAT))
    talk = [{"role": USER, "content": PLAIN_TALK[0].text}]
    assert list(first.ids) == tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_dict=False)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (
            LLAMA2,
            "<s> [INST] <<SYS>>\nHelp.\n<</SYS>>\n\ni want a table\n\nstate: area=north [/INST] offer name </s>"
            "<s> [INST] Continue. [/INST] the [name] ? </s><s> [INST] named: kettle\n\nbook it [/INST] book() </s>"
            "<s> [INST] found: 1, booked [/INST] goodbye ! </s>",
        ),
        (
            GEMMA,
            "<s><start_of_turn> user\n Help.\n\n i want a table\n\n state: area=north<end_of_turn>\n"
            "<start_of_turn> model\n offer name<end_of_turn>\n<start_of_turn> user\n Continue.<end_of_turn>\n"
            "<start_of_turn> model\n the [name] ?<end_of_turn>\n"
            "<start_of_turn> user\n named: kettle\n\n book it<end_of_turn>\n"
            "<start_of_turn> model\n book()<end_of_turn>\n"
            "<start_of_turn> user\n found: 1, booked<end_of_turn>\n<start_of_turn> model\n goodbye !<end_of_turn>",
        ),
        (
            PHI,
            "<|system|>\nHelp.<|end|>\n<|user|>\ni want a table<|end|>\n<|user|>\nstate: area=north<|end|>\n"
            "<|assistant|>\noffer name<|end|>\n<|assistant|>\nthe [name] ?<|end|>\n"
            "<|user|>\nnamed: kettle<|end|>\n<|user|>\nbook it<|end|>\n<|assistant|>\nbook()<|end|>\n"
            "<|user|>\nfound: 1, booked<|end|>\n<|assistant|>\ngoodbye !<|end|>",
        ),
        (
            SMOLLM,
            "<|im_start|>system\nHelp.<|im_end|>\n<|im_start|>user\ni want a table<|im_end|>\n"
            "<|im_start|>tool\nstate: area=north<|im_end|>\n<|im_start|>assistant\noffer name<|im_end|>\n"
            "<|im_start|>assistant\nthe [name] ?<|im_end|>\n<|im_start|>tool\nnamed: kettle<|im_end|>\n"
            "<|im_start|>user\nbook it<|im_end|>\n<|im_start|>assistant\nbook()<|im_end|>\n"
            "<|im_start|>tool\nfound: 1, booked<|im_end|>\n<|im_start|>assistant\ngoodbye !<|im_end|>",
        ),
    ],
    ids=["llama2", "gemma", "phi", "smollm"],
)
def test_messages_are_told_in_the_roles_that_the_template_knows(shape, text):
    """No system role, no tool role, turns that must alternate: see the docstring of prompts/chat.py."""
    tokenizer = ready(shape)
    (example,) = training_examples(STEPS, "k", tokenizer, CHAT)
    assert tokenizer.decode(example.ids) == text
    assert_prefixes([example], list(converse(STEPS, "k", tokenizer, CHAT)))


@pytest.mark.parametrize("shape", [LLAMA2, MISTRAL, QWEN], ids=["llama2", "mistral", "qwen"])
def test_an_assistant_that_speaks_first_is_asked_to_where_it_must_be(shape):
    tokenizer = ready(shape)
    (example,) = training_examples([Message(ASSISTANT, "welcome", 0), *PLAIN_TALK[2:]], "k", tokenizer, CHAT)
    assert "Continue." in tokenizer.decode(example.ids)  # no template writes an answer to nothing
    assert len(supervised(example, tokenizer)) == 2


# Templates that write earlier messages anew


REWRITING = {
    "drops what was thought": QWEN3,
    "trims earlier spaces": replace(
        SMOLLM,
        template="{% for m in messages %}{% set space = ' ' if loop.last and m.role == 'assistant' else '' %}"
        "{{ '<|im_start|>' + m.role + '\\n' + m.content + space + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    ),
    "system before the last user": replace(
        MISTRAL,
        template="{{ bos_token }}{% set s = messages[0].content if messages[0].role == 'system' else '' %}"
        "{% set said = messages[1:] if s else messages %}{% for m in said %}"
        "{% if m.role == 'user' %}{{ '[INST]' }}{{ s if m == (said | selectattr('role', 'equalto', 'user') | list)[-1]"
        " else '' }}{{ m.content + '[/INST]' }}{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}",
    ),
}


@pytest.mark.parametrize("shape", REWRITING.values(), ids=REWRITING)
def test_a_template_that_rewrites_is_refused_with_the_way_out_which_works(shape):
    tokenizer = ready(shape)
    messages = [Message("system", "Help.", 0), *PLAIN_TALK]
    with pytest.raises(
        LabError, match=r"^dialogue D1: .*changes earlier.*use prompt\.format=turns: one example per turn$"
    ):
        training_examples(messages, "d1", tokenizer, CHAT, "dialogue D1")
    with pytest.raises(LabError, match=r"^dialogue D1, system turn 1: .*prompt\.format=turns"):
        list(converse(messages, "d1", tokenizer, CHAT, name="dialogue D1"))
    examples = training_examples(messages, "d1", tokenizer, TURNS)
    assert_prefixes(examples, list(converse(messages, "d1", tokenizer, TURNS)))
    for example, size in zip(examples, (3, 5), strict=True):  # each example is rendered on its own
        chat = [{"role": message.role, "content": message.text} for message in messages[:size]]
        own = tokenizer.apply_chat_template(chat, return_dict=False, enable_thinking=False)
        assert list(example.ids) == own[: len(example.ids)]


def test_thoughts_in_texts_are_dropped_from_the_history_as_the_template_does():
    """A template that looks into the text: what it cuts is text here, not a token."""
    cutting = "(m.content if loop.last else m.content.split('/think')[-1])"
    template = SMOLLM.template.replace("message.content", cutting.replace("m.", "message."))
    tokenizer = ready(replace(SMOLLM, template=template))
    talk = [PLAIN_TALK[0], Message(ASSISTANT, "cheap /think the [name]", 0), *PLAIN_TALK[2:]]
    with pytest.raises(LabError, match=r"prompt\.format=turns"):
        training_examples(talk, "k", tokenizer, CHAT)
    first, second = training_examples(talk, "k", tokenizer, TURNS)
    assert "cheap /think the [name]" in tokenizer.decode(first.ids)
    assert "/think" not in tokenizer.decode(second.ids)


def test_what_one_example_a_turn_does_not_help_is_refused_with_another_way_out():
    steps = [*STEPS[:2], *STEPS[3:5]]  # an answer of two steps
    for config in (CHAT, TURNS):
        with pytest.raises(LabError, match=r"changes earlier.*use prompt\.template=plain"):
            training_examples(steps, "k", ready(REWRITING["trims earlier spaces"]), config)
    asking = SMOLLM.template.replace("{{ '<|im_start|>assistant\\n' }}", "{{ '<|im_start|>bot\\n' }}")
    with pytest.raises(LabError, match=r"use prompt\.template=plain"):
        training_examples(PLAIN_TALK, "k", ready(replace(SMOLLM, template=asking)), CHAT)


# Generation markers


def marked(inside: str, before: str = "") -> Shape:
    """ChatML whose answers are marked: `inside` is what the markers enclose."""
    return replace(
        SMOLLM,
        template="{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}"
        + before
        + "{% generation %}{{ "
        + inside
        + " }}{% endgeneration %}{{ '\\n' }}{% else %}{{ m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    )


def test_generation_markers_say_where_the_supervised_part_begins():
    tokenizer = ready(marked("m.content + '<|im_end|>'"))
    (example,) = training_examples(PLAIN_TALK, "k", tokenizer, CHAT)
    assert supervised(example, tokenizer) == ["the [name] is cheap .<|im_end|>", "goodbye !<|im_end|>"]
    assert_prefixes([example], list(converse(PLAIN_TALK, "k", tokenizer, CHAT)))
    chat = [{"role": message.role, "content": message.text} for message in PLAIN_TALK]
    own = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    size = len(example.ids)
    assert list(example.ids) == own["input_ids"][:size]
    assert [int(counts) for counts in example.loss_mask] == own["assistant_masks"][:size]

    tokenizer = ready(marked("m.content + '<|im_end|>'", "{{ 'so: ' }}"))  # written, and not supervised
    (example,) = training_examples(PLAIN_TALK, "k", tokenizer, CHAT)
    assert supervised(example, tokenizer) == ["the [name] is cheap .<|im_end|>", "goodbye !<|im_end|>"]
    for prompt in converse(PLAIN_TALK, "k", tokenizer, CHAT):
        assert example.ids[: len(prompt.ids)] == prompt.ids


def test_markers_that_leave_out_an_answer_are_refused_and_the_end_is_always_supervised():
    outside = marked(
        "m.content + '<|im_end|>'", "{% if m.content == 'goodbye !' %}goodbye !<|im_end|>{% else %}"
    ).template
    some = outside.replace("{% endgeneration %}", "{% endgeneration %}{% endif %}")
    with pytest.raises(LabError, match="leave out an answer"):
        training_examples(PLAIN_TALK, "k", ready(replace(SMOLLM, template=some)), CHAT)
    endless = marked("m.content").template.replace("{% endgeneration %}", "{% endgeneration %}<|im_end|>")
    tokenizer = ready(replace(SMOLLM, template=endless))
    (example,) = training_examples(PLAIN_TALK, "k", tokenizer, CHAT)
    assert supervised(example, tokenizer) == ["the [name] is cheap .<|im_end|>", "goodbye !<|im_end|>"]


# Conversations and truncation


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("config", [CHAT, TURNS], ids=["dialogues", "turns"])
def test_a_conversation_keeps_the_tokens_of_its_own_answers(shape, config):
    tokenizer = ready(shape)
    talk = converse(PLAIN_TALK, "k", tokenizer, config)
    first = next(talk)
    own = [*tokenizer("kettle ?", add_special_tokens=False)["input_ids"][::-1], tokenizer.eos_token_id]  # any tokens
    second = talk.send(own)
    assert second.ids[: len(first.ids) + len(own)][-len(own) :] == tuple(own) or shape.kind == "pieces"
    assert _holds(second.ids, own[:-1]) and "thank you" in tokenizer.decode(second.ids)
    assert "[name]" not in tokenizer.decode(second.ids)


def _holds(ids: tuple[int, ...], part: list[int]) -> bool:
    return any(list(ids[n : n + len(part)]) == part for n in range(len(ids)))


def test_calls_are_written_and_answered_in_a_chat_template():
    tokenizer, back_end = ready(QWEN), BackEnd.of(town())
    settings = DialogueConfig(predict_state=True, database=True)
    talk = converse_end_to_end(town().splits["dev"][0], tokenizer, CHAT, settings, back_end, own_replies=True)
    next(talk)
    call = [*tokenizer('find_hotel(area="north")', add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    prompt = talk.send(call)
    assert prompt.facts["state"] == {"hotel": {"area": "north"}}
    assert tokenizer.decode(prompt.ids).endswith(
        'find_hotel(area="north")<|im_end|>\n<|im_start|>user\n<tool_response>\nfound: hotel '
        f"{len(back_end.database.query('hotel', {'area': 'north'}))}\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("shape", [LLAMA2, GEMMA, QWEN], ids=["llama2", "gemma", "qwen"])
def test_truncation_drops_whole_turns_and_keeps_the_instruction_where_the_template_writes_it(shape):
    tokenizer = ready(shape)
    talk = [Message("system", "Help.", 0)]
    for turn in range(6):
        talk += [Message(USER, f"i want {turn}", turn), Message(ASSISTANT, f"the {turn} is cheap", turn)]
    (whole,) = training_examples(talk, "k", tokenizer, CHAT)
    short = replace(CHAT, max_tokens=len(whole.ids) // 2)
    windows = training_examples(talk, "k", tokenizer, short)
    assert len(windows) > 1 and all(len(example.ids) <= short.max_tokens for example in windows)
    assert [text for e in windows for text in supervised(e, tokenizer)[e.first - e.last - 1 :]] == supervised(
        whole, tokenizer
    )
    *_, last = prompts(converse(talk, "k", tokenizer, short, room=9))
    text = tokenizer.decode(last.ids)
    assert len(last.ids) <= short.max_tokens - 9 and last.dropped_turns > 0
    assert text.count("Help.") == 1 and f"want {last.dropped_turns}" in text and "want 0" not in text


def test_one_long_user_message_is_cut_from_the_left_inside_its_message():
    tokenizer = ready(LLAMA2)
    talk = [Message("system", "Help.", 0), Message(USER, "a b " * 90 + "book it", 0), Message(ASSISTANT, "yes", 0)]
    (example,) = training_examples(talk, "k", tokenizer, replace(CHAT, max_tokens=90))
    assert len(example.ids) <= 90 and example.cut_tokens > 0
    text = tokenizer.decode(example.ids)
    assert text.startswith("<s> [INST] <<SYS>>\nHelp.\n<</SYS>>\n\n") and text.endswith("b book it [/INST] yes </s>")
    with pytest.raises(LabError, match=r"item k: .*more than prompt\.max_tokens"):
        training_examples(talk, "k", tokenizer, replace(CHAT, max_tokens=20))


# Tokenizers


def test_the_end_of_a_turn_becomes_the_tokenizer_s_eos():
    tokenizer = chat_tokenizer(GEMMA)
    assert ready_tokenizer(tokenizer, PromptConfig()) is None and tokenizer.eos_token == "<eos>"
    assert "<end_of_turn>" in str(ready_tokenizer(tokenizer, CHAT))
    assert tokenizer.eos_token == "<end_of_turn>" and ready_tokenizer(tokenizer, CHAT) is None
    other = chat_tokenizer(GEMMA)  # examples and prompts see to it by themselves
    assert training_examples(PLAIN_TALK, "k", other, CHAT)[0].ids[-1] == other.eos_token_id
    own = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert answer_text([*tokenizer("yes", add_special_tokens=False)["input_ids"], own], tokenizer) == "yes"


def test_a_saved_tokenizer_gives_the_same_examples(tmp_path):
    for name, shape in SHAPES.items():
        saved = chat_tokenizer(shape, tmp_path / name)
        ready_tokenizer(saved, CHAT)
        assert training_examples(STEPS, "k", saved, CHAT) == training_examples(STEPS, "k", ready(shape), CHAT)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template"),
        ("{{ messages[0].content }}", "does not write a chat of user, assistant, user"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "no token at the end of an answer"),
        ("{% for m in messages %}{{ m.content.nothing() }}{% endfor %}", "does not write a chat"),
    ],
)
def test_templates_that_cannot_be_used_are_refused_in_one_line(template, message):
    tokenizer = chat_tokenizer(replace(SMOLLM, template=template))
    with pytest.raises(LabError, match=message):
        ready_tokenizer(tokenizer, CHAT)
    with pytest.raises(LabError, match=message):
        training_examples(PLAIN_TALK, "k", tokenizer, CHAT)


def test_what_a_chat_template_cannot_do_is_refused_in_the_recipe():
    for changes in ({"learn": "all"}, {"format": "pairs"}):
        with pytest.raises(LabError, match=r"needs prompt\.template=plain"):
            PromptConfig("chat", **changes)
