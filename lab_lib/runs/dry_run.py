"""`lab run --dry-run`: show what a run would do, without running it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from lab_lib.config import as_dict, plain_yaml
from lab_lib.errors import one_line
from lab_lib.models.hardware import print_choices
from lab_lib.prompts.encode import Example
from lab_lib.prompts.truncation import shortened_line, split_line
from lab_lib.runs.config import RunConfig
from lab_lib.runs.context import plan_run
from lab_lib.runs.run import STAGES, without_training
from lab_lib.runs.steps import examples_of_steps, load_ready, token_line, train_examples
from lab_lib.tasks.splits import left_out


def show_plan(config: RunConfig, console: Console, examples: int = 3) -> None:
    """Print a short summary of the run and its memory, then the settings that are not defaults, then examples.

    The model is loaded (a hub model is downloaded), because the trained weights depend on it.
    """
    stages = without_training(config, STAGES)
    config, task, splits = plan_run(config, stages, console)
    counts = f"{len(splits.train)} training, {len(splits.dev)} dev and {len(splits.test)} test {task.words.items}"
    _line(console, f"{config.recipe}: {', '.join(stages)}; {counts}")
    for line in left_out(task, splits):
        _line(console, line)
    shown: list[Text] = []
    if "train" in stages:
        shown = _training(config, task, splits, console, examples)
    else:
        print_choices(load_ready(config.model, config.prompt).choices, console)
        _line(console, f"nothing is trained: the model answers {len(splits.reported)} {task.words.items} as it is")
    console.print("\nsettings that are not the defaults ('lab recipes validate' prints all):")
    console.print(changed_settings(config), markup=False, highlight=False)
    for text in shown:
        console.print(text)
        console.print()


def _training(config: RunConfig, task: Any, splits: Any, console: Console, examples: int) -> list[Text]:
    """Print the trained weights, the steps and the memory; return some examples as texts."""
    from lab_lib.training.arguments import step_count, untrained_line
    from lab_lib.training.lora import attach_lora

    loaded = load_ready(config.model, config.prompt, for_training=True, full=config.lora.method == "full")
    print_choices(loaded.choices, console)
    model, summary = attach_lora(loaded.model, config.lora)
    console.print(str(summary))
    if task.prepares:
        console.print(f"task {task.name} must prepare its examples first, so none are shown here")
        return []
    encoded = train_examples(task, task.training_items(splits.train, config.training.seed), loaded.tokenizer)
    steps = step_count(config.training, len(encoded))
    _line(console, f"{token_line(encoded)}; {steps} steps of {config.training.batch_size}")
    shortened, split = shortened_line(encoded, "examples", config.prompt), split_line(encoded, config.prompt)
    for about in (
        untrained_line(config.training, steps),
        task.learned_line(examples_of_steps(encoded, config.training)),
        shortened,
        split,
        _memory(config, model, summary, encoded, loaded.dtype),
    ):
        if about:
            _line(console, about)
    return [render_tokens(example, loaded.tokenizer) for example in encoded[:examples]]


def _memory(config: RunConfig, model: Any, summary: Any, encoded: list[Example], dtype: str) -> str:
    """Return the estimate for one micro batch of the longest examples."""
    from lab_lib.training.loss import SHORT, choose_positions
    from lab_lib.training.memory import memory_estimate

    longest, micro = max(len(e.ids) for e in encoded), config.training.micro_batch_size
    few = model.config.is_encoder_decoder or choose_positions(model).value == SHORT
    most = max(sum(e.loss_mask) for e in encoded) if few else longest
    again = config.training.gradient_checkpointing
    return memory_estimate(model, summary.trainable, micro * longest, micro * most, again, dtype)


def _line(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def different(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings whose value is not the default, in their sections.

    >>> different({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 0}, "d": 3})
    {'a': {'c': 2}}
    """
    found = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            value = different(value, default)
            if value:
                found[key] = value
        elif value != default:
            found[key] = value
    return found


def changed_settings(config: RunConfig) -> str:
    """Return, as YAML, the settings of a config that are not the defaults of its sections."""
    values = as_dict(config)
    defaults = as_dict(RunConfig(task=type(config.task)(name=config.task.name)))
    return plain_yaml(different(values, defaults))


def render_tokens(example: Example, tokenizer: Any) -> Text:
    """Return an example as text: supervised tokens in green between guillemets, the others dim."""
    text = Text().append(
        f"{one_line(example.key)}: {len(example.ids)} tokens, {sum(example.loss_mask)} supervised\n", style="bold"
    )
    marked = zip(example.ids, example.loss_mask, strict=True)
    for supervised, stretch in groupby(marked, key=lambda pair: pair[1]):
        # Whole spans are decoded, because a single token may be half a character.
        piece = tokenizer.decode([i for i, _ in stretch])
        text.append(f"\u00ab{piece}\u00bb" if supervised else piece, style="green" if supervised else "dim")
    return text
