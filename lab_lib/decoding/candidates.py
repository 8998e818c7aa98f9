"""Compute the log-probabilities of given answers: the names of skills, yes and no, the options of a question.

An answer that a tokenizer can encode in several ways has several spellings, whose probabilities are added. The answers
to a prompt share beginnings, so they are read as one tree after the prompt, in one pass of the model. Models that do
not support the mask of a tree read each answer in a separate pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab_lib.errors import LabError

Candidates = Mapping[str, Sequence[Sequence[int]]]  # answer (or the beginning of one) -> its spellings, token ids
Asked = tuple[Sequence[int], Candidates]  # the ids of a prompt, and the answers to it


def candidate_log_probs(asked: Sequence[Asked], loaded: Any, batch_size: int) -> list[dict[str, float]]:
    """Return, for each prompt, {answer: log probability in nats} of its candidates directly after the prompt.

    No spelling may be the beginning of another spelling of the same answer, because it would count twice. Raises
    LabError for an answer without tokens.
    """
    from lab_lib.decoding.cached_decoder import base_model
    from lab_lib.decoding.row_cache import fits
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.hardware import autocast

    for _, candidates in asked:
        if empty := [name for name, spellings in candidates.items() if not spellings or not all(map(len, spellings))]:
            raise LabError(f"the answer {empty[0]!r} has no tokens")
    model = loaded.model
    trees = not model.config.is_encoder_decoder and fits(base_model(model))
    found: dict[int, dict[str, float]] = {}
    with merged_for_decoding(model, exact=False), autocast(loaded.device, loaded.dtype):
        if not trees:
            return [one_by_one(model, *one) for one in asked]
        order = sorted(range(len(asked)), key=lambda place: len(asked[place][0]))  # longest first: less padding
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            found |= zip(places, _as_trees(model, [asked[place] for place in places]), strict=True)
    return [found[place] for place in range(len(asked))]


def one_by_one(model: Any, prompt: Sequence[int], candidates: Candidates) -> dict[str, float]:
    """Return {answer: log probability} with one pass of the model per spelling: the textbook method."""
    import torch

    def log_prob(answer: Sequence[int]) -> float:
        with torch.inference_mode():
            if model.config.is_encoder_decoder:
                shifted = [model.config.decoder_start_token_id, *answer[:-1]]
                inputs = {"input_ids": [list(prompt)], "decoder_input_ids": [shifted]}
            else:
                inputs = {"input_ids": [[*prompt, *answer[:-1]]]}
            tensors = {name: torch.tensor(ids, device=model.device) for name, ids in inputs.items()}
            logits = model(**tensors).logits[0, -len(answer) :].float()
        ids = torch.tensor(list(answer), device=model.device)
        return float(logits.log_softmax(-1).gather(-1, ids[:, None]).sum())

    return {name: _added([log_prob(spelling) for spelling in spellings]) for name, spellings in candidates.items()}


def _added(log_probs: Sequence[float]) -> float:
    return float(np.logaddexp.reduce(log_probs))


@dataclass(frozen=True)
class Tree:
    """The inner tokens of some answers as a tree: node 0 is the end of the prompt, and a node follows its parent.

    `steps` has (answer, spelling) -> [(node, the token that follows it)].
    """

    tokens: list[int]
    parents: list[int]
    steps: dict[tuple[str, int], list[tuple[int, int]]]


def tree_of(candidates: Candidates) -> Tree:
    """Return the tree of some answers.

    >>> tree_of({"no": [[7, 8]], "none": [[7, 9, 2]]}).parents
    [-1, 0, 1]
    """
    tokens, parents, steps = [-1], [-1], dict[tuple[str, int], list[tuple[int, int]]]()
    known: dict[tuple[int, int], int] = {}
    for name, spellings in candidates.items():
        for number, spelling in enumerate(spellings):
            node, walked = 0, []
            for place, token in enumerate(spelling):
                walked.append((node, token))
                if place + 1 < len(spelling):
                    if (node, token) not in known:
                        known[node, token] = len(tokens)
                        tokens.append(token)
                        parents.append(node)
                    node = known[node, token]
            steps[name, number] = walked
    return Tree(tokens, parents, steps)


def _as_trees(model: Any, asked: Sequence[Asked]) -> Iterator[dict[str, float]]:
    """Yield {answer: log probability} of some prompts, read together, padded on the left."""
    import torch

    trees = [tree_of(candidates) for _, candidates in asked]
    nodes = max(len(tree.tokens) for tree in trees)
    width = max(len(prompt) for prompt, _ in asked) + nodes - 1
    ids = torch.zeros((len(asked), width), dtype=torch.long)
    places, seen = torch.zeros_like(ids), torch.eye(width, dtype=torch.bool).repeat(len(asked), 1, 1)
    for row, ((prompt, _), tree) in enumerate(zip(asked, trees, strict=True)):
        first, end = width - nodes + 1 - len(prompt), width - nodes + 1  # all nodes except the first follow it
        ids[row, first:end], places[row, first:end] = torch.tensor(list(prompt)), torch.arange(len(prompt))
        seen[row, first:end, first:end] = torch.ones(len(prompt), len(prompt), dtype=torch.bool).tril()
        for node in range(1, len(tree.tokens)):
            column, parent = end - 1 + node, end - 1 + tree.parents[node]
            ids[row, column], places[row, column] = tree.tokens[node], places[row, parent] + 1
            seen[row, column] |= seen[row, parent]
    logits = _forward(model, ids, places, seen, nodes)
    for row, tree in enumerate(trees):
        found: dict[str, list[float]] = {}
        for (name, _), walked in tree.steps.items():
            found.setdefault(name, []).append(sum(float(logits[row, node, token]) for node, token in walked))
        yield {name: _added(values) for name, values in found.items()}


def _forward(model: Any, ids: Any, places: Any, seen: Any, nodes: int) -> Any:
    """Return the log probabilities (rows, nodes, vocabulary) after the last `nodes` columns."""
    import inspect

    import torch

    from lab_lib.decoding.cached_decoder import base_model

    base, mask = base_model(model), seen[:, None].to(model.device)
    if base.config._attn_implementation == "eager":  # plain attention adds a number to each score
        dtype = base.get_input_embeddings().weight.dtype
        mask = torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
    keep = {"logits_to_keep": nodes} if "logits_to_keep" in inspect.signature(base.forward).parameters else {}
    inputs = {"input_ids": ids.to(model.device), "position_ids": places.to(model.device), "attention_mask": mask}
    with torch.inference_mode():
        logits = model(**inputs, use_cache=False, **keep).logits[:, -nodes:]
    return logits.float().log_softmax(-1).cpu()
