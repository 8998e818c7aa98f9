"""The columns of the tables of the task emotion."""

from __future__ import annotations

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.evaluation.scores import Metric
from lab_lib.tasks.emotion_measures import OTHERS

TAILS = ("", "2")  # of the keys of metrics by the first and the second judge
# Tables of their own.
GOLD, TEXT, SECOND, REWARD = "corpus's emotion", "text", "second judge", "judge that rewarded"
RECALL, CORRECTED = "recall by emotion", "corrected recall by emotion"
BY_EMOTION = (
    *(Metric(f"recall_{emotion}", emotion, "%", group=RECALL,
             explanation="An emotion: of the replies that should have it, those in which the first judge finds it.")
      for emotion in EMOTIONS),
    *(Metric(f"corrected_{emotion}", emotion, "%", group=CORRECTED,
             explanation="Corrected: without the errors of the judge. An emotion that the judge cannot tell has no "
                         "value.")
      for emotion in EMOTIONS),
)  # fmt: skip
METRICS = (
    Metric("control", "Control", "%",
           explanation="Control: replies with the emotion asked for, by the first judge, for which all seven are "
                       "equally frequent; the mean over them."),
    Metric("corrected", "Corrected", "%",
           explanation="Corrected: control without the errors of the judge, for the emotions that it can tell."),
    Metric("macro_f1", "Macro F1", explanation="Macro F1: of the emotions found against those asked for."),
    Metric("relevance", "Relevance", "%",
           explanation=f"Relevance: replies nearer to the corpus's reply in their dialogue than to those in {OTHERS} "
                       "others (chance 10 %)."),
    Metric("own_history", "Own history", "%",
           explanation=f"Own history: replies nearer to their own history than to {OTHERS} others; copies of the "
                       "user reach 100 %."),
    Metric("similarity", "Similarity", explanation="Similarity: cosine with the corpus's reply, where its emotion is "
                                                   "asked for, times 100.", low=-100.0),
    Metric("control2", "Control", "%", group=SECOND, explanation="Control, corrected: as above, by the second judge."),
    Metric("corrected2", "Corrected", "%", group=SECOND),
    Metric("agreement", "Agreement", "%", group=SECOND,
           explanation="Agreement: replies in which both judges find the same emotion."),
    Metric("rewarded", "Control", "%", descriptive=True, group=REWARD,
           explanation="Control: by the judge that rewarded in preference tuning. It must rise if the tuning worked, "
                       "but it is no result."),
    Metric("gold_accuracy", "Accuracy", "%", group=GOLD,
           explanation="Accuracy, weighted F1: of the replies to the emotion that the corpus has there, first judge. "
                       "Most of them are neutral in DailyDialog."),
    Metric("gold_corrected", "Corrected accuracy", "%", group=GOLD,
           explanation="Corrected accuracy: without the errors of the judge, for the emotions that it finds with the "
                       "corpus's priors. It is too high if the judge's errors follow the request, as for copies of "
                       "the user."),
    Metric("gold_weighted_f1", "Weighted F1", group=GOLD),
    Metric("perplexity", "Perplexity", "", low=1.0, high=None, higher_is_better=False, group=TEXT,
           explanation="Perplexity: of the replies behind their histories, per word, under a model that wrote none."),
    Metric("length", "Length", "words", high=None, descriptive=True, group=TEXT),
    Metric("distinct1", "Distinct-1", "%", descriptive=True, group=TEXT),
    Metric("distinct2", "Distinct-2", "%", descriptive=True, group=TEXT,
           explanation="Distinct-2: pairs of words in all replies that are different."),
    Metric("repeating", "Repeating", "%", higher_is_better=False, group=TEXT,
           explanation="Repeating: replies in which three words stand twice in the same order."),
    Metric("copied", "Copied", "%", higher_is_better=False, group=TEXT,
           explanation="Copied: replies that stand in the training split, word for word."),
    Metric("new_control", "Control, new", "%", group=TEXT,
           explanation="Control, new: control of the replies that are not copied, for the emotions that have any."),
    *BY_EMOTION,
)  # fmt: skip
SHOWN = [metric.key for metric in METRICS]
DESCRIPTIVE = [metric.key for metric in METRICS if metric.descriptive]
