"""Run the changed nodes of a dataflow, with one line per node, or list what would run and why."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from hamilton import driver
from hamilton.lifecycle import NodeExecutionHook

from lab_lib.dataflows import seq2seq
from lab_lib.dataflows.cache import Plan, build, forget, plan, sources, used
from lab_lib.dataflows.place import Place, at, here
from lab_lib.errors import LabError, nearest
from lab_lib.files import write_json
from lab_lib.runs.lock import owning

OUTPUTS = (
    "save_best_models",
    "hold_out_set_predictions",
    "training_and_validation_set_metrics",
    "finetuned_model_on_validation_set",
    "hold_out_set_metrics",
    "report",
)
STARTS = ("base", "presaved")
CACHED, EXECUTED, FAILED, READ = "cached", "executed", "failed", "read"


class Progress(NodeExecutionHook):
    """Logs a line for each node when it has its result, and how long that took.

    Hamilton calls it for nodes from the cache too, so it asks the cache's own log what was done.
    """

    def __init__(self) -> None:
        """Know no node yet."""
        self.cache: Any = None
        self.began: dict[str, float] = {}
        self.states: dict[str, dict[str, Any]] = {}

    def run_before_node_execution(self, *, node_name: str, **more: Any) -> None:
        """Note when a node began."""
        self.began[node_name] = time.monotonic()

    def run_after_node_execution(self, *, node_name: str, error: Any, **more: Any) -> None:
        """Log what was done with a node."""
        events = self.cache.logs(run_id=self.cache.last_run_id).get(node_name, [])
        was_run = any(event.event_type.value == "execute_node" for event in events)
        state = FAILED if error is not None else EXECUTED if was_run else CACHED
        seconds = round(time.monotonic() - self.began[node_name], 2)
        self.states[node_name] = {"state": state, "seconds": seconds}
        here().log(f"{node_name:<36}{state:<10}{f'{seconds:.1f} s' if state != CACHED else ''}".rstrip())


def run(
    outputs: Sequence[str],
    inputs: Mapping[str, Any],
    place: Place,
    start: str = "base",
    module: ModuleType = seq2seq,
) -> dict[str, Any]:
    """Return {output: result}; what did not change since an earlier run in the same place is taken from the cache.

    A run that was killed is resumed by the same call. Raises LabError for an unknown output or input, and for bad data.
    """
    with at(place), owning(place.folder), quietly():
        progress = Progress()
        dr = build(module, start, [progress])
        progress.cache = dr.cache
        check(dr, outputs, inputs)
        found = sources(module, start, outputs, inputs)
        for name in found:
            progress.states[name] = {"state": READ, "seconds": 0.0}
        wanted = used(dr, outputs, inputs)
        forget(dr, plan(dr, outputs, wanted, found))
        try:
            return dict(dr.execute(list(outputs), inputs=wanted, overrides=found))
        finally:
            write_json(place.record, {"start": start, "outputs": list(outputs), "nodes": progress.states})


def dry_run(
    outputs: Sequence[str],
    inputs: Mapping[str, Any],
    place: Place,
    start: str = "base",
    module: ModuleType = seq2seq,
) -> list[Plan]:
    """Return what `run` would do with each node, and because of what. Only looks at data, model files and cache."""
    with at(place), quietly():
        dr = build(module, start)
        check(dr, outputs, inputs)
        found = sources(module, start, outputs, inputs)
        return plan(dr, outputs, used(dr, outputs, inputs), found)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep Hamilton from logging a page about an error that is raised anyway as one line."""
    logger = logging.getLogger("hamilton")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def line(one: Plan) -> str:
    """Return what would be done with a node as a line."""
    return f"{one.node:<36}{f'will run, because {one.because}' if one.run else 'cached'}"


def check(dr: driver.Driver, outputs: Sequence[str], inputs: Mapping[str, Any]) -> None:
    """Raise LabError for an output or an input that the dataflow does not have, and for an input that it lacks."""
    variables = dr.list_available_variables()
    nodes = {one.name for one in variables if not one.is_external_input}
    known = {one.name for one in variables if one.is_external_input}
    if unknown := next((name for name in outputs if name not in nodes), None):
        raise LabError(f"outputs: no node '{unknown}' in this dataflow{nearest(unknown, nodes)}")
    if unknown := next((name for name in inputs if name not in known), None):
        raise LabError(f"inputs: no input '{unknown}' in this dataflow{nearest(unknown, known)}")
    needed = {name for node in dr.what_is_upstream_of(*outputs) for name in node.required_dependencies}
    if lacks := sorted((needed & known) - inputs.keys()):
        raise LabError(f"inputs: the outputs need {', '.join(lacks)}")
