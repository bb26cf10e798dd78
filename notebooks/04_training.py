# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Training: one road, four times
#
# The last chapter spoke of perfect networks. These are real ones, and they have to get there first. **Do four networks
# that share everything but the loss all learn, and what can one read off their curves, and what not?**
#
# The student paper reads two things off its own: that the loss wavered by about a hundredth, so that its smaller number
# of images is no great concern, and that training settles around the tenth epoch. Both are looked at here.

# %% tags=["parameters"]
profile = "laptop"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "ce", "ce_rebal"]
settings = {}  # of the profile to change, such as {"width": 0.5}; they need data

# %%
import math

import numpy as np
import pandas as pd
import torch
from myst_nb import glue

from colorize_lib.book import figures
from colorize_lib.config import load_config
from colorize_lib.data.prepare import open_data
from colorize_lib.evaluation import claims, records
from colorize_lib.networks import make_network
from colorize_lib.objectives import HEADS
from colorize_lib.training import loop
from colorize_lib.training.batches import batch_order

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
live = config if config.data else load_config("smoke", arms=arms)

# %% [markdown]
# Two kinds of training appear below. One is *live*: it takes place while this page is made, on generated scenes and at
# toy size, unless a data set was named, in which case it is the real thing. The other is *recorded*: hours of it, on
# photographs, of which the page reads the logs.
#
# ## What the arms share
#
# If two networks saw other images, in another order, or began at other weights, then a difference between them might
# come from that. Here these three are the same for every arm, and they depend on the seed and on nothing else.
#
# The weights first. Networks are built body first and head last, so the random numbers of the body are drawn before
# heads begin to differ:

# %%
networks = {arm: make_network(config, HEADS[arm], seed=0) for arm in config.arms}
bodies = {arm: torch.cat([p.flatten() for p in net.trunk.parameters()]) for arm, net in networks.items()}
first = next(iter(bodies.values()))
same = {arm: torch.equal(body, first) for arm, body in bodies.items()}
pd.Series(same, name="same body as the first").to_frame()

# %% [markdown]
# Then the images. The order of an epoch is a function of seed and epoch number that is never told which arm asks. The
# same goes for which images are mirrored. Every image comes once an epoch:

# %%
orders = [batch_order(1000, seed=0, epoch=epoch) for epoch in (0, 1)]
for epoch, order in enumerate(orders):
    print(f"epoch {epoch} begins with {order[:8]}, each of a thousand once: {len(np.unique(order)) == 1000}")

# %% [markdown]
# That everything hangs on the numbers of seed and step has another use. A run that was interrupted needs no memory of
# random generators: it looks up its step and goes on as if nothing had happened.
#
# ## The settings
#
# Both papers use Adam {cite:p}`kingma2015adam`, which moves each weight by the running mean $m$ of its gradient over
# the root of the running mean $v$ of its square,
#
# $$ \theta \leftarrow \theta - \eta\, \frac{\hat m}{\sqrt{\hat v} + \epsilon} . $$ (eq-adam)
#
# Multiply a loss by ten, and $m$ and $\sqrt v$ both grow tenfold. So losses of very different size, a squared error of
# some hundredths and a cross entropy of some nats, get steps of equal size from one learning rate $\eta$, and none of
# our arms is favoured by its units. The columns of the table are profiles of the library; `student` and `zhang` follow
# the two papers, `laptop` is what the recorded results use, and `evening` has all photographs and begins better.

# %%
shown = ["width", "side", "batch", "steps", "epochs", "train_photos", "lr", "schedule", "betas", "weight_decay"]
profiles = {name: load_config(name) for name in ("smoke", "laptop", "evening", "student", "zhang")}
pd.DataFrame({name: {key: str(getattr(one, key)) for key in shown} for name, one in profiles.items()})

# %% [markdown]
# (A zero for `steps` means that `epochs` counts, a zero for `train_photos` that all are taken.) The schedule *one_cycle*
# lets the learning rate rise over the first part of the run and then fall along a cosine to nothing. A constant rate,
# as in the student paper, stays as coarse at the end as it was in the middle.
#
# ## One learning rate for all?
#
# {eq}`eq-adam` makes the size of a loss irrelevant, but not its shape, and a rate that suits one loss may hurt another.
# A comparison in which one arm was tuned and the other was not is worth little. So every arm was given the same short
# trials, at four rates; test images were not touched. The table shows by how many per cent an arm's own loss, the mean
# over the last stretch of its training, lies above that at the arm's best rate. For rebalanced arms this is the only
# record of what they minimise: the score on validation images is kept without weights.

# %%
trials = records.load_tuning(profile)
own = trials[trials.init == config.init].pivot_table(index="lr", columns="arm", values="loss")
excess = 100 * (own / own.min() - 1)
best, lowest = (excess == 0).T, own.index.min()
glue("arms_tried", len(best), display=False)
glue("best_at_ours", int(best[config.lr].sum()) if config.lr in best else 0, display=False)
glue("best_at_lowest", int(best[lowest].sum()) if lowest in best else 0, display=False)
glue("trial_steps", str(trials.steps.max()) if len(trials) else "no", display=False)
glue("worst_at_ours", float(excess.loc[config.lr].max()) if config.lr in excess.index else math.nan, display=False)
glue("worst_of_all", float(excess.max().max()) if len(trials) else math.nan, display=False)
excess.reindex(columns=[arm for arm in config.arms if arm in own]).round(2)

# %%
seen = trials[trials.init == config.init].pivot_table(index="lr", columns="arm", values="val_plain").idxmin()
for arm in ("l2", "ce"):
    glue(f"{arm}_best_seen", f"{seen[arm]:g}" if arm in seen else "unknown", display=False)

# %% [markdown]
# These are trials of {glue:text}`trial_steps:s` steps, one network each (none are recorded for a profile without
# photographs). The rate that the recorded runs use is the best of {glue:text}`best_at_ours:d` of the
# {glue:text}`arms_tried:d` arms, and for {glue:text}`best_at_lowest:d` of them the best is the lowest that was tried.
# So the grid does not bracket the optimum: a still lower rate might be better, and has not been tried. What can be said
# is that at the rate used no arm lies more than {glue:text}`worst_at_ours:.1f` % above its best trial, and that
# the most that any choice on the grid costs is {glue:text}`worst_of_all:.1f` %. Differences of that size are within
# the luck of one network: on validation images the order is another, with the best rates at
# {glue:text}`l2_best_seen:s` for `l2` and {glue:text}`ce_best_seen:s` for `ce`. What else could be tuned, such as
# betas, decay and longer runs, waits in the list of {doc}`/book/reproduce`.
#
# ## Where to begin
#
# The weights that PyTorch draws by itself have a sixth of the variance that keeps a signal's size through a ReLU, and
# biases as large as what is left of it. Batch norm sets the scale right again at the end of each block, but not within
# it. He's initialisation (no biases, and here a head of small weights) keeps the size throughout. The original began with
# weights rescaled on data, and a known retraining of it without them stalled. The table has short trials of profile
# `evening`, on all photographs: by how many per cent an arm's own loss lies above that arm's best.

# %%
begun = records.load_tuning("evening").pivot_table(index=["init", "lr"], columns="arm", values="loss")
begun = 100 * (begun / begun.min() - 1)
glue("begun_arms", len(begun.columns), display=False)
glue("begun_best_at_lowest", int((begun.loc[("he", 1e-3)] == 0).sum()), display=False)
for arm in ("l2", "ce", "student_mse"):
    glue(f"{arm}_default", float(begun.loc[("default", 2e-3), arm]), display=False)
    glue(f"{arm}_he", float(begun.loc[("he", 1e-3), arm]), display=False)
begun.round(2)

# %% [markdown]
# From PyTorch's own weights `ce` ends {glue:text}`ce_default:.2f` % above its best and `l2` {glue:text}`l2_default:.2f` %,
# from He's at the rate that `evening` uses {glue:text}`ce_he:.2f` and {glue:text}`l2_he:.2f` %. `student_mse` is the
# exception, with {glue:text}`student_mse_default:.2f` % from PyTorch's weights and {glue:text}`student_mse_he:.2f` % from
# He's. One network each, so differences of a few tenths of a per cent may be luck. Nor is the optimum bracketed here:
# the rate that `evening` uses is the best trial of {glue:text}`begun_best_at_lowest:d` of the
# {glue:text}`begun_arms:d` arms and the lowest that was tried, and the two other beginnings were tried at one rate only.
#
# ## Before the first step
#
# A network that has learnt nothing is a good test of the plumbing, because one knows what it should say. A classifier
# with random weights holds all 313 colours for about equally likely, so its cross entropy is close to $\log 313$. A
# regression answers with the random bias of its last layer, the same arbitrary tint everywhere, and is worse than grey.

# %%
store = open_data(live.data, live.side)
untrained = {}
for arm in live.arms:
    run = loop.Run(live, arm, live.seeds[0], store)
    run.prepare(resume=False)
    untrained[arm] = loop.validation_scores(run)
glue("log_313", math.log(313), display=False)
pd.DataFrame(untrained).T[["val_plain", "val_ab_error", "val_chroma_ratio"]].round(2)

# %% [markdown]
# $\log 313$ is {glue:text}`log_313:.2f`. The first column is the loss without weights, in nats for the classifiers and in
# squared units for the regressions, so that it cannot be compared across losses. The mean $ab$ error, the distance from
# the true colour on the plane, can.
#
# ## A training, live
#
# Now all four, one after the other. The lines with an epoch follow a pass over validation images: the mean loss since the
# line before; how far that is, without weights, above the floor, the entropy of the soft targets, which no classifier can
# get below (for regressions the floor is zero), and the same on images that were not trained on; and the chroma ratio,
# the mean chroma of the answers over that of the truth, with classifiers decoded at $T = 1$.

# %%
folders = loop.train_all(live, store)
print(f"{len(folders)} runs are finished")

# %% mystnb={"figure": {"name": "fig-live-training", "caption": "The training that took place while this page was made. Squared error and cross entropy have different units, so the first panel shows each relative to its first value; errors in ab units (lower left) are comparable. The first steps undo the arbitrary tint of random weights; the rest is learning which grey belongs to which colour."}, "image": {"alt": "Four panels of curves against the step for four networks trained live: training loss, nats above the floor, ab error and chroma ratio"}}
figures.plot_training(records.read_histories(folders))

# %% [markdown]
# ## The recorded trainings
#
# The same code, on photographs and with more patience. A line is the mean over the seeds of an arm, the band around it
# reaches from the lowest seed to the highest.

# %% mystnb={"figure": {"name": "fig-training", "caption": "Curves of the recorded runs behind all results of this book. The colour error falls fast and then hardly; the chroma ratio jumps about until the learning rate falls, without the loss taking much notice. Read a network's vividness in the middle of a training, and you read luck."}, "image": {"alt": "Four panels of curves against the step for the recorded networks: training loss, nats above the floor, ab error and chroma ratio"}}
history, passports = records.training_curves(config)
figures.plot_training(history)

# %% [markdown]
# The lower right panel deserves a second look. The vividness of an arm moves by large amounts from one validation to
# the next while its error hardly changes. How colourful a network looks thus depends on the moment at which its
# training was stopped, unless the learning rate was lowered first. Whoever compares images of two networks that were
# trained at a constant rate compares, among other things, two moments.

# %%
ends = history.sort_values("step").groupby("arm").last().loc[list(config.arms)]
curves = records.curve_facts(history).loc[list(config.arms)]
for arm in config.arms:
    glue(f"{arm}_error", float(ends.val_ab_error[arm]), display=False)
    glue(f"{arm}_wavers", 100 * float(curves.wavers[arm]), display=False)
    glue(f"{arm}_ratio_wavers", 100 * float(curves.ratio_wavers[arm]), display=False)
    glue(f"{arm}_settled_loss", float(curves.settled_loss[arm]), display=False)
    glue(f"{arm}_settled_ratio", float(curves.settled_ratio[arm]), display=False)
glue("epochs", float(history.epoch.max()), display=False)
columns = ["wavers", "ratio_wavers", "settled_loss", "settled_ratio", "epochs"]
curves[columns].round(3)

# %% [markdown]
# ## A loss that wavers by a hundredth
#
# The student paper is not too worried about its smaller number of images because its losses only moved by about a
# hundredth ({ref}`H9 <claim-h9>`). The column `wavers` has our counterpart: the spread of the validation score around a
# straight line through the middle half of the training, as a share of the score. `ratio_wavers` is the same for the
# chroma ratio.
#
# Whatever the first number is, it does not answer the question. How much a loss moves from line to line depends on how
# many images are averaged in one line and on the learning rate. A network may sit quite still at a place that more
# images would have improved; stillness says that it has stopped, and not that it has arrived. The claim therefore
# waits for trainings on a tenth, a third and all of the images; here it stays **{glue:text}`h9:s`**.
#
# And the second number, set beside the first, shows that a calm loss can go with restless colours. The eye watches the
# colours.
#
# ## The tenth epoch
#
# Does training settle at epoch ten ({ref}`H10 <claim-h10>`)? The columns `settled_loss` and `settled_ratio` give the
# first epoch from which on the validation score stays within a fiftieth of its last value, and the chroma ratio within
# a tenth of its own. The recorded runs end after {glue:text}`epochs:.1f` epochs, so they cannot decide a claim about
# thirty, and it stays **{glue:text}`h10:s`**. They can show two things about such claims.
#
# Under a schedule that takes the learning rate to nothing, every curve becomes flat at the end, because the steps
# become small. A flat end is then the schedule's doing. And the two columns differ: that the loss has settled does
# not mean that the colours have.

# %%
for name in ("H9", "H10"):
    glue(name.lower(), claims.decide(name, records.for_config(config)).verdict, display=False)
glue("photos", int(passports.photos.iloc[0]), display=False)
glue("steps", int(passports.steps.iloc[0]), display=False)
glue("trained", len(passports), display=False)

# %% [markdown]
# ## What it costs
#
# Mean time and memory of a recorded run, as written in its passport, on the machine that {doc}`/book/reproduce` names.
# Most of the time goes into the body, which the arms share; the classifiers pay for 313 channels and their encoding.

# %% tags=["nbval-ignore-output"]
cost = passports.groupby("arm")[["seconds", "peak_memory_mb"]].mean().loc[list(config.arms)]
glue("minutes", float(cost.seconds.mean() / 60), display=False)
pd.DataFrame({"minutes": cost.seconds / 60, "GB": cost.peak_memory_mb / 1024}).round(1)

# %% [markdown]
# ## What we found
#
# - All arms learn. At the end the mean $ab$ error on validation images is {glue:text}`student_mse_error:.2f` with
#   squared error on RGB, {glue:text}`l2_error:.2f` on $ab$, {glue:text}`ce_error:.2f` with cross entropy and
#   {glue:text}`ce_rebal_error:.2f` with rebalancing, which is asked for something else.
# - The validation score of squared error on $ab$ wavers by {glue:text}`l2_wavers:.1f` %, that of cross entropy by
#   {glue:text}`ce_wavers:.1f` %; the chroma ratio of the former by {glue:text}`l2_ratio_wavers:.0f` % at the same time,
#   of the latter by {glue:text}`ce_ratio_wavers:.0f` %. A calm loss is no sign of calm colours, nor of enough images.
# - Within the {glue:text}`epochs:.1f` epochs of these runs the score of squared error on $ab$ had settled at epoch
#   {glue:text}`l2_settled_loss:.1f` and its chroma ratio at epoch {glue:text}`l2_settled_ratio:.1f`; for cross entropy
#   it was {glue:text}`ce_settled_loss:.1f` and {glue:text}`ce_settled_ratio:.1f`. This is no verdict on the tenth epoch
#   of the student paper.
# - Learning rates: {glue:text}`best_at_ours:d` of {glue:text}`arms_tried:d` arms had their best trial at the rate that
#   was used, and the best rate may lie below all that were tried. At the rate used no arm is more than
#   {glue:text}`worst_at_ours:.1f` % above its best trial.
# - The numbers stand for {glue:text}`trained:d` runs of {glue:text}`steps:,d` steps on {glue:text}`photos:,d` images,
#   {glue:text}`minutes:.0f` minutes each on average.
#
# The networks are trained. What do they get wrong? {doc}`05_reds_yellows` begins with the colours that fade first.
