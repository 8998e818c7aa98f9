"""`lab generate` from the command line: file, report and pictures, going on, refusals, and the figures' meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lab
from tiny_corpus import write_tiny_corpus

from lab_lib.corpora.types import Dialogue, Turn
from lab_lib.errors import LabError
from lab_lib.files import read_json, read_jsonl
from lab_lib.free.dialogue import FreeDialogue, FreeTurn
from lab_lib.free.run import Order, Writer, beginning_of, find_writer, settle
from lab_lib.free.scores import choose_judge, groups, refuse_itself, score_group, wishes_met
from lab_lib.models.config import ModelConfig
from lab_lib.models.hub import BUNDLED
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.runs.config import DataConfig
from lab_lib.tasks.splits import Splits

SMALL = ["training.steps=2", "training.batch_size=2", "training.micro_batch_size=2", "training.save_every=2"]
FIGURES = ["real", "random turns", "generated"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the recipe, learnt from two dialogues in two steps: enough to write something."""
    folder = tmp_path_factory.mktemp("free")
    corpus = write_tiny_corpus(folder / "corpus")
    done = lab("train", "free-town-cpu", f"data.corpus={corpus}", *SMALL, "--out", folder / "run")
    assert done == 0
    return folder / "run"


def test_a_run_writes_dialogues_of_wished_lengths_and_a_report(run: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "free.jsonl"
    assert lab("generate", run, "-n", 2, "--turns", "2,4", "--force", "--out", out) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    assert "length     forced" in printed.err and "judge: lab-tiny" in printed.err and "user> " in printed.err
    rows = read_jsonl(out)
    assert [row["dialogue"] for row in rows] == ["free-02-0000", "free-02-0001", "free-04-0000", "free-04-0001"]
    notes = [[note for turn in row["turns"] for note in turn["notes"]] for row in rows]
    assert notes[:2] == [["left> 2"]] * 2 and [n[:1] for n in notes[2:]] == [["left> 4"]] * 2
    assert all(row["ended"] == "cut" or 0 <= row["end_share"] <= 1 for row in rows)
    report = read_json(tmp_path / "free.report.json")
    assert list(report["scores"]) == FIGURES
    judged = [report["scores"][name]["perplexity"] for name in FIGURES]
    assert all(p["per_word"] > p["per_token"] > 1 and p["unread"] == 0 for p in judged)
    assert report["scores"]["random turns"]["copies"]["utterances"] == 100
    assert [row["wished"] for row in report["wishes"]] == [2, 4]
    assert (tmp_path / "free.lengths.png").read_bytes().startswith(b"\x89PNG")


def test_more_dialogues_and_other_batches_leave_the_first_ones_as_they_were(run: Path, tmp_path: Path, capsys) -> None:
    out, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    options = ["generate", run, "--turns", 2, "--force", "--judge", "none"]
    assert lab(*options, "-n", 1, "--out", out) == 0
    first = read_jsonl(out)
    assert lab(*options, "-n", 3, "--batch-size", 2, "--out", out) == 0
    assert read_jsonl(out)[:1] == first and len(read_jsonl(out)) == 3
    assert lab(*options, "-n", 3, "--batch-size", 1, "--out", other) == 0
    assert read_jsonl(other) == read_jsonl(out)
    assert lab(*options, "-n", 1, "--seed", 1, "--out", out) == 2
    assert "was made with seed=0, not 1; choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["1\n", "{}\n", '{"dialogue": ["free"]}\n'])
def test_a_line_of_json_that_is_no_row_is_made_again_or_named(run: Path, tmp_path: Path, capsys, line: str) -> None:
    out = tmp_path / "free.jsonl"
    options = ["generate", run, "--turns", 2, "--force", "--judge", "none", "--out", out, "-n", 1]
    out.with_name("free.jsonl.partial").write_text(line)
    assert lab(*options) == 0 and len(read_jsonl(out)) == 1
    out.write_text(out.read_text() + line)
    assert lab(*options) == 2 and "free.jsonl: row 2: expected a generated dialogue" in capsys.readouterr().err


def test_a_killed_call_goes_on_where_it_was(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "free.jsonl"
    options = ["generate", run, "--turns", 2, "--force", "--judge", "none", "--out", out]
    assert lab(*options, "-n", 2) == 0
    rows = read_jsonl(out)
    whole = out.read_text()
    # As a killed process leaves it: no file yet, a complete row (marked here) and half of another.
    marked = whole.split("\n")[0].replace(rows[0]["turns"][0]["text"], "kept")
    (tmp_path / "free.jsonl.partial").write_text(f"{marked}\n{whole[:40]}")
    out.unlink()
    assert lab(*options, "-n", 2) == 0
    again = read_jsonl(out)
    assert again[0]["turns"][0]["text"] == "kept" and again[1] == rows[1]
    assert not (tmp_path / "free.jsonl.partial").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--turns", "3"], "--turns 3: a dialogue consists of pairs"),
        (["--turns", "four"], "--turns four: expected whole numbers"),
        (["-n", "0"], "--n: at least 1"),
        (["--force"], "--force enforces"),
        (["--temperature", "0"], "temperature must be above 0"),
        (["--judge", "lab-tiny"], "--judge lab-tiny: it wrote the dialogues itself"),
        (["--corpus", "villag"], "no corpus and no folder is called 'villag'"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_written(options, message, tmp_path: Path, capsys) -> None:
    assert lab("generate", "lab-tiny", *options, "--out", tmp_path / "free.jsonl") == 2
    assert message in " ".join(capsys.readouterr().err.split()) and not list(tmp_path.iterdir())


def test_an_unknown_target_names_the_nearest(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert lab("generate", "lab-tinny") == 2
    assert "did you mean 'lab-tiny'" in " ".join(capsys.readouterr().err.split())


def writer(prompt: PromptConfig, countdown: bool = False) -> Writer:
    return Writer("w", ModelConfig("w"), prompt, DataConfig(), run=True, dialogue=DialogueConfig(countdown=countdown))


def test_a_model_is_told_a_length_only_if_it_learnt_to_be_told() -> None:
    order = Order(2, (4,))
    assert settle(writer(PromptConfig(learn="all"), countdown=True), order) == order
    assert settle(writer(PromptConfig(learn="all")), order).forced
    assert settle(writer(PromptConfig(instruction="Help.")), order).forced


def test_what_a_dialogue_begins_with(tmp_path: Path) -> None:
    from tiny_models import tiny_tokenizer

    tokenizer = tiny_tokenizer(tmp_path)
    starts = [(None, True, 8), (None, True, None), ("Help.", False, 8), (None, False, None)]
    texts = [tokenizer.decode(beginning_of(*start, tokenizer)) for start in starts]
    assert texts == ["<s>left> 8\n", "<s>", "<s>task> Help.\n", "<s>"]
    tokenizer.bos_token = None
    assert tokenizer.decode(beginning_of(None, True, None, tokenizer)) == "left>"
    assert tokenizer.decode(beginning_of(None, False, None, tokenizer)) == "user>"


def test_nobody_judges_what_it_wrote() -> None:
    tiny, other = find_writer("lab-tiny"), find_writer("llama-1m")
    for same in (tiny, find_writer(str(BUNDLED["lab-tiny"])), find_writer(f"{BUNDLED['lab-tiny']}/")):
        with pytest.raises(LabError, match="it wrote the dialogues itself"):
            refuse_itself(same, tiny)
    refuse_itself(tiny, other)
    assert choose_judge(None, tiny).value == "none" and choose_judge(None, other).value == "lab-tiny"
    assert choose_judge("none", other).value == "none" and choose_judge("x", tiny).value == "x"


def splits() -> Splits:
    def dialogue(name: str, pairs: int) -> Dialogue:
        turns = [
            t for n in range(pairs) for t in (Turn("user", f"{name} asks {n}"), Turn("system", f"{name} says {n}"))
        ]
        return Dialogue(name, tuple(turns))

    train = tuple(dialogue(f"train{n}", 3) for n in range(4))
    test = tuple(dialogue(f"test{n}", n + 1) for n in range(5))
    return Splits(train, (), test, test)


def free(wished: int | None, *texts: str, ended: str = "itself") -> FreeDialogue:
    turns = tuple(FreeTurn("user" if n % 2 == 0 else "system", text) for n, text in enumerate(texts))
    return FreeDialogue(f"free-{texts}", wished, turns, ended, 9)


def test_the_rows_beside_the_generated_dialogues() -> None:
    found = groups([free(None, "train0 asks 0", "no"), free(None, "a b c", "d", ended="cut"), free(None)], splits(), 0)
    assert list(found) == FIGURES
    real, shuffled, made = (found[name] for name in FIGURES)
    assert len(real.dialogues) == len(shuffled.dialogues) == 3
    assert [len(d) for d in real.dialogues] == [len(d) for d in shuffled.dialogues]
    for dialogue in shuffled.dialogues:
        assert all(text.startswith("train") and ("asks" in text) == (who == "user") for who, text in dialogue)
    assert (made.ended, made.well_formed) == (2, 2)
    scores = score_group(
        "generated", made, [[t for _, t in d] for d in shuffled.dialogues] + [["train0 asks 0"]], None, 0
    )
    assert scores.turns == [2, 2, 0] and scores.user_words == 3 and scores.system_words == 1
    assert scores.copies.utterances == 25 and scores.perplexity is None
    with pytest.raises(LabError, match="not one word was said"):
        score_group("generated", groups([free(None)], splits(), 0)["generated"], [], None, 0)


def test_wished_against_obtained() -> None:
    written = [free(4, "a", "b", "c", "d"), free(4, "a", "b"), free(2, "a", "b"), free(None, "a")]
    two, four = wishes_met(written)
    assert (two["wished"], two["exact"], two["distance"]) == (2, 100, 0)
    assert (four["wished"], four["dialogues"], four["mean"], four["exact"], four["distance"]) == (4, 2, 3, 50, 1)
    assert wishes_met([free(None, "a")]) == []
