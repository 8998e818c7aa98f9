"""Whole dialogues from nothing: their form by token ids, wished lengths, and sampling that no batch can change."""

from __future__ import annotations

import json

import pytest
from tiny_models import tiny_llama, tiny_t5, tiny_tokenizer

from lab_lib.decoding.sampling import GumbelNoise, row_seed
from lab_lib.errors import LabError
from lab_lib.free.dialogue import FreeDialogue, FreeTurn, Marks, from_row, parse
from lab_lib.free.generate import Ask, FreeConfig, Growing, batches, choose, generate_free

BOS, EOS = "<s>", "</s>"
DIALOGUE = f"user> hi\nstate> hotel stars=4\nbot> which one ?{EOS}\nuser> any\nbot> goodbye{EOS}\n{EOS}"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_llama(tmp_path_factory.mktemp("model"))
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def ids(text: str, tokenizer) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def grown(text: str, tokenizer, start: str = BOS, wished: int | None = None, forced: bool = False) -> Growing:
    """A dialogue to which the tokens of a text were given one by one, as long as it goes on."""
    row = Growing(Ask("d", tuple(ids(start, tokenizer)), wished, forced), Marks.of(tokenizer))
    for token in ids(text, tokenizer):
        if not row.ended:
            row.add(token)
    return row


def test_a_dialogue_ends_where_eos_or_bos_stands_for_a_new_line(tokenizer):
    row = grown(DIALOGUE + "user> lost", tokenizer)
    assert row.ended == "itself" and row.turns == 4
    assert tokenizer.decode(row.ids) == DIALOGUE.removesuffix(EOS)
    assert grown(DIALOGUE.removesuffix(EOS) + BOS, tokenizer).ended == "itself"  # how lab-tiny's pretraining ends them
    assert grown(f"user> hi\nbot> bye{EOS}{EOS}", tokenizer).ended == "itself"  # without a line break between
    assert not grown(f"user> hi\nbot> bye{EOS}\n", tokenizer).ended


def test_the_turns_are_read_by_token_ids(tokenizer):
    row = grown(DIALOGUE, tokenizer)
    turns, told, stray = parse(row.ids, row.ask.start, row.marks, tokenizer)
    assert turns == (
        FreeTurn("user", "hi"),
        FreeTurn("system", "which one ?", ("state> hotel stars=4",)),
        FreeTurn("user", "any"),
        FreeTurn("system", "goodbye"),
    )
    assert told is None and stray == ()


def test_instruction_stray_and_unfinished_lines(tokenizer):
    start = ids(f"{BOS}task> 2 turns.\n", tokenizer)
    said = ids(f"user> a bot> b\nwho is this\nbot> c{EOS}\nuser> never fini", tokenizer)
    turns, told, stray = parse(said, start, Marks.of(tokenizer), tokenizer)
    # `bot>` inside a user's line is the user's text; a line of nobody is kept apart; one without an end is left out.
    assert [(turn.speaker, turn.text) for turn in turns] == [("user", "a bot> b"), ("system", "c")]
    assert told == "2 turns." and stray == ("who is this",)


def test_without_bos_the_first_prefix_is_given_and_belongs_to_the_first_line(tokenizer):
    start = ids("user>", tokenizer)
    row = Growing(Ask("d", tuple(start)), Marks.of(tokenizer))
    for token in ids(f" hi\nbot> bye{EOS}", tokenizer):
        row.add(token)
    turns, _, _ = parse(row.ids, start, row.marks, tokenizer)
    assert [turn.text for turn in turns] == ["hi", "bye"] and row.turns == 2


@pytest.mark.parametrize(
    ("text", "wished", "forced", "refused"),
    [
        ("", None, False, True),  # an empty dialogue is none
        ("user> hi\n", None, False, False),
        (f"user> hi\nbot> bye{EOS}\n", 4, True, True),
        (f"user> hi\nbot> bye{EOS}", 4, True, True),
        (f"user> hi\nbot> bye{EOS}\n", 4, False, False),  # told, not held to it
        (f"user> hi\nbot> bye{EOS}\nuser> and", 4, True, False),  # inside a line EOS ends the line
    ],
)
def test_where_an_end_is_refused(text, wished, forced, refused, tokenizer):
    row = grown(text, tokenizer, wished=wished, forced=forced)
    assert row.may_not_end is refused
    import torch

    config = FreeConfig(top_p=1.0)
    logits = torch.full((1, 320), -50.0)
    logits[0, tokenizer.eos_token_id], logits[0, 9] = 50.0, 0.0
    token = choose(logits, [row], GumbelNoise([1]), config).item()
    assert token == (9 if refused else tokenizer.eos_token_id)


def drawn(text: str, tokenizer, wished: int, forced: bool, countdown: tuple[str, ...] = ()) -> Growing:
    """A dialogue for which a model draws the tokens of a text, one each time it is asked."""
    import torch

    given = tuple(tuple(ids(line, tokenizer)) for line in countdown)
    row = Growing(Ask("d", (1,), wished, forced, given), Marks.of(tokenizer))
    script = ids(text, tokenizer)
    while script and not row.ended:
        logits = torch.full((1, 320), -9.0)
        logits[0, script[0]] = 9.0
        choose(logits, [row], GumbelNoise([1]), FreeConfig())
        if not row.ended:
            asked = not row.given
            row.take(script[0])
            if asked and (not row.given or script[0] == tokenizer.eos_token_id):  # else a line was put before it
                script.pop(0)
    return row


def test_a_forced_dialogue_is_stopped_at_the_wish_and_keeps_how_likely_the_end_was(tokenizer):
    row = drawn(f"user> hi\nbot> bye{EOS}user> more\nbot> no{EOS}", tokenizer, wished=2, forced=True)
    assert row.ended == "stopped" and row.turns == 2 and row.end_share < 0.01
    assert tokenizer.decode(row.ids) == f"user> hi\nbot> bye{EOS}\n"
    likely = drawn(f"user> hi\nbot> bye{EOS}{EOS}", tokenizer, wished=2, forced=True)
    assert likely.ended == "stopped" and likely.end_share > 0.99


def test_the_countdown_is_written_for_the_model_until_it_ends_the_dialogue(tokenizer):
    said = f"user> a\nbot> b{EOS} c\nbot> d{EOS} e\nbot> f{EOS}{EOS}"
    row = drawn(said, tokenizer, wished=6, forced=False, countdown=("left> 4\n", "left> 2\n"))
    assert tokenizer.decode(row.ids) == (
        f"user> a\nbot> b{EOS}\nleft> 4\nuser> c\nbot> d{EOS}\nleft> 2\nuser> e\nbot> f{EOS}\n"
    )
    assert row.ended == "itself" and row.turns == 6
    early = drawn(f"user> a\nbot> b{EOS}{EOS}", tokenizer, wished=6, forced=False, countdown=("left> 4\n",))
    assert early.ended == "itself" and early.turns == 2 and "left" not in tokenizer.decode(early.ids)
    longer = drawn(said, tokenizer, wished=4, forced=False, countdown=("left> 2\n",))
    assert longer.ended == "itself" and longer.turns == 6  # told is not held


@pytest.mark.parametrize(
    ("turns", "stray", "right"),
    [
        ((("user", "a"), ("system", "b")), (), True),
        ((("user", "a"), ("system", "b")), ("x",), False),
        ((("system", "b"), ("user", "a")), (), False),
        ((("user", "a"), ("user", "a"), ("system", "b")), (), False),
        ((("user", ""), ("system", "b")), (), False),
        ((("user", "a"),), (), False),
        ((), (), False),
    ],
)
def test_what_is_well_formed(turns, stray, right):
    made = FreeDialogue("d", None, tuple(FreeTurn(*turn) for turn in turns), "itself", 3, stray=stray)
    assert made.well_formed is right


def test_a_row_of_the_file_reads_back_and_another_is_refused():
    made = FreeDialogue("d", 4, (FreeTurn("user", "é"), FreeTurn("system", "b", ("state> x",))), "cut", 9, "4 turns.")
    row = json.loads(json.dumps(made.as_row()))
    assert from_row(row, "f") == made
    with pytest.raises(LabError, match="f: line 3: expected a generated dialogue"):
        from_row({"dialogue": "d"}, "f: line 3")


def asks(count: int) -> list[Ask]:
    return [Ask(f"free-{n}", (1, 60 + n % 2)) for n in range(count)]


def test_batches_hold_only_dialogues_that_begin_alike():
    sizes = [[ask.key for ask in batch] for batch in batches(sorted(asks(5), key=lambda ask: ask.start), 2)]
    assert sizes == [["free-0", "free-2"], ["free-4"], ["free-1", "free-3"]]


def test_dialogues_do_not_depend_on_the_batch_and_do_on_the_seed(loaded):
    config = FreeConfig(max_tokens=40, temperature=1.2)

    def written(**changes) -> dict[str, FreeDialogue]:
        from dataclasses import replace

        return {d.key: d for d in generate_free(*loaded, asks(7), replace(config, **changes))}

    alone = written(batch_size=1)
    assert written(batch_size=3) == alone and written(batch_size=32) == alone
    assert len({(d.turns, d.stray, d.tokens) for d in alone.values()}) > 1
    other = written(seed=1)
    assert other != alone and other.keys() == alone.keys()


def test_the_tokens_are_those_of_a_plain_loop_without_cache(loaded):
    """Sampling by hand: the whole text is read anew for every token, the noise is that of the dialogue."""
    import torch

    model, tokenizer = loaded
    config, ask, rows = FreeConfig(max_tokens=30, top_p=0.8, top_k=50), asks(2)[1], []
    noise = GumbelNoise([row_seed(0, ask.key, 0)])
    text = list(ask.start)
    row = Growing(ask, Marks.of(tokenizer))
    while len(text) < 30 and not row.ended:
        with torch.no_grad():
            logits = model(torch.tensor([text])).logits[:, -1].float()
        token = choose(logits, [row], noise, config).item()
        row.add(token)
        text.append(token)
        rows.append(token)
    from lab_lib.free.generate import write

    (made,) = write(model, [Growing(ask, Marks.of(tokenizer))], config)
    assert made.ids == row.ids and len(made.ids) > 5


def test_what_is_done_is_passed_over_and_counted(loaded):
    told: list[int] = []
    config = FreeConfig(max_tokens=12, batch_size=2)
    made = list(generate_free(*loaded, asks(5), config, {"free-0", "free-3"}, told.append))
    assert {d.key for d in made} == {"free-1", "free-2", "free-4"} and sum(told) == 5
    assert all(d.ended == "cut" for d in made if d.tokens == 10)


def test_an_encoder_decoder_is_refused(tmp_path):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = tiny_t5(tmp_path)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with pytest.raises(LabError, match="free generation needs a decoder-only model"):
        next(generate_free(model, tokenizer, asks(1), FreeConfig()))


def test_impossible_settings_are_refused():
    with pytest.raises(LabError, match="temperature must be above 0"):
        FreeConfig(temperature=0).decoding()
