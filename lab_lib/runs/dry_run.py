"""`lab run --dry-run`: what would be done, without doing it."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from lab_lib.config import to_yaml
from lab_lib.errors import one_line
from lab_lib.prompts.encode import Example
from lab_lib.prompts.truncation import shortened_line, split_line
from lab_lib.runs.config import RunConfig
from lab_lib.runs.context import plan_run
from lab_lib.runs.run import STAGES, without_training
from lab_lib.runs.splits import left_out
from lab_lib.runs.steps import load_ready, token_line, train_examples


def show_plan(config: RunConfig, console: Console, examples: int = 3) -> None:
    """Print the resolved config, hardware choices, trainable weights, steps, a memory estimate and three examples.

    The model is loaded (a hub model is downloaded), since only it can say what would be trained.
    """
    from lab_lib.models.hardware import print_choices
    from lab_lib.training.arguments import step_count, untrained_line
    from lab_lib.training.lora import attach_lora
    from lab_lib.training.loss import SHORT, choose_positions

    stages = without_training(config, STAGES)
    config, task, splits = plan_run(config, stages, console)
    console.print(to_yaml(config), markup=False, highlight=False)
    for line in left_out(task, splits):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if "train" not in stages:
        print_choices(load_ready(config.model, config.prompt).choices, console)
        console.print(
            f"nothing is trained: {len(splits.reported)} {task.words.items} are answered by the model as it is"
        )
        return
    loaded = load_ready(config.model, config.prompt, for_training=True, full=config.lora.method == "full")
    print_choices(loaded.choices, console)
    model, summary = attach_lora(loaded.model, config.lora)
    console.print(str(summary))
    if task.prepares:
        console.print(f"task {task.name} prepares what its examples need first: they are not shown here")
        return
    encoded = train_examples(task, splits.train, loaded.tokenizer)
    steps = step_count(config.training, len(encoded))
    console.print(f"{token_line(encoded)}; {steps} steps of {config.training.batch_size}")
    shortened, split = shortened_line(encoded, "examples", config.prompt), split_line(encoded, config.prompt)
    for about in (untrained_line(config.training, steps), shortened, split):
        if about:
            console.print(about, highlight=False)
    longest, micro = max(len(e.ids) for e in encoded), config.training.micro_batch_size
    few = model.config.is_encoder_decoder or choose_positions(model).value == SHORT
    most = max(sum(e.loss_mask) for e in encoded) if few else longest
    again = config.training.gradient_checkpointing
    console.print(memory_estimate(model, summary.trainable, micro * longest, micro * most, again))
    for example in encoded[:examples]:
        console.print()
        console.print(render_tokens(example, loaded.tokenizer))


def memory_estimate(
    model: object, trainable: int, tokens: int, predicted: int, gradient_checkpointing: bool = False
) -> str:
    """Return an estimate of training's memory in one line: weights + optimiser + activations of the largest batch.

    Trainable weights cost 16 bytes each (fp32 weight, gradient, two Adam moments). Activations of a Llama-like
    layer are about 34 x hidden values a token in 2 bytes (Korthikanti et al. 2022, without attention scores),
    logits and their gradient 2 x 4 bytes a vocabulary entry of each of the `predicted` tokens. With gradient
    checkpointing every layer keeps its input alone, hidden values in 2 bytes, and one layer at a time the rest. With an
    encoder the tokens of the source pass through its layers, those of the reply through the decoder's.
    """
    from lab_lib.models.quantised import weight_bytes

    shape = model.config  # type: ignore[attr-defined]
    weights = weight_bytes(model)
    optimiser = 12 * trainable  # the fp32 weights themselves are among `weights`
    inputs, whole = 2 * shape.hidden_size, 34 * 2 * shape.hidden_size  # bytes per token and layer
    layers = shape.num_hidden_layers
    kept = inputs * layers + whole if gradient_checkpointing else whole * layers
    activations = tokens * kept + predicted * 8 * shape.vocab_size
    parts = {"weights": weights, "gradients and optimiser": optimiser, "activations": activations}
    text = ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in parts.items())
    return f"memory estimate: {sum(parts.values()) / 1e9:.2f} GB ({text})"


def render_tokens(example: Example, tokenizer: Any) -> Text:
    """Return an example as text: stretches of supervised tokens between guillemets and green, the others dim."""
    text = Text().append(
        f"{one_line(example.key)}: {len(example.ids)} tokens, {sum(example.loss_mask)} supervised\n", style="bold"
    )
    marked = zip(example.ids, example.loss_mask, strict=True)
    for supervised, stretch in groupby(marked, key=lambda pair: pair[1]):
        # Whole stretches are decoded: a token alone may be half a character.
        piece = tokenizer.decode([i for i, _ in stretch])
        text.append(f"\u00ab{piece}\u00bb" if supervised else piece, style="green" if supervised else "dim")
    return text
