# %% [markdown]
# # 08 · Emotion
#
# **What you will learn**
#
# * which published numbers need no model at all, and how to build a test that they fail;
# * to compute a loss mask from the structure of a conversation, and what a search for markers does instead;
# * to train a judge in a second, to read its confusion matrix, and to correct a score for its errors;
# * to raise control with one setting (guidance), and to see that the text gets worse;
# * what preference tuning (DPO) computes, with one pair, by hand.
#
# **Time** 55 minutes for the core exercises, 100 with the optional ones and the questions (estimates). **Needs** labs
# 01, 02 and 04; no GPU, no network.
#
# A model reads a conversation and the emotion that its reply should have. Another model, the *judge*, says which
# emotion the reply has. Each step can give a good number without a good reply.

# %% tags=["parameters"]
FULL = False  # True: train to the end of the recipe, and test on all conversations (some minutes on 2 cores)
RECIPE = "emotion-tiny-cpu"
STEPS = None if FULL else 50  # optimiser steps of our training, with 8 conversations each; None: as the recipe says
DIALOGUES = None if FULL else 10  # test conversations, each asked for seven emotions; None: all
STRENGTHS = (1.0, 1.5, 2.0, 3.0, 5.0) if FULL else (1.0, 2.0, 4.0)

# %%
from rich.console import Console

from lab_lib.corpora.dailydialog.read import read_talks
from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.course import check, corridor, lab_folder, show, widgets

say = Console(force_terminal=False, force_jupyter=False, width=96)  # plain lines below a cell
LAST = dict(neutral=717, happiness=240, sadness=18, anger=9, surprise=9, disgust=6, fear=1)
print(f"fine-tuned for weeks, published: 78.8 % (untuned: 71.8 %)\nalways neutral: {LAST['neutral'] / 10} %")

# %% [markdown]
# `LAST` holds the emotions of the last replies of DailyDialog's 1,000 test conversations. A published project
# ([emotion-chat-bot](https://github.com/hermeschen1116/emotion-chat-bot)) trained Llama 2 7B to reply with the emotion
# of the corpus, and a judge found this emotion in 78.8 % of the replies. The untuned model, which was **not told** the
# emotion, had 71.8 %, and a system that always replies neutrally would have 71.7 %. A system that repeats the emotion
# of the user, which is in the prompt, would have 76.3 %.
#
# DailyDialog may not be given away with a course (its licence is CC BY-NC-SA), so we work with conversations of our own in
# the same layout.

# %%
splits = read_talks("everyday").splits
for one in splits["test"][3].said:
    print(f"{one.emotion:10} {one.text}")

# %%
corridor("example", "model", "report")

# %% [markdown]
# ## Two systems without a model
#
# ### Exercise 08.1 · What labels alone give 🍇 · core
#
# `pairs` has one pair per conversation: (emotion of the user's last words, emotion of the reply). Return a pair of
# accuracies: first that of a system whose replies are always `"neutral"`, then that of a system whose replies have the
# emotion of the user. An accuracy is the share of pairs in which the system's emotion is that of the reply. Raise
# `ValueError` if there are no pairs.

# %%
def trivial_accuracies(pairs):
    """Return (accuracy of always neutral, accuracy of copying the user's emotion)."""
    ### BEGIN SOLUTION
    if not pairs:
        raise ValueError("no conversations")
    neutral = sum(reply == "neutral" for _, reply in pairs) / len(pairs)
    return neutral, sum(user == reply for user, reply in pairs) / len(pairs)
    ### END SOLUTION


# %%
check("08.1", trivial_accuracies)

# %%
ends = [(user.emotion, reply.emotion) for user, reply in (talk.turns[-1] for talk in splits["test"])]
print("our conversations: always neutral {:.1%}, copy the user {:.1%}".format(*trivial_accuracies(ends)))

# %% [markdown]
# ### Question 🍇🍇: told against not told
#
# *Answer from: this notebook.*
#
# The published comparison was 71.8 % (untuned, in the model's own prompt format) against 78.8 % (tuned, with the gold
# emotion in a tag). Name two reasons for the difference that have nothing to do with learning. Which row is missing?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The tuned model was told the answer, the untuned one was not. A row "untuned, told in words" is missing, and it might
# explain the whole difference. Also, the prompt of the tuned model contains the user's emotion as a tag, and copying
# this tag gives 76.3 %. Only 283 of the 1,000 conversations end with an emotion at all, and of 240 of these the emotion
# is happiness, so the test says next to nothing about the other five. It was one run; the template and the number of
# epochs were chosen on this test set; and the judge is right less often than "always neutral".
# <!-- END SOLUTION -->

# %% [markdown]
# ## A mask from structure
#
# Only the reply and its end token are supervised. The project tried four templates. They differ in the place of the
# reply's emotion tag, and in whether the tags of user and reply have the same name.
#
# ### Exercise 08.2 · The loss mask 🍇🍇 · core
#
# `pieces` are the parts of a conversation in order, as (role, tokens). Return a list with one boolean per token of all
# pieces: `True` if the token is supervised. Supervised are only tokens of pieces with the role `"assistant"`: in each
# such piece, all tokens up to and including the first `"</s>"`. The tokens after it (a line break) are not supervised.

# %%
def role_mask(pieces):
    """Return for each token whether it is in the loss."""
    ### BEGIN SOLUTION
    mask = []
    for role, tokens in pieces:
        learned = role == "assistant"
        for token in tokens:
            mask.append(learned)
            learned = learned and token != "</s>"
    return mask
    ### END SOLUTION


# %%
PIECES = [
    ("tool", ["[INST]", "[EMOTION]", "sadness", "[/EMOTION]"]),
    ("user", ["I", "lost", "my", "ring", "[/INST]"]),
    ("tool", ["[EMOTION]", "neutral", "[/EMOTION]"]),
    ("assistant", ["Where", "was", "it", "?", "</s>", "\n"]),
    ("tool", ["[INST]", "[EMOTION]", "fear", "[/EMOTION]"]),
    ("user", ["In", "the", "river", "[/INST]"]),
    ("tool", ["[EMOTION]", "happiness", "[/EMOTION]"]),
    ("assistant", ["I", "found", "it", "!", "</s>"]),
]
show("08.2", role_mask, PIECES)

# %%
check("08.2", role_mask)

# %% [markdown]
# The project used a collator that does not know roles. It searches the tokens and pairs the i-th instruction marker
# (`[INST]`) with the i-th response marker; the tokens between the two are masked. In the template above the response
# marker is `[/EMOTION]`, which occurs twice in each turn.

# %%
from lab_lib.prompts.marker_search import marker_mask

TOKENS = [token for _, tokens in PIECES for token in tokens]
NAMES = {token: number for number, token in enumerate(dict.fromkeys(TOKENS))}
searched = marker_mask([NAMES[t] for t in TOKENS], [NAMES["[INST]"]], [NAMES["[/EMOTION]"]])
right = role_mask(PIECES)
print("marker search:", " ".join(f"_{t}_" if m else t for t, m in zip(TOKENS, searched, strict=True)).replace("\n", "\\n"))
share = sum(m and not r for m, r in zip(searched, right, strict=True)) / (len(right) - sum(right))
print(f"{share:.0%} of the prompt is in the loss")

# %% [markdown]
# Now all four templates with a real tokenizer. With three of them the search finds the replies; the project chose the
# fourth. Its comparison of templates therefore compared two kinds of training.

# %%
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import training_examples
from lab_lib.prompts.tagged import TAGS, TaggedLayout, tag_names
from lab_lib.prompts.text import template_ids
from lab_lib.tasks.emotion_text import messages

talk = next(talk for talk in splits["train"] if len(talk.turns) == 3)
for template in TAGS:
    tokenizer, _ = load_tokenizer(find_source("lab-tiny"))
    tokenizer.add_tokens(["[INST]", "[/INST]", *tag_names(template)], special_tokens=True)
    written = TaggedLayout(tokenizer, PromptConfig(template="chat"), template)
    (example,) = training_examples(messages(talk, template, None), talk.key, tokenizer, written.config, layout=written)
    marker = tag_names(template)[-1] if template.startswith("out_") else "[/INST]"
    found = marker_mask(example.ids, template_ids("[INST]", tokenizer), template_ids(marker, tokenizer))
    prompt = [seen for seen, mine in zip(found, example.loss_mask, strict=True) if not mine]
    print(f"{template:13} of {len(prompt)} tokens of the prompt, a marker search learns {sum(prompt):3}; roles learn 0")

# %% [markdown]
# ## A test that can be failed
#
# Each history is combined with all seven emotions. A system that ignores the request is then right for one seventh of
# them.
#
# ### Exercise 08.3 · Balanced control 🍇🍇 · core
#
# `pairs` has one pair per reply: (emotion asked for, emotion found). For each emotion **that was asked for**, take the
# pairs in which it was asked for, and compute the share in which it was also found. Return the mean of these shares.
# Raise `ValueError` if there are no pairs.

# %%
def control(pairs):
    """Return the mean over the emotions asked for of the share of replies that have them."""
    ### BEGIN SOLUTION
    if not pairs:
        raise ValueError("no replies")
    hits = {}
    for asked, found in pairs:
        hits.setdefault(asked, []).append(asked == found)
    return sum(sum(one) / len(one) for one in hits.values()) / len(hits)
    ### END SOLUTION


# %%
check("08.3", control)

# %%
gold = [(reply, "neutral") for reply, count in LAST.items() for _ in range(count)]
print(f"always neutral, asked for the corpus's emotions: accuracy {sum(a == b for a, b in gold) / 1000:.1%}, ", end="")
print(f"control {control(gold):.1%}")

# %% [markdown]
# ## A judge in a second
#
# TF-IDF weights words and parts of words; a logistic regression turns the weights into seven probabilities. The judge
# is trained on one half of the training conversations; the other half shows how good it is.

# %%
import numpy as np

from lab_lib.evaluation.judges.labelled import half_of, labelled, priors_of
from lab_lib.evaluation.judges.tfidf import fit_tfidf

learned, kept_out = (labelled(half_of(splits["train"], half)) for half in ("score", "reward"))
judge, priors = fit_tfidf(learned), priors_of(learned)
for text in ("I'm so happy for you!", "There is a spider in my bed.", "The bus leaves at nine.", "That is disgusting."):
    row = judge.probabilities([text])[0]
    print(f"{EMOTIONS[row.argmax()]:10} {row.max():.0%}  {text}")

# %% [markdown]
# About half of its training utterances are neutral, so in doubt it answers *neutral*. In a test that asks for each
# emotion equally often, this is a bias.
#
# ### Exercise 08.4 · Even priors 🍇🍇 · optional
#
# `row` is a list of the judge's probabilities for one text, `priors` a list of the shares of the emotions in its
# training data. Return the probabilities for a test in which all emotions are equally frequent: by Bayes' rule, divide
# each probability by its prior, and normalise them to sum 1.

# %%
def even(row, priors):
    """Return the probabilities of a text as they are where all emotions are equally frequent."""
    ### BEGIN SOLUTION
    shifted = [value / prior for value, prior in zip(row, priors, strict=True)]
    return [value / sum(shifted) for value in shifted]
    ### END SOLUTION


# %%
check("08.4", even)

# %%
rows = judge.probabilities(kept_out.texts)
evened = np.array([even(row.tolist(), priors) for row in rows])
confusion = np.zeros((7, 7), dtype=int)
np.add.at(confusion, (kept_out.labels, evened.argmax(axis=1)), 1)
for name, made in (("the corpus's priors", rows), ("even priors", evened)):
    hit = made.argmax(axis=1) == kept_out.labels
    recalls = [hit[kept_out.labels == number].mean() for number in range(7)]
    print(f"{name:20} accuracy {hit.mean():.1%}, mean recall {np.mean(recalls):.1%}")
print("\ntrue       " + "".join(f"{name[:9]:>10}" for name in EMOTIONS))
for name, line in zip(EMOTIONS, confusion, strict=True):
    print(f"{name:11}" + "".join(f"{count:10}" for count in line))

# %% [markdown]
# The accuracy falls, the mean recall rises. Which of the two matters depends on the test: ours asks for all seven
# emotions equally often.
#
# The judge's errors change the score. Suppose that a system replies with fear whenever fear is requested. If the judge
# finds half of all fear, it calls this system half right. If the judge also calls a tenth of all other texts fear, a
# system that never replies with fear still gets a tenth.
#
# ### Exercise 08.5 · What is behind a measured share? 🍇🍇 · optional
#
# A judge finds fear in the share `measured` of some replies. It finds fear in the share `recall` of all texts with
# fear, and in the share `false_alarms` of all texts without fear. Return p, the true share of the replies that have
# fear (Rogan and Gladen 1978), from
#
#     measured = p * recall + (1 - p) * false_alarms
#
# A share lies between 0 and 1: replace a smaller result by 0 and a larger one by 1. Raise `ValueError` if `recall` is
# not above `false_alarms`: such a judge cannot distinguish the two.

# %%
def true_share(measured, recall, false_alarms):
    """Return the share of replies that have the emotion."""
    ### BEGIN SOLUTION
    if recall <= false_alarms:
        raise ValueError("this judge cannot tell: it finds no more with the emotion than without it")
    return min(1.0, max(0.0, (measured - false_alarms) / (recall - false_alarms)))
    ### END SOLUTION


# %%
check("08.5", true_share)

# %%
for number, name in enumerate(EMOTIONS):
    recall = confusion[number, number] / confusion[number].sum()
    rest = np.delete(confusion, number, axis=0)
    alarms = rest[:, number].sum() / rest.sum()
    print(f"{name:10} recall {recall:.2f}, false alarms {alarms:.2f}; "
          f"40 % measured means {true_share(0.4, recall, alarms):.0%}")  # fmt: skip

# %% [markdown]
# The package corrects all seven emotions at once (`evaluation/judges/confusion.py`), with an interval over the judge's
# test utterances. An emotion with a recall below 20 % is marked *not identifiable*.
#
# ### Question 🍇🍇: who may judge?
#
# *Answer from: this notebook.*
#
# In the project, one kind of classifier scored the replies and also gave the reward for preference tuning. Its authors
# report that it was right for 81 % of DailyDialog's utterances. What is wrong with each of the two facts? What score
# does "retrieve a training reply with the right emotion" get from a judge that was trained on these replies?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# "Always neutral" is right for 81.7 % of the test utterances (`results/judge-dailydialog`), so the judge is worse than
# no judge. If a score is also the reward, a higher score shows only that the reward was learned, including its
# mistakes (Goodhart's law). The judge that scores must therefore be another one, trained on other labels. A judge has
# memorised its training replies, so it is right about nearly all of them, whoever uses them as answers. The rows of
# our tables retrieve from the half of train that the judge has not seen.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Train, and look at the row to beat
#
# The recipe trains an adapter on our conversations. In the table, the row *training reply with that emotion* takes the
# training reply with the requested emotion whose history is nearest. This reply is fluent, and it has the emotion.

# %%
from lab_lib.runs.config import load_recipe
from lab_lib.runs.run import run

changes = ["task.embedder=null", "model.dtype=fp32", "model.attention=auto"]  # relevance: needs the extra `embeddings`
changes += [] if STEPS is None else [f"training.steps={STEPS}", "training.batch_size=8", "model.quantisation=none"]
changes += [] if DIALOGUES is None else [f"data.max_test={DIALOGUES}"]
config = load_recipe(RECIPE, changes)
own = run(config, lab_folder("08", config), say, ("train", "finetuned", "report"))  # other settings, another folder

# %% [markdown]
# ### Question 🍇🍇: read the table
#
# *Answer from: this notebook.*
#
# Which rows could be mistaken for good systems if *Control* were the only column? What does *Copied* say about the fine-tuned
# model? And why do gold utterances not reach 100 %?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# The retrieved replies have high control, but nobody wrote them for this history: *Copied* is 100 %, and in
# [our record](../results/emotion-tiny-cpu/record.json) of the whole recipe only 13.3 % of them are nearer to the reply
# of the corpus than to those of nine other conversations (chance: 10 %). A fine-tuned model that copies training
# replies does the same with more effort. Gold utterances have their emotion, so the gap to 100 %
# comes from errors of the judge. Without the correction, no system can be expected above them.
# <!-- END SOLUTION -->

# %% [markdown]
# ## A knob: guidance
#
# At each step the model can be run twice: with the request (*told*) and with a request for a neutral reply (*untold*).
# The difference between the two can then be amplified.
#
# ### Exercise 08.6 · Guided log probabilities 🍇🍇 · optional
#
# `told` and `untold` are log probabilities of the next token. Both are lists of the same length. Return, as a list,
# `untold + strength * (told - untold)` for each token, normalised again so that the `exp` of the results sums to 1.
# Values may be as small as -5000.

# %%
import math


def guided(told, untold, strength):
    """Return the guided log probabilities."""
    ### BEGIN SOLUTION
    raw = [without + strength * (with_it - without) for with_it, without in zip(told, untold, strict=True)]
    top = max(raw)
    total = top + math.log(sum(math.exp(value - top) for value in raw))
    return [value - total for value in raw]
    ### END SOLUTION


# %%
show("08.6", guided, ["fine", "oh", "hooray", "no"], [0.5, 0.2, 0.2, 0.1], [0.8, 0.1, 0.05, 0.05])

# %%
check("08.6", guided)

# %% [markdown]
# Strength 1 is the told model, 0 the untold one, and above 1 the request counts more than in training. The next cell
# shows the curve for our model: control, and the share of different pairs of words:

# %%
from dataclasses import replace

from lab_lib.decoding.generate import generate_replies
from lab_lib.runs.config import load_run_config, make_task
from lab_lib.runs.steps import load_answering, model_config, prompts_of
from lab_lib.tasks.splits import load_splits
from lab_lib.tasks.emotion_measures import text_figures

config = load_run_config(own.path)
task = make_task(config)
items = load_splits(task).reported[: None if FULL else 5]
loaded = load_answering(model_config(config, own, "finetuned"), config.prompt)
asked = prompts_of(task, items, loaded.tokenizer)
curve = []
for strength in STRENGTHS:
    how = replace(config.decoding, guidance=strength, max_new_tokens=20)
    replies = list(generate_replies(loaded.model, loaded.tokenizer, asked, how))
    texts = [reply.response for reply in replies]
    found = np.array([even(row.tolist(), priors) for row in judge.probabilities(texts)]).argmax(axis=1)
    pairs = [(reply.facts["emotion"], EMOTIONS[number]) for reply, number in zip(replies, found, strict=True)]
    curve.append((strength, control(pairs), text_figures(texts)["distinct2"] / 100))
    happy = next(text for (wanted, _), text in zip(pairs, texts, strict=True) if wanted == "happiness")
    print(f"strength {strength:g}: control {curve[-1][1]:.0%}, different pairs of words {curve[-1][2]:.0%}; "
          f"happy: {happy[:50]!r}")  # fmt: skip

# %%
from lab_lib.course.drawing import COLOURS, panels

with panels(5.6, 3.4) as (axes,):
    strengths, controls, variety = zip(*curve, strict=True)
    axes.plot(strengths, [100 * one for one in controls], color=COLOURS[0], marker="o", label="control")
    axes.plot(strengths, [100 * one for one in variety], color=COLOURS[1], marker="s", label="different pairs of words")
    axes.set(xlabel="strength of guidance", ylabel="share (%)", ylim=(0, 100))
    axes.legend(frameon=False)

# %% [markdown]
# Guidance amplifies what the request changes. If a model has hardly learned to follow the request, like ours after so
# few steps, there is little to amplify, and only noise grows: compare with `FULL = True`. For all items, and with
# relevance, run `lab decode RUN --sweep --grid decoding.guidance=1,1.5,2,3,5`.
#
# ## Preference tuning, with one pair
#
# DPO needs no reward during training, only pairs: a chosen and a rejected reply to the same prompt. It compares the
# model with the *reference*, a frozen copy of the model before this training.

# %%
from lab_lib.course import sketch

sketch("dpo")

# %% [markdown]
# ### Exercise 08.7 · The loss of a pair 🍇🍇 · core
#
# The four numbers are log probabilities of the whole replies: by the model (`chosen`, `rejected`) and by the reference
# (`ref_chosen`, `ref_rejected`). How much more likely a reply has become is its log probability by the model minus that
# by the reference. The margin m is `beta` times (this difference for the chosen reply minus the same for the rejected
# reply). Return the loss, `-log(1 / (1 + exp(-m)))`. m may be as small as -5000; the loss is then 5000.

# %%
def dpo_loss(chosen, rejected, ref_chosen, ref_rejected, beta):
    """Return the DPO loss of one pair."""
    ### BEGIN SOLUTION
    margin = beta * ((chosen - ref_chosen) - (rejected - ref_rejected))
    return max(0.0, -margin) + math.log1p(math.exp(-abs(margin)))
    ### END SOLUTION


# %%
check("08.7", dpo_loss)

# %% [markdown]
# We make a pair: four replies are sampled for one request, and a judge that does not score in this lab chooses the best
# one. This judge was trained on the other half of the data.

# %%
rewarder, other_priors = fit_tfidf(kept_out), priors_of(kept_out)
prompt = next(one for one in asked if one.facts["emotion"] == "happiness")
drawn = []
for seed in range(4):
    how = replace(config.decoding, sample=True, temperature=1.0, top_p=0.9, seed=seed, max_new_tokens=20)
    drawn += [reply.response for reply in generate_replies(loaded.model, loaded.tokenizer, [prompt], how)]
rewards = [even(row.tolist(), other_priors)[EMOTIONS.index("happiness")] for row in rewarder.probabilities(drawn)]
best, worst = drawn[int(np.argmax(rewards))], drawn[int(np.argmin(rewards))]
print(f"chosen   {max(rewards):.0%} happy  {best!r}\nrejected {min(rewards):.0%} happy  {worst!r}")

# %% [markdown]
# At the beginning the model is its reference, so the margin is 0 and the loss log 2. We train on this pair alone.

# %%
import torch

from lab_lib.runs.steps import load_ready

tuned = load_ready(model_config(config, own, "finetuned"), config.prompt, for_training=True)
tuned.model.eval()  # no dropout: the same text has the same probability each time


def log_prob(reply):
    """Return the log probability of a reply behind the prompt, by the model that is trained, as a tensor."""
    ids = [*template_ids(f" {reply}", tuned.tokenizer), tuned.tokenizer.eos_token_id]
    logits = tuned.model(torch.tensor([[*prompt.ids, *ids]])).logits[0, len(prompt.ids) - 1 : -1].float()
    return logits.log_softmax(-1)[range(len(ids)), ids].sum()


with torch.no_grad():
    start = log_prob(best).item(), log_prob(worst).item()
weights = [weight for weight in tuned.model.parameters() if weight.requires_grad]
optimiser = torch.optim.AdamW(weights, lr=1e-4)
for step in range(9):
    now = log_prob(best), log_prob(worst)
    if step % 2 == 0:
        values = [one.item() for one in now]
        loss = dpo_loss(*values, *start, beta=0.1)
        print(f"step {step}: loss {loss:.3f}, log p of chosen {values[0]:6.1f}, of rejected {values[1]:6.1f}")
    margin = 0.1 * ((now[0] - start[0]) - (now[1] - start[1]))
    torch.nn.functional.softplus(-margin).backward()
    optimiser.step()
    optimiser.zero_grad()

# %% [markdown]
# ### Question 🍇🍇: what does a falling loss prove?
#
# *Answer from: this notebook.*
#
# The loss asks for a margin. Name two ways in which it may fall without better replies. Which figures belong beside it?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Both log probabilities may fall, the rejected one faster: the margin grows, and the model moves to a third text that
# nobody chose. Or the replies of the pairs differ in something else, such as length or an exclamation mark, and the
# model learns this. Therefore show the log probabilities of both replies during training (`preferences.png`), use pairs
# of similar length, and report control by a judge that gave no reward, relevance, fluency and length before and after.
# Compare with the row of the run from which the training started.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Talk to it
#
# Every template needs the user's emotion, but users do not tag what they say. Therefore the judge predicts it.

# %%
from lab_lib.chat.partner import find_partner
from lab_lib.chat.session import Session

session = Session.open(find_partner(str(own.path), False, None, say))
widgets.emotions(session, "I lost my ring in the river!")

# %% [markdown]
# ## What to try next
#
# * `lab chat RUN --web`: the same in a page of the browser; choose the emotion of each reply.
# * `lab judge train encoder --corpus dailydialog` after `lab data fetch dailydialog`: a second judge, which was pretrained
#   on other text. Do both find the same emotions?
# * `lab pairs RUN` and `lab run emotion-dpo-cpu`: preference tuning with a hundred prompts instead of one pair.
# * `lab sweep emotion-templates-cpu`: the four templates with three seeds each, all with the right mask.
# * `lab run emotion-smollm2-cpu`: a real language model on the real corpus. Is it above the retrieved replies in control,
#   in relevance, or in both?
