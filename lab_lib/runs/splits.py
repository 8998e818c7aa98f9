"""Which dialogues play which part in a run: learnt from, choosing the checkpoint, reported."""

from __future__ import annotations

import random
from collections.abc import Sequence, Set
from dataclasses import dataclass

from lab_lib.corpora.database import Database
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus, Dialogue
from lab_lib.errors import LabError, nearest
from lab_lib.runs.config import DataConfig


@dataclass(frozen=True)
class Splits:
    """The dialogues of a run. `train`, `dev` and `test` share no dialogue.

    `reported` are the dialogues that replies are generated for and scored on: test, or dev with `data.report=dev`.
    `leaked` are dialogues of the training and dev splits that are word for word in the test split: MultiWOZ has
    some, and they are left out of `train` and `dev`.
    """

    corpus: Corpus
    database: Database
    train: tuple[Dialogue, ...]
    dev: tuple[Dialogue, ...]
    test: tuple[Dialogue, ...]
    reported: tuple[Dialogue, ...]
    leaked: tuple[Dialogue, ...] = ()


def load_splits(config: DataConfig) -> Splits:
    """Read the corpus and draw the sets: whole dialogues, at random with the seed, never the first N.

    Raises LabError for an unknown split, for `hold_out` not below the training split's size, and when the test
    split is also learnt from or chosen on.
    """
    corpus = load_corpus(config.corpus)
    test = _split(corpus, config.test)
    tested = {_words(dialogue) for dialogue in test}
    learn, leaked = _without(tested, _split(corpus, config.train))
    if config.test in (config.train, config.dev if not config.hold_out else None):
        raise LabError(f"data.test={config.test} is also used for training or for choosing a checkpoint")
    if config.hold_out:
        dev = draw(learn, config.hold_out, config.seed)
        held = {dialogue.id for dialogue in dev}
        learn = tuple(dialogue for dialogue in learn if dialogue.id not in held)
        if not learn:
            raise LabError(f"data.hold_out={config.hold_out} leaves nothing of split '{config.train}' to learn from")
    else:
        dev, more = _without(tested, _split(corpus, config.dev))
        leaked += more
    return Splits(
        corpus,
        Database(corpus.database),
        train=draw(learn, config.max_train, config.seed),
        dev=dev,
        test=draw(test, config.max_test, config.seed),
        reported=draw(test if config.report == "test" else dev, config.max_test, config.seed),
        leaked=leaked,
    )


def _words(dialogue: Dialogue) -> str:
    """Return the words of a dialogue without regard to case, spacing and its id: what a copy shares."""
    return "\n".join(" ".join(turn.text.lower().split()) for turn in dialogue.turns)


def _without(tested: Set[str], dialogues: Sequence[Dialogue]) -> tuple[tuple[Dialogue, ...], tuple[Dialogue, ...]]:
    """Return (dialogues whose words are not among `tested`, the others)."""
    copies = tuple(dialogue for dialogue in dialogues if _words(dialogue) in tested)
    return tuple(dialogue for dialogue in dialogues if dialogue not in copies), copies


def dev_split(config: DataConfig) -> str:
    """Return the name of the corpus split the dev dialogues come from."""
    return config.train if config.hold_out else config.dev


def report_split(config: DataConfig) -> str:
    """Return the name of the corpus split the reported dialogues come from."""
    return config.test if config.report == "test" else dev_split(config)


def _split(corpus: Corpus, name: str) -> tuple[Dialogue, ...]:
    if name not in corpus.splits:
        raise LabError(f"corpus {corpus.name} has no split '{name}'{nearest(name, corpus.splits)}")
    return tuple(corpus.splits[name])


def draw(dialogues: Sequence[Dialogue], count: int | None, seed: int) -> tuple[Dialogue, ...]:
    """Return `count` dialogues drawn without replacement, in their original order; all of them for None."""
    if count is None or count >= len(dialogues):
        return tuple(dialogues)
    chosen = sorted(random.Random(seed).sample(range(len(dialogues)), count))
    return tuple(dialogues[i] for i in chosen)
