"""Accuracy, F1, balanced accuracy, recalls and confusions of emotion labels, as a metric of Hugging Face `evaluate`."""

import datasets
import evaluate

from lab_lib.evaluation.emotion import EMOTIONS, score_emotions

DESCRIPTION = "Emotion recognition; which classes each mean is over is in the signature."
INPUTS = """
predictions, references: labels, names of classes or their numbers from 0; classes: DailyDialog's seven in its order;
groups: the dialogue of each label, to be resampled whole; resamples (0: no intervals); seed.
"""


class Emotion(evaluate.Metric):
    """See INPUTS."""

    def _info(self):
        forms = [
            datasets.Features({name: datasets.Value(kind) for name in ("predictions", "references")})
            for kind in ("int64", "string")
        ]
        return evaluate.MetricInfo(description=DESCRIPTION, citation="", inputs_description=INPUTS, features=forms)

    def _compute(self, predictions, references, classes=EMOTIONS, groups=None, resamples=0, seed=0):
        return score_emotions(predictions, references, classes, groups, resamples, seed).as_json()
