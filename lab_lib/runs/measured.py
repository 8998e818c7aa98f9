"""`model.dtype=fastest` and `model.attention=fastest`: measured when a run begins, kept in its folder, used again."""

from __future__ import annotations

from dataclasses import replace

from lab_lib.files import write_json
from lab_lib.models.hardware import FASTEST, Choice, find_machine, print_choices
from lab_lib.processes.rank import this_process, world_size
from lab_lib.runs.config import MEASURED, pinned
from lab_lib.runs.context import Context
from lab_lib.runs.preflight import model_shape


def settle(context: Context) -> Context:
    """Return the context with what is the fastest on this machine in the place of `fastest`; a line says the times.

    A resumed run keeps what it began with, also on another machine. Several processes measure nothing, since all must
    choose alike: they take what `auto` takes.
    """
    if FASTEST not in (context.config.model.dtype, context.config.model.attention):
        return context
    if world_size() > 1:
        model = context.config.model
        values = {name: "auto" for name in ("dtype", "attention") if getattr(model, name) == FASTEST}
        return replace(context, config=replace(context.config, model=replace(model, **values)))  # type: ignore[arg-type]
    choices = measure(context)
    print_choices(choices, context.console)
    if this_process().first:
        found = {name: {"value": choice.value, "reason": choice.reason} for name, choice in choices.items()}
        write_json(context.folder.path / MEASURED, found)
    return replace(context, config=pinned(context.config, context.folder.path))


def measure(context: Context) -> dict[str, Choice]:
    """Return what was measured for the settings that say `fastest`."""
    from lab_lib.models.fast_cpu.fastest import fastest_attention, fastest_dtype

    model, machine = context.config.model, find_machine()
    shape, choices = model_shape(model), dict[str, Choice]()
    dtype = model.dtype
    if dtype == FASTEST:
        choices["dtype"] = fastest_dtype(shape, machine)
        dtype = choices["dtype"].value  # type: ignore[assignment]
    if model.attention == FASTEST:
        chunks = dtype == "bf16" or (dtype == "auto" and machine.native_bf16_cpu)
        fixed = Choice("auto", f"nothing to measure: chunks are for training in bf16, not {dtype}")
        choices["attention"] = fastest_attention(shape, machine) if chunks else fixed
    return choices
