"""BLEU, chrF, ROUGE, distinct-n, length and exact match, as a metric of Hugging Face `evaluate`."""

import datasets
import evaluate

from lab_lib.evaluation.text import score_text

DESCRIPTION = "sacrebleu's BLEU and chrF, rouge-score's ROUGE (the stemmer flag is in the signature), distinct-n."
INPUTS = """
predictions, references: texts, one reference each; stemmer: False; resamples (0: no intervals); seed;
groups: the dialogue of each text, to be resampled whole.
"""


class Text(evaluate.Metric):
    """See INPUTS."""

    def _info(self):
        features = datasets.Features({name: datasets.Value("string") for name in ("predictions", "references")})
        return evaluate.MetricInfo(description=DESCRIPTION, citation="", inputs_description=INPUTS, features=features)

    def _compute(self, predictions, references, stemmer=False, groups=None, resamples=0, seed=0):
        return score_text(predictions, references, groups, stemmer, resamples, seed).as_json()
