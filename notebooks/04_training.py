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
# # Training: one road, five times
#
# The last chapter spoke of perfect networks. These are real ones, and they have to get there first. **Do five networks
# that share design, images and order all learn, and what can one read off their curves, and what not?**

# %% tags=["parameters", "hide-input"]
profile = "evening"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "l2_rebal", "ce", "ce_rebal"]
settings = {}  # changes to the profile, {"width": 0.5}; they need data

# %% tags=["hide-input"]
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from myst_nb import glue

from colorize_lib.book import figures
from colorize_lib.config import load_config
from colorize_lib.data.prepare import open_data
from colorize_lib.evaluation import records
from colorize_lib.networks import make_network
from colorize_lib.objectives import HEADS
from colorize_lib.training import loop
from colorize_lib.training.batches import batch_order

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
live = config if config.data else load_config("smoke", arms=arms)

# %% [markdown]
# Two kinds of training appear below. One is *live*: it takes place while this page is made, on generated scenes and at
# toy size (unless a data set was named, which is then the real thing). The other is *recorded*: hours of it, on
# photographs, of which the page reads the logs.
#
# ## What the arms share
#
# **A difference between two networks must not come from what they saw or where they began.** The weights of the body,
# the order of the images and which of them are mirrored depend on the seed and on nothing else. Networks are built body
# first and head last, so the random numbers of the body are drawn before heads begin to differ. (This is so under one
# recipe. In the recorded runs `student_mse` has another start, for a reason that follows below.)

# %%
networks = {
    arm: make_network(config, HEADS[arm], seed=0) for arm in config.arms
}
bodies = {
    arm: torch.cat([p.flatten() for p in net.trunk.parameters()])
    for arm, net in networks.items()
}
first = next(iter(bodies.values()))
same = {arm: torch.equal(body, first) for arm, body in bodies.items()}
pd.Series(same, name="same body as the first").to_frame()

# %% [markdown]
# The order of an epoch is a function of seed and epoch that is never told which arm asks. A run that was interrupted
# therefore needs no memory of random generators: it looks up its step and goes on.

# %%
orders = [batch_order(1000, seed=0, epoch=epoch) for epoch in (0, 1)]
for epoch, order in enumerate(orders):
    once = len(np.unique(order)) == 1000
    begins = f"epoch {epoch} begins with {order[:8]}"
    print(f"{begins}, each of a thousand once: {once}")

# %% [markdown]
# ## The recipe
#
# Both papers use Adam {cite:p}`kingma2015adam`, which moves each weight by the running mean $m$ of its gradient over
# the root of the running mean $v$ of its square,
#
# $$ \theta \leftarrow \theta - \eta\, \frac{\hat m}{\sqrt{\hat v} + \epsilon} . $$ (eq-adam)
#
# Multiply a loss by ten, and $m$ and $\sqrt v$ both grow tenfold. So a squared error of some hundredths and a cross
# entropy of some nats get steps of equal size from one learning rate $\eta$, and no arm is favoured by its units. The
# columns are profiles of the library. `evening` is behind the main results of this book, `ablation` behind those of
# variants; `student` and `zhang` follow the two papers.

# %%
shown = ["width", "side", "batch", "steps", "epochs", "train_photos",
         "lr", "schedule", "init", "betas", "weight_decay"]  # fmt: skip
profiles = ("ablation", "evening", "student", "zhang")
settings_of = pd.DataFrame({name: vars(load_config(name)) for name in profiles})
settings_of.loc[shown].map(str)

# %% [markdown]
# (A zero for `steps` means that `epochs` counts, a zero for `train_photos` that all are taken.) The schedule
# *one_cycle* lets the learning rate rise over the first part of the run and then fall along a cosine to nothing. A
# constant rate, as in our reading of the student paper, stays as coarse at the end as it was in the middle.
#
# ## One rate and one beginning for all?
#
# **A comparison in which one arm was tuned and the other was not is worth little.** {eq}`eq-adam` makes the size of a
# loss irrelevant, but not its shape, and what suits one loss may hurt another. So every arm got the same short trials,
# most of them before `evening` was trained; test images were not touched. What differs between the rows is the
# learning rate and the beginning: *default* is what PyTorch draws by itself, with a sixth of the variance that keeps a
# signal's size through a ReLU; *he* is He's initialisation, which keeps it; *data* rescales the weights on a few
# images, as the original did. A cell says by how many per cent an arm's own loss, the mean over the last stretch of
# its training, lies above that of the arm's best row. First the four arms on $ab$:

# %% tags=["hide-input"]
recipe, trials = load_config("evening"), records.load_tuning("evening")
table = trials.pivot_table(index=["init", "lr"], columns="arm", values="loss")
table = table.rename_axis(columns=None)
excess = 100 * (table / table.min() - 1)
used = {
    arm: (own.init, own.lr) for arm in excess for own in [recipe.for_arm(arm)]
}
common = (recipe.init, recipe.lr)
glue("tried", len(used), display=False)
glue("trial_steps", int(trials.steps.max()), display=False)
glue(
    "best_used",
    int(sum(excess[arm].idxmin() == place for arm, place in used.items())),
    display=False,
)
glue("common_best", int((excess.loc[common] == 0).sum()), display=False)

# %% tags=["hide-input"]
rates = {arm: excess.loc[used[arm][0], arm].dropna() for arm in used}
inside = [
    arm
    for arm, tried in rates.items()
    if tried.index.min() < tried.idxmin() < tried.index.max()
]
glue("inside", len(inside), display=False)
glue(
    "student_at_common", float(excess.loc[common, "student_mse"]), display=False
)
by_init = table.drop(columns="student_mse").unstack("init").dropna()
usual = by_init.xs(recipe.init, axis=1, level="init")
for init in ("default", "data"):
    ratio = (by_init.xs(init, axis=1, level="init") / usual).to_numpy()
    said = f"{100 * ratio.min() - 100:.1f} to {100 * ratio.max() - 100:.1f} %"
    glue(f"cost_of_{init}", said, display=False)
compared = excess.reindex(columns=[arm for arm in arms if arm in excess])
rows = [f"{init}, {rate:g}" for init, rate in compared.index]
compared = compared.set_axis(pd.Index(rows, name="beginning, rate")).round(2)
compared.drop(columns="student_mse", errors="ignore")

# %% [markdown]
# These are trials of {glue:text}`trial_steps:,d` steps, one network each, so a few tenths of a per cent may be luck.
# He's beginning at the rate of `evening` is the best row for {glue:text}`common_best:d` of {glue:text}`tried:d` arms.
# The exception is `student_mse`, which there ends {glue:text}`student_at_common:.1f` % above what it reaches from
# PyTorch's weights at twice the rate:

# %% tags=["hide-input"]
compared.filter(["student_mse"])

# %% [markdown]
# So it has a recipe of its own; with that, {glue:text}`best_used:d` arms use their best row. The two lowest rates were
# tried later, when `evening` had been trained: among the first three the lowest had been the best of most arms, which
# left open whether a still lower one would have been better. With them the best rate of {glue:text}`inside:d` of
# {glue:text}`tried:d` arms lies between others that were tried with its beginning. The two other beginnings were tried
# at one rate only.
#
# **What a beginning is worth depends on the loss.** At the one rate that all three were tried at, the loss of the four
# arms on $ab$ ends above that from He's weights by {glue:text}`cost_of_default:s` from PyTorch's and by
# {glue:text}`cost_of_data:s` from weights scaled on data; `student_mse` wants PyTorch's. What is left of that
# after a long training was not tried. What a rate, betas and decay are worth is taken up in
# {doc}`10_time_and_settings`.
#
# ## A training, live
#
# **A network that has learnt nothing is a good test of the plumbing, because one knows what it should say.** A
# classifier with random weights holds all 313 colours for about equally likely, so that its cross entropy is close to
# $\log 313$, and a regression answers with whatever tint its last layer happens to hold:

# %%
store = open_data(live.data, live.side)
untrained = {}
for arm in live.arms:
    run = loop.Run(live, arm, live.seeds[0], store)
    run.prepare(resume=False)
    untrained[arm] = loop.validation_scores(run)
glue("log_313", math.log(313), display=False)
columns = ["val_plain", "val_ab_error", "val_chroma_ratio"]
pd.DataFrame(untrained).T[columns].round(2)

# %% [markdown]
# $\log 313$ is {glue:text}`log_313:.2f`. The first column is the loss without weights, in nats or in squared units, so
# that it cannot be compared across losses. The mean $ab$ error, the distance from the true colour on the plane, can.
#
# Now all of them, one after the other. The lines with an epoch follow a pass over validation images: the mean loss
# since the line before; how far that is, without weights, above the *floor*, the entropy of the soft targets, which no
# classifier can get below (for regressions it is zero); the same on images that were not trained on; and the chroma
# ratio, the mean chroma of the answers over that of the truth, with classifiers decoded at $T = 1$.

# %% tags=["hide-output"]
folders = loop.train_all(live, store)
print(f"{len(folders)} runs are finished")

# %% mystnb={"figure": {"name": "fig-live-training", "caption": "The training that took place while this page was made. Squared error and cross entropy have different units, so the first panel shows each loss relative to its first value and the second the loss above the floor on images that were not trained on, over that on training images. There the dotted line is where both are alike. Errors in ab units (lower left) are comparable between arms."}, "image": {"alt": "Four panels of curves against the epoch for five networks trained live: training loss, validation over training loss, ab error and chroma ratio"}}
figures.plot_training(records.read_histories(folders))

# %% [markdown]
# ## The recorded trainings
#
# **All arms learn, and what they are asked shows long before the end.** The same code, on photographs and with more
# patience. A line is the mean over the seeds of an arm, the band around it reaches from the lowest seed to the highest.

# %% mystnb={"figure": {"name": "fig-training", "caption": "Curves of the recorded runs. The colour error (lower left) of the three arms without weights falls fast and then slowly; that of the two with weights for rare colours stays higher, because they are asked for something else, and their mean chroma ends above that of the photographs (lower right). The chroma ratio jumps about until the learning rate falls. The second panel is above one, the dotted line, where a network does better on the images it is trained on. The dotted lines of the lower panels are what plain grey and one colour for all pixels reach on test images, and the chroma of the photographs themselves."}, "image": {"alt": "Four panels of curves against the epoch for the recorded networks: training loss, validation over training loss, ab error and chroma ratio"}}
history = records.training_curves(config)
measured = replace(config, arms=records.arms_there(config))
levels = figures.training_levels(records.for_config(measured))
figures.plot_training(history, levels)

# %% tags=["hide-input"]
there = [arm for arm in config.arms if arm in set(history.arm)]
facts = records.curve_facts(history).reindex(there)
for arm in config.arms:
    for name in ("ab_error", "wavers", "ratio_wavers"):
        value = float(facts[name].get(arm, math.nan))
        glue(f"{arm}_{name}", value, display=False)
glue("epochs", float(history.epoch.max()), display=False)
glue("steps", int(history.step.max()), display=False)
glue("networks", len(history.groupby(["arm", "seed"])), display=False)
glue("most_unseen", float(facts.unseen.max()), display=False)
titles = {"ab_error": "ab error", "unseen": "validation / training"}
titles |= {"wavers": "loss wavers, %", "ratio_wavers": "chroma wavers, %"}
facts[list(titles)].rename(columns=titles).round(2)

# %% [markdown]
# **Error.** At the end `ce`, read as its mean, has an $ab$ error of {glue:text}`ce_ab_error:.2f`, `l2` one of
# {glue:text}`l2_ab_error:.2f` and `student_mse`, whose loss is taken on red, green and blue,
# {glue:text}`student_mse_ab_error:.2f`. The two arms with weights end at {glue:text}`l2_rebal_ab_error:.2f` and
# {glue:text}`ce_rebal_ab_error:.2f`: rare colours count more for them, and this measure counts every pixel alike.
#
# **Training against validation.** The largest ratio of the two losses is {glue:text}`most_unseen:.2f`. At one or below,
# new images are as easy as those that were trained on, and no arm has begun to learn its photographs by heart. (A
# little below one is no miracle: the training loss is a mean over the last stretch, over images mirrored at random and
# in batches of their own, and the validation images are a small set.)
#
# **Wavering.** The last two columns tell how far validation loss and chroma ratio scatter around a straight line
# through the middle half of the training, as a share of their size. For `ce` it is {glue:text}`ce_wavers:.1f` % for the
# loss and {glue:text}`ce_ratio_wavers:.0f` % for the chroma ratio, for `l2` {glue:text}`l2_wavers:.1f` % and
# {glue:text}`l2_ratio_wavers:.0f` %. A calm loss does not mean calm colours, and the eye watches the colours. Whoever
# compares images of two networks that were stopped at a constant rate compares, among other things, two moments.
#
# Two things that the student paper reads off its own curves cannot be read off any: that the images suffice because the
# loss wavers little ({ref}`H9 <claim-h9>`), and that all is settled by the tenth epoch ({ref}`H10 <claim-h10>`). A loss
# that is still says that training has stopped, not that it has arrived, and under a rate that falls to nothing every
# curve is flat at the end. Both need other trainings, which {doc}`10_time_and_settings` has.
#
# ## Full width, and two that collapsed
#
# **The paper's own budget is enough to learn the photographs by heart, and its recipe, as we read it, is not safe.**
# Profile `student` has the paper's width, batch, epochs and rate, held constant, and PyTorch's own weights. Whatever
# profile this page was made with, here are its recorded curves.

# %% mystnb={"figure": {"name": "fig-student-training", "caption": "The recorded runs of profile student, at full width. Second panel: from some epoch on, plain cross entropy and L2 on ab go on learning their training images and no others. First panel: two arms are where they were after the first stretch, and stay there. Dotted lines as in the figure before."}, "image": {"alt": "Four panels of curves against the epoch for networks of full width: training loss, validation over training loss, ab error and chroma ratio. Two of the arms are flat in all of them"}}
five = ["student_mse", "l2", "l2_rebal", "ce", "ce_rebal"]
wide = load_config("student", arms=five, seeds=[])
wide_history = records.training_curves(wide)
wide_found = records.for_config(wide)
levels = figures.training_levels(wide_found)
figures.plot_training(wide_history, levels)

# %% tags=["hide-input"]
unseen = wide_history.groupby(["arm", "epoch"]).val_excess.mean()
for arm in ("l2", "ce"):
    glue(f"wide_{arm}_best", float(unseen[arm].idxmin()), display=False)
    rise = float(100 * (unseen[arm].iloc[-1] / unseen[arm].min() - 1))
    glue(f"wide_{arm}_rise", rise, display=False)
    last = float(records.curve_facts(wide_history).unseen[arm])
    glue(f"wide_{arm}_unseen", last, display=False)
glue("wide_epochs", float(wide_history.epoch.max()), display=False)
fell = ["student_mse+L", "mean", "l2_rebal", "weighted", "ce@1"]
names = ["skill_mean", "chroma_ratio", "true_hue_ratio", "colourfulness"]
glue("wide_networks", len(wide_history.groupby(["arm", "seed"])), display=False)
wide_found.table(names, fell)

# %% [markdown]
# The validation loss of `ce` is lowest at epoch {glue:text}`wide_ce_best:.0f` of {glue:text}`wide_epochs:.0f` and ends
# {glue:text}`wide_ce_rise:.1f` % higher; that of `l2` is lowest at epoch {glue:text}`wide_l2_best:.0f` and ends
# {glue:text}`wide_l2_rise:.1f` % higher, both counted from their floors. At the end it is
# {glue:text}`wide_ce_unseen:.2f` and {glue:text}`wide_l2_unseen:.2f` times the training loss.
#
# `student_mse`, the likelier reading of the paper's loss, and `l2_rebal` have hardly moved since their first stretch.
# The table, on test photographs, says where they are: the first beside *mean colour*, which is what a constant can do
# at best under squared error, the second beside *weighted mean colour*, the same with weights for rare colours. These
# networks have stopped looking at the image. Short trials, of which only logs were kept, do not put it down to
# precision or to the loss alone: `student_mse` falls in single precision just so, but not with another seed, nor at a
# fifth of the rate, nor from He's beginning. Since {glue:text}`wide_networks:d` networks are recorded at this width,
# how often it happens is open. Whoever gets such an image from a network should look at the loss of its first epochs
# before blaming the kind of loss.
#
# ## What we found
#
# - **All arms of this profile learn.** At the end the mean $ab$ error on validation images is
#   {glue:text}`student_mse_ab_error:.2f` with squared error on RGB, {glue:text}`l2_ab_error:.2f` on $ab$ and
#   {glue:text}`ce_ab_error:.2f` with cross entropy. With weights for rare colours it is
#   {glue:text}`l2_rebal_ab_error:.2f` and {glue:text}`ce_rebal_ab_error:.2f`; those arms are asked for something else.
# - **Nothing is learnt by heart yet** as long as the validation loss is no higher than the training loss; at most it is
#   {glue:text}`most_unseen:.2f` times that, after {glue:text}`epochs:.1f` epochs. At full width and the paper's budget
#   it is {glue:text}`wide_ce_unseen:.2f` times for `ce` and {glue:text}`wide_l2_unseen:.2f` times for `l2`.
# - **A calm loss is no sign of calm colours.** The validation loss of `l2` wavers by {glue:text}`l2_wavers:.1f` %, its
#   chroma ratio by {glue:text}`l2_ratio_wavers:.0f` %; for `ce` it is {glue:text}`ce_wavers:.1f` % and
#   {glue:text}`ce_ratio_wavers:.0f` %.
# - **Settings.** {glue:text}`best_used:d` of {glue:text}`tried:d` arms use the best of their trials, and for
#   {glue:text}`inside:d` both a lower and a higher rate were tried from the same beginning and found worse.
# - **The paper's recipe, as we read it, can fail.** The one recorded network of `student_mse`, and that of `l2_rebal`
#   with the same settings, fell to about one colour for everything and stayed there; another seed of `student_mse` did
#   not, in a short trial.
# - The numbers stand for {glue:text}`networks:d` networks of {glue:text}`steps:,d` steps.
#
# The networks are trained. What do they get wrong? {doc}`05_reds_yellows` begins with those that the student paper
# misses most.
