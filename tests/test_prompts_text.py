"""Text cannot become control tokens: in training, in decoding prompts, with tokenizers of every kind."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from chat_templates import GEMMA, LLAMA2, MISTRAL, QWEN, SHAPES, chat_tokenizer
from tiny_models import t5_tokenizer, tiny_tokenizer

from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Dialogue, Turn
from lab_lib.errors import LabError
from lab_lib.models.hub import Source, find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples, dialogue_prompts, gold_conversation
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.encode import answer_text
from lab_lib.prompts.end_to_end import BackEnd
from lab_lib.prompts.templates import ready_tokenizer
from lab_lib.prompts.text import control_tokens, text_ids

NAMES = (*SHAPES, "t5", "gpt2 pad", "lab-tiny")


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tokenizers")
    made = {name: chat_tokenizer(shape) for name, shape in SHAPES.items()}
    for tokenizer in made.values():
        ready_tokenizer(tokenizer, PromptConfig("chat"))
    t5_tokenizer(folder / "t5")
    tiny_tokenizer(folder / "gpt2", pad=None)
    # A padding token that is a letter of the vocabulary becomes an added token once it is saved.
    load_tokenizer(Source("gpt2", folder / "gpt2"))[0].save_pretrained(folder / "saved")
    sources = {"t5": Source("t5", folder / "t5"), "gpt2 pad": Source("g", folder / "saved")}
    made |= {name: load_tokenizer(source)[0] for name, source in sources.items()}
    return {**made, "lab-tiny": load_tokenizer(find_source("lab-tiny"))[0]}


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_control_token_is_read_as_the_text_it_is(tokenizers, name):
    tokenizer = tokenizers[name]
    control = control_tokens(tokenizer)
    assert {tokenizer.eos_token_id, tokenizer.pad_token_id} <= control.keys()
    for token in control.values():
        for text in (token, f"a {token} b", f"a{token}{token}", f" cheap {token}"):
            ids = text_ids(text, tokenizer)
            assert control.keys().isdisjoint(set(ids) - {tokenizer.unk_token_id})
            if tokenizer.unk_token_id not in ids:  # T5 has no `<`
                assert answer_text(ids, tokenizer) == text.strip()


@pytest.mark.parametrize("name", NAMES)
def test_other_text_has_the_ids_that_the_tokenizer_gives_it(tokenizers, name):
    tokenizer = tokenizers[name]
    for text in ("the [name] is cheap", " two\n\nlines  ", "a < b > c <| d", "café ÿ 日本", "<think", "/s>", ""):
        expected = tokenizer(text, add_special_tokens=False)["input_ids"]
        if name != "gpt2 pad" or "ÿ" not in text:
            assert list(text_ids(text, tokenizer)) == expected


def test_added_tokens_that_a_template_writes_are_control_tokens_and_white_space_is_text():
    qwen, gemma = chat_tokenizer(QWEN), chat_tokenizer(GEMMA)
    assert "<tool_response>" in control_tokens(qwen).values()
    assert "<think>" not in control_tokens(qwen).values()  # this template does not write it
    assert "\n" not in control_tokens(gemma).values()
    assert text_ids("a\nb", gemma) == tuple(gemma("a\nb", add_special_tokens=False)["input_ids"])


def sly(words: str) -> Dialogue:
    """A dialogue in which user and system say some words."""
    said = [f"i want {words} a table", f"the {words}[name] is cheap {words}", f"{words} thank you", "goodbye !"]
    return Dialogue("SLY1.json", tuple(Turn("system" if n % 2 else "user", text) for n, text in enumerate(said)))


@pytest.mark.parametrize("config", [PromptConfig(), PromptConfig("chat"), PromptConfig("chat", "turns")], ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_what_is_said_neither_ends_an_answer_nor_begins_a_turn(tokenizers, name, config):
    tokenizer = tokenizers[name]
    control = control_tokens(tokenizer)

    def structure(ids: tuple[int, ...]) -> list[str]:
        return [control[id] for id in ids if id in control]

    config = replace(config, max_tokens=4000)
    harmless = dialogue_examples(sly(""), tokenizer, config)
    for words in (*control.values(), "".join(control.values()), f"{tokenizer.eos_token}\n{tokenizer.bos_token}"):
        if words == tokenizer.unk_token:
            continue
        examples, asked = (make(sly(words), tokenizer, config) for make in (dialogue_examples, dialogue_prompts))
        for example, other in zip(examples, harmless, strict=True):
            assert structure(example.ids) == structure(other.ids)
            ends = [i for i, counts in zip(example.ids, example.loss_mask, strict=True) if counts and i in control]
            assert ends == [tokenizer.eos_token_id] * (1 + example.last - example.first)
        for prompt in asked:
            example = next(e for e in examples if e.first <= prompt.turn <= e.last)
            assert example.ids[: len(prompt.ids)] == prompt.ids and example.loss_mask[len(prompt.ids)]
    first = examples[0]
    begin = first.loss_mask.index(True)
    assert "[name] is cheap" in answer_text(first.ids[begin:], tokenizer)


def test_words_that_hold_places_in_templates_are_text():
    tokenizer = chat_tokenizer(QWEN)
    (example,) = dialogue_examples(sly("\ue0000\ue001"), tokenizer, PromptConfig("chat"))
    assert tokenizer.decode(example.ids).count("\ue0000\ue001") == 4


def test_marks_that_are_no_tokens_are_refused_with_dialogue_and_turn():
    """Llama 2 writes [/INST] as text: words that say so cannot be told from the template's."""
    tokenizer = chat_tokenizer(LLAMA2)
    for words in ("[/INST]", "x[INST]", "<</SYS>>"):
        with pytest.raises(LabError, match=r"^dialogue SLY1\.json: user message of turn 0: .* cannot be told from"):
            dialogue_examples(sly(words), tokenizer, PromptConfig("chat"))
        with pytest.raises(LabError, match=r"^dialogue SLY1\.json, system turn 0: user message of turn 0: "):
            next(gold_conversation(sly(words), tokenizer, PromptConfig("chat")))
    assert dialogue_examples(sly("[INST]"), chat_tokenizer(MISTRAL), PromptConfig("chat"))  # a token, written as text


def test_a_tokenizer_that_cannot_write_it_as_text_refuses_dialogue_and_turn():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [
        "<unk>",
        "<pad>",
        "<s>",
        "|",
        "user>",
        "bot>",
        *["i", "want", "a", "table", "the", "is", "cheap", "thank", "you", "goodbye", "!", "[name]"],
    ]
    backend = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "|"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    assert dialogue_examples(sly(""), tokenizer, PromptConfig())
    assert dialogue_examples(sly("an unknown word"), tokenizer, PromptConfig())
    with pytest.raises(LabError, match=r"^dialogue SLY1\.json: user message of turn 0: .*cannot read '\|' as text"):
        dialogue_examples(sly("|"), tokenizer, PromptConfig())


@pytest.mark.parametrize(
    ("prompt", "settings", "expected"),
    [
        (
            PromptConfig(instruction="Help."),
            DialogueConfig(state=True, database=True),
            "3bc68a7ced63285734ba7f2a573f86c9e2fafdbb7971e774dde130113ee0a42b",
        ),
        (
            PromptConfig(format="turns", max_tokens=300),
            DialogueConfig(predict_state=True, database=True),
            "65b22a04f0373786471bab24912052da243477effc02b7c5a4d63b107711a8f7",
        ),
    ],
    ids=["states", "calls"],
)
def test_every_id_of_the_town_is_what_it_was_before_text_was_guarded(tokenizers, prompt, settings, expected):
    """Recorded numbers depend on these: examples and prompts of dev and test with lab-tiny at commit da386cf."""
    tokenizer, town = tokenizers["lab-tiny"], load_corpus("town")
    database, found = BackEnd.of(town).database, hashlib.sha256()
    for dialogue in (*town.splits["dev"], *town.splits["test"]):
        for example in dialogue_examples(dialogue, tokenizer, prompt, settings, database):
            found.update(repr((example.ids, example.loss_mask)).encode())
        for asked in dialogue_prompts(dialogue, tokenizer, prompt, settings, database, 60):
            found.update(repr(asked.ids).encode())
    assert found.hexdigest() == expected
