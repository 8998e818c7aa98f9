"""The dev evaluation of training: several processes share its sample, and each has the scores of all of it."""

from __future__ import annotations

import pytest
from rich.console import Console
from tiny_models import tiny_llama

from lab_lib.files import read_jsonl
from lab_lib.processes.rank import Processes
from lab_lib.runs import fit
from lab_lib.runs.config import load_recipe
from lab_lib.runs.context import open_context, plan_run


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """Return (context, built model) of a run whose dev sample has three dialogues."""
    folder = tmp_path_factory.mktemp("dev")
    settings = ["training.evaluate_every=1", "training.evaluate_dialogues=3", "decoding.max_new_tokens=3"]
    small = [f"model.name={tiny_llama(folder / 'model')}", "model.quantisation=none", "lora.rank=2", "data.max_train=1"]
    console = Console(quiet=True)
    planned = plan_run(load_recipe("town-qlora-cpu", [*settings, *small, "prompt.max_tokens=500"]), ("train",), console)
    context = open_context(*planned, folder / "run", console)
    return context, fit.build_model(context.config)


def test_each_process_decodes_its_share_of_the_dev_sample_and_scores_all_of_it(evaluation, monkeypatch):
    context, built = evaluation
    alone: list = []

    class Recorded(Processes):
        def gather(self, value):
            alone.extend(value)
            return [value]

    monkeypatch.setattr(fit, "this_process", Recorded)
    wanted = fit.dev_evaluation(context, built)(built.model, 1)
    shares = []

    class Shared(Processes):
        def gather(self, value):
            shares.append({(reply.key, reply.turn) for reply in value})
            assert all(reply in alone for reply in value)
            return [value, [reply for reply in alone if (reply.key, reply.turn) not in shares[-1]]]

    for rank in range(2):
        monkeypatch.setattr(fit, "this_process", lambda rank=rank: Shared(rank, 2))
        assert fit.dev_evaluation(context, built)(built.model, 1) == wanted
    assert shares[0] and shares[1] and not shares[0] & shares[1]
    assert len(shares[0] | shares[1]) == len(alone)
    assert "combined" in wanted and len(read_jsonl(context.folder.path / "samples.jsonl")) == 3
