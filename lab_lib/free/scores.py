"""Scores of generated and real dialogues: perplexity under another model, lexical diversity, copies, lengths."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Dialogue
from lab_lib.errors import LabError
from lab_lib.evaluation.diversity import richness
from lab_lib.evaluation.normalise import normalise_reply
from lab_lib.evaluation.novelty import Copies, copies
from lab_lib.evaluation.perplexity import Perplexity, Text, model_log_probs, perplexity
from lab_lib.free.dialogue import FreeDialogue
from lab_lib.free.run import Writer
from lab_lib.models.hardware import Choice
from lab_lib.models.hub import find_source
from lab_lib.prompts.messages import clean
from lab_lib.prompts.plain import beginning
from lab_lib.prompts.template import PLAIN
from lab_lib.prompts.text import text_ids
from lab_lib.runs.steps import load_answering
from lab_lib.tasks.base import Splits
from lab_lib.tasks.splits import draw

Plain = list[tuple[str, str]]  # (speaker, text) per turn
KINDS = {"user": "user", "system": "assistant"}  # kinds of messages, by speaker


@dataclass(frozen=True)
class Group:
    """Dialogues of one origin, and how many of them ended and are well formed (None if they were not generated)."""

    kind: str
    dialogues: list[Plain]
    ended: int | None = None
    well_formed: int | None = None


@dataclass(frozen=True)
class Scores:
    """The scores of a group. `turns` are the lengths of its dialogues; words are separated by white space.

    `perplexity` is None without a judge. `richness` holds the lexical diversity of all utterances
    (`evaluation.richness`).
    """

    kind: str
    dialogues: int
    ended: int | None
    well_formed: int | None
    turns: list[int]
    user_words: float | None
    system_words: float | None
    richness: dict[str, float]
    perplexity: Perplexity | None
    copies: Copies


def groups(written: Sequence[FreeDialogue], splits: Splits[Dialogue], seed: int) -> dict[str, Group]:
    """Return the rows of the table: as many real dialogues, random turns of training dialogues, the generated ones.

    The random turns, a trivial baseline, have the speakers of the real ones; each utterance is drawn from the training
    set. The real ones are from the split that a run reports (test, or dev); if there are fewer, all of them are used.
    """
    real = [real_dialogue(dialogue) for dialogue in draw(splits.reported, len(written), seed)]
    rng = random.Random(seed)
    said: dict[str, list[str]] = {"user": [], "system": []}
    for dialogue in splits.train:
        for speaker, text in real_dialogue(dialogue):
            said[speaker].append(text)
    shuffled = [[(speaker, rng.choice(said[speaker])) for speaker, _ in dialogue] for dialogue in real]
    plain: list[Plain] = [[(turn.speaker, turn.text) for turn in one.turns] for one in written]
    ended = sum(one.ended != "cut" for one in written)
    return {
        "real": Group("reference", real),
        "random turns": Group("trivial", shuffled),
        "generated": Group("other", plain, ended, sum(one.well_formed for one in written)),
    }


def real_dialogue(dialogue: Dialogue) -> Plain:
    """Return a corpus dialogue as models are trained on it: system turns delexicalised, single spaces."""
    return [(t.speaker, clean(t.text if t.speaker == "user" else delexicalise(t))) for t in dialogue.turns]


def score_groups(
    found: dict[str, Group], splits: Splits[Dialogue], judge: Judge | None, seed: int
) -> dict[str, Scores]:
    """Return the scores of every group. Raises LabError for a group without words."""
    training = [[text for _, text in real_dialogue(dialogue)] for dialogue in splits.train]
    return {name: score_group(name, group, training, judge, seed) for name, group in found.items()}


def score_group(name: str, group: Group, training: Sequence[Sequence[str]], judge: Judge | None, seed: int) -> Scores:
    """Return the scores of one group of dialogues."""
    said = [[text for _, text in dialogue] for dialogue in group.dialogues]
    every = [text for dialogue in said for text in dialogue]
    if not any(text.split() for text in every):
        raise LabError(f"{name}: not one word was said; there is nothing to score")
    return Scores(
        group.kind,
        len(said),
        group.ended,
        group.well_formed,
        [len(dialogue) for dialogue in said],
        _words(group, "user"),
        _words(group, "system"),
        richness([normalise_reply(text)[0] for text in every]),
        judge.perplexity(group.dialogues, seed) if judge else None,
        copies(said, training),
    )


def _words(group: Group, speaker: str) -> float | None:
    """Return the mean number of words per turn of a speaker."""
    counts = [len(text.split()) for dialogue in group.dialogues for who, text in dialogue if who == speaker]
    return float(np.mean(counts)) if counts else None


class Judge:
    """A model that scores dialogues by their probability: only what user and system say counts, not the prefixes."""

    def __init__(self, writer: Writer):
        loaded = load_answering(writer.model, writer.prompt)
        if loaded.model.config.is_encoder_decoder:
            raise LabError(f"judge {writer.name}: an encoder-decoder; expected a decoder-only model")
        self.tokenizer = loaded.tokenizer
        self.limit = writer.prompt.max_tokens
        self.log_probs = model_log_probs(loaded.model)

    def perplexity(self, dialogues: Sequence[Plain], seed: int) -> Perplexity:
        """Return the perplexity of the words, each given the whole dialogue before it."""
        return perplexity([self.text(dialogue) for dialogue in dialogues], self.log_probs, self.limit, seed=seed)

    def text(self, dialogue: Plain) -> Text:
        """Return a dialogue in the lines that models here are trained on; prefixes and ends are context, not scored."""
        ids, counted = list(beginning(self.tokenizer)), [False] * len(beginning(self.tokenizer))
        for speaker, text in dialogue:
            parts = (PLAIN.before(KINDS[speaker]), f" {text}", PLAIN.end)
            before, said, end = (text_ids(part, self.tokenizer) for part in parts)
            if speaker == "system":
                end = (self.tokenizer.eos_token_id, *end)
            ids += [*before, *said, *end]
            counted += [False] * len(before) + [True] * len(said) + [False] * len(end)
        return Text(tuple(ids), tuple(counted), sum(len(text.split()) for _, text in dialogue))


def choose_judge(wanted: str | None, writer: Writer, base: str = "lab-tiny") -> Choice:
    """Return the judge (a run folder, a model, or `none`) and why it was chosen."""
    if wanted == "none":
        return Choice("none", "requested: no perplexity")
    if wanted is None:
        if writer.model.name == base and writer.model.adapter is None:
            return Choice("none", f"{base} wrote the dialogues itself; name another model by --judge")
        return Choice(base, "the bundled model, which did not generate them; a run with another seed is a better judge")
    return Choice(wanted, "requested")


def refuse_itself(judge: Writer, writer: Writer) -> None:
    """Raise LabError if judge and writer are the same model, under any name or path."""
    if _weights(judge) == _weights(writer):
        raise LabError(f"--judge {judge.name}: it wrote the dialogues itself; name a model or run that did not")


def _weights(writer: Writer) -> tuple[Path, str]:
    """Return the paths of the weights of a model and of its adapter."""
    model = writer.model
    return find_source(model.name, model.revision).folder.resolve(), os.path.realpath(model.adapter or "")


def wishes_met(written: Sequence[FreeDialogue]) -> list[dict[str, Any]]:
    """Return for each requested length: mean, percentage met exactly, mean distance; truncated dialogues count too."""
    rows = []
    for wish in sorted({one.wished for one in written if one.wished is not None}):
        lengths = [len(one.turns) for one in written if one.wished == wish]
        found = [one.end_share for one in written if one.wished == wish and one.end_share is not None]
        off = [abs(length - wish) for length in lengths]
        rows.append(
            {
                "wished": wish,
                "dialogues": len(lengths),
                "mean": float(np.mean(lengths)),
                "low": float(np.percentile(lengths, 10)),
                "high": float(np.percentile(lengths, 90)),
                "exact": 100 * float(np.mean([distance == 0 for distance in off])),
                "distance": float(np.mean(off)),
                "end_share": 100 * float(np.mean(found)) if found else None,
            }
        )
    return rows
