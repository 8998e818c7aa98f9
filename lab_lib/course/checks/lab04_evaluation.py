"""Check of the evaluation during training of lab 04: does it leave the state of the training unchanged?"""

from __future__ import annotations

from typing import Any

from lab_lib.course.checks.core import Wrong, call, equal


def evaluation(answer: Any) -> None:
    import torch

    model = torch.nn.Dropout(0.5)
    seen: dict[str, Any] = {}

    def score(asked: Any) -> float:
        seen.update(same=asked is model, training=asked.training, grad=torch.is_grad_enabled(), number=torch.rand(3))
        return 12.5

    with torch.random.fork_rng(), torch.enable_grad():
        for training in (True, False):
            model.train(training)
            torch.manual_seed(7)
            before = torch.get_rng_state()
            given = f"a model in {'training' if training else 'evaluation'} mode"
            got = call(answer, model, score, given=given)
            _evaluated(seen, model, training, given)
            if not torch.equal(before, torch.get_rng_state()):
                raise Wrong(f"for {given}: score drew random numbers, and torch's random state was not restored: "
                            "training would continue with other dropout masks")  # fmt: skip
            if not torch.is_grad_enabled():
                raise Wrong(f"for {given}: gradients are still off afterwards: training would learn nothing")
            equal(got, 12.5, given=f"{given} and a score of 12.5")


def _evaluated(seen: dict[str, Any], model: Any, training: bool, given: str) -> None:
    """Raise Wrong for a wrong state during the scoring, or a wrong mode of the model afterwards."""
    if not seen.get("same"):
        raise Wrong(f"for {given}: score was not called with the model")
    if seen["training"]:
        raise Wrong(f"for {given}: dropout was on while scoring; model.eval() switches it off")
    if seen["grad"]:
        raise Wrong(f"for {given}: gradients were recorded while scoring, which costs memory; use torch.no_grad()")
    if model.training is not training and training:
        raise Wrong(f"for {given}: it was left in evaluation mode; the rest of the training would have no dropout")
    if model.training is not training:
        raise Wrong(f"for {given}: it was left in training mode; restore the mode it was in before")
