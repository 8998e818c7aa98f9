"""How likely given answers are: all in one pass, the same as one pass for each."""

from __future__ import annotations

import math

import pytest
from tiny_models import tiny_gpt2, tiny_llama, tiny_t5

from lab_lib.decoding.candidates import candidate_log_probs, one_by_one
from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model

CANDIDATES = {"no": [[7, 8]], "none": [[7, 9, 2], [11]], "yes": [[20]], "longer": [[7, 9, 3, 4, 5]]}
ASKED = [([1, 5, 9, 30, 2], CANDIDATES), ([1, 40], {"one": [[3, 4]]}), ([1, *range(50, 90)], CANDIDATES)]


@pytest.mark.parametrize(
    ("make", "settings"),
    [(tiny_llama, {}), (tiny_llama, {"attention": "eager"}), (tiny_gpt2, {}), (tiny_t5, {})],
    ids=["sdpa", "eager", "gpt2", "t5"],
)
def test_answers_read_together_are_as_likely_as_each_alone(make, settings, tmp_path):
    loaded = load_model(ModelConfig(str(make(tmp_path)), quantisation="none", dtype="fp32", **settings))
    loaded.model.eval()
    found = candidate_log_probs(ASKED, loaded, batch_size=2)
    for (prompt, candidates), log_probs in zip(ASKED, found, strict=True):
        alone = one_by_one(loaded.model, prompt, candidates)
        assert log_probs.keys() == candidates.keys()
        assert all(log_probs[name] == pytest.approx(alone[name], abs=1e-4) for name in candidates)
    every = {str(token): [[token]] for token in range(loaded.model.config.vocab_size)}
    (whole,) = candidate_log_probs([([1, 5], every)], loaded, batch_size=1)
    assert sum(map(math.exp, whole.values())) == pytest.approx(1, abs=1e-4)


def test_an_answer_without_a_token_is_refused():
    with pytest.raises(LabError, match="the answer 'yes' has no token"):
        candidate_log_probs([([1], {"yes": [[]]})], None, 1)
