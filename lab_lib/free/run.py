"""`lab generate`: generate whole dialogues with the model of a run, or any model, into a file that can be resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from lab_lib.config import parse_yaml
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.predictions import read_partial
from lab_lib.decoding.progress import DecodingProgress
from lab_lib.errors import LabError
from lab_lib.files import appending, read_jsonl, read_text, write_jsonl, write_text
from lab_lib.free.dialogue import FreeDialogue, from_row
from lab_lib.free.generate import Ask, FreeConfig, generate_free
from lab_lib.models.config import ModelConfig
from lab_lib.models.hardware import Choice
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.messages import Message
from lab_lib.prompts.plain import beginning, line_ids
from lab_lib.prompts.template import PLAIN
from lab_lib.prompts.text import text_ids
from lab_lib.runs.config import RunConfig, load_run_config
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import require_unchanged
from lab_lib.runs.lock import holding
from lab_lib.runs.steps import load_answering, model_config


@dataclass(frozen=True)
class Writer:
    """The generating (or judging) model: its settings, the prompts of its training, and the data to compare with.

    `prompt` and `dialogue` are those of a run; a bare model gets the defaults.
    """

    name: str
    model: ModelConfig
    prompt: PromptConfig
    data: DataConfig
    run: bool
    dialogue: DialogueConfig = field(default_factory=DialogueConfig)


@dataclass(frozen=True)
class Order:
    """What to generate: `count` dialogues per requested number of turns (None: any length)."""

    count: int = 10
    wishes: tuple[int | None, ...] = (None,)
    forced: bool = False

    def __post_init__(self) -> None:
        """Refuse requests that no dialogue can meet."""
        if self.count < 1:
            raise LabError("--n: at least 1 dialogue")
        for wish in self.wishes:
            if wish is not None and (wish < 2 or wish % 2):
                raise LabError(f"--turns {wish}: a dialogue consists of pairs, user and system; request 2, 4, 6, ...")


def find_writer(target: str, corpus: str | None = None, log: Callable[[str], None] = lambda line: None) -> Writer:
    """Return the run in folder `target`, else the model of that name (bundled, folder or hub), unquantised.

    `corpus` is the corpus to compare with; by default the run's own, or town for a bare model. Raises LabError for a
    run whose input files have changed.
    """
    if (Path(target) / "config.yaml").exists():
        config = load_run_config(Path(target))
        if not isinstance(config.task, DialogueConfig):
            raise LabError(
                f"{target}: a run of task {config.task.name}; 'lab generate' writes dialogues (task response)"
            )
        if config.prompt.template == "chat":
            raise LabError(f"{target}: its prompts are in a chat template; 'lab generate' writes plain lines")
        require_unchanged(config, Path(target), log)
        data = replace(config.data, corpus=corpus) if corpus else config.data
        system = model_config(config, RunFolder(Path(target)), "finetuned")
        return Writer(target, system, config.prompt, data, run=True, dialogue=config.task)
    config = RunConfig(model=ModelConfig(name=target, quantisation="none"))
    return Writer(target, config.model, config.prompt, replace(config.data, corpus=corpus or "town"), run=False)


def how(writer: Writer, order: Order) -> dict[str, Choice]:
    """Return how lengths are controlled and whether user turns were supervised, each with its reason."""
    found = {}
    if order.wishes != (None,):
        if order.forced:
            found["length"] = Choice("forced", "no end before the requested number of turns, and a stop there")
        else:
            found["length"] = Choice(
                "told", "a line before each user turn says how many turns are left; the model ends the dialogue itself"
            )
    if writer.run and writer.prompt.learn == "replies":
        found["users"] = Choice("not supervised", "prompt.learn=replies: only the base model has learned user turns")
    return found


def settle(writer: Writer, order: Order) -> Order:
    """Return the order, with `forced` set if the model was trained without a countdown."""
    return order if writer.dialogue.countdown else replace(order, forced=True)


def names(order: Order) -> list[tuple[str, int | None]]:
    """Return (name, requested turns) of every dialogue; the random numbers depend on the name."""
    return [
        (f"free-{'any' if wish is None else f'{wish:02d}'}-{number:04d}", wish)
        for wish in order.wishes
        for number in range(order.count)
    ]


def asks(order: Order, writer: Writer, tokenizer: Any) -> list[Ask]:
    """Return the dialogues to generate, each with its name and its first ids."""
    told = writer.dialogue.countdown
    start = {wish: beginning_of(writer.prompt.instruction, told, wish, tokenizer) for wish in order.wishes}
    counts = {wish: countdown(wish, tokenizer) if wish and told else () for wish in order.wishes}
    return [Ask(key, start[wish], wish, order.forced and wish is not None, counts[wish]) for key, wish in names(order)]


def countdown(wish: int, tokenizer: Any) -> tuple[tuple[int, ...], ...]:
    """Return the ids of the lines before the second and later user turns: `wish` - 2 turns left, then - 4, ..."""
    left = [Message("system", str(turns), 0, "left") for turns in range(wish - 2, 0, -2)]
    return tuple(line_ids([line], tokenizer) for line in left)


def beginning_of(instruction: str | None, told: bool, wish: int | None, tokenizer: Any) -> tuple[int, ...]:
    """Return the first ids of a dialogue: BOS, the instruction and how many turns are left.

    Without all of these, return the prefix of the first line. `told` is whether the model was trained with a countdown.
    Without a requested length, it then generates the number itself.
    """
    given = [Message("system", instruction, 0)] if instruction else []
    if wish and told:
        given.append(Message("system", str(wish), 0, "left"))
    if ids := (*beginning(tokenizer), *line_ids(given, tokenizer)):
        return ids
    return text_ids(PLAIN.before("left" if told else "user"), tokenizer)


def generate(writer: Writer, order: Order, config: FreeConfig, path: Path, console: Console) -> list[FreeDialogue]:
    """Generate the dialogues into `path` (JSONL) unless they exist, and return them in the requested order.

    An existing file is resumed, after a killed command or to add dialogues with the same settings. The settings are
    stored beside it. Raises LabError naming the first setting that differs, and if another command writes the file.
    """
    config = replace(config, max_tokens=min(config.max_tokens, writer.prompt.max_tokens))
    with holding(path.with_name(f".{path.name}.lock"), path, "writing this file"):
        return generate_alone(writer, order, config, path, console)


def generate_alone(
    writer: Writer, order: Order, config: FreeConfig, path: Path, console: Console
) -> list[FreeDialogue]:
    """Implement `generate` with the file locked."""
    check_settings(path, settings(writer, order, config))
    rows = {row["dialogue"]: row for row in [*stored(path), *read_partial(partial(path), is_named)]}
    wanted = [key for key, _ in names(order)]
    if path.exists() and all(key in rows for key in wanted):
        console.print(f"the dialogues exist already ({path})")
    else:
        write_missing(writer, order, config, path, rows, console)
    return [from_row(rows[key], f"{path}: {key}") for key in wanted]


def write_missing(
    writer: Writer, order: Order, config: FreeConfig, path: Path, rows: dict[str, Any], console: Console
) -> None:
    """Generate the dialogues that are not in `rows` and add them; then write the whole file, ordered by name.

    Until then, rows are appended to `<path>.partial`.
    """
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.hardware import print_choices

    loaded = load_answering(writer.model, writer.prompt)
    print_choices({**loaded.choices, **how(writer, order)}, console)
    todo = asks(order, writer, loaded.tokenizer)
    write_jsonl(partial(path), rows.values())
    with merged_for_decoding(loaded.model), DecodingProgress(console, "writing dialogues", len(todo)) as advance:
        try:
            with appending(partial(path)) as stream:
                for dialogue in generate_free(loaded.model, loaded.tokenizer, todo, config, set(rows), advance):
                    rows[dialogue.key] = dialogue.as_row()
                    stream.write(json.dumps(rows[dialogue.key], ensure_ascii=False) + "\n")
                    stream.flush()
        except OSError as error:
            raise LabError(f"{partial(path)}: cannot write: {error.strerror}") from None
    write_jsonl(path, (rows[key] for key in sorted(rows)))
    partial(path).unlink(missing_ok=True)


def settings(writer: Writer, order: Order, config: FreeConfig) -> dict[str, Any]:
    """Return everything that a dialogue depends on, except its name."""
    depends = ("temperature", "top_p", "top_k", "max_tokens", "seed")
    return {"model": writer.name, **{name: getattr(config, name) for name in depends}, "forced": order.forced}


def check_settings(path: Path, wanted: dict[str, Any]) -> None:
    """Write the settings beside the file, or refuse a file that was made with others."""
    beside = path.with_name(path.name + ".settings.yaml")
    if not beside.exists():
        if path.exists():
            raise LabError(f"{path}: exists without the file of its settings; choose another --out")
        write_text(beside, yaml.safe_dump(wanted, sort_keys=False))
        return
    old = parse_yaml(read_text(beside), str(beside))
    differing = [key for key in wanted if old.get(key) != wanted[key]]
    if differing:
        key = differing[0]
        raise LabError(f"{path}: was made with {key}={old.get(key)}, not {wanted[key]}; choose another --out")


def stored(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, which may not exist yet. Raises LabError for a row without the name of a dialogue."""
    rows = read_jsonl(path) if path.exists() else []
    for number, row in enumerate(rows, 1):
        if not is_named(row):
            raise LabError(f"{path}: row {number}: expected a generated dialogue with its name under 'dialogue'")
    return rows


def is_named(row: Any) -> bool:
    """Return whether a parsed line has the name of a dialogue."""
    return isinstance(row, dict) and isinstance(row.get("dialogue"), str)


def partial(path: Path) -> Path:
    """Return the path where rows are kept until all are generated."""
    return path.with_name(path.name + ".partial")
