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
# # The oracle
#
# **If the distribution of colours given the grey image were known exactly, what would be the best answer to each
# question, and would a network trained on that question give it?**
#
# For photographs nobody knows that distribution, so a network that answers badly can always blame the world. The
# generated scenes of {doc}`01_data` leave no such excuse. Every object draws its colour from a table, and its
# grey appearance does not depend on the draw. The table is the posterior. From it follows, without any training, what
# every read-out must give and where every objective must end; then networks that see all there is to see are held
# against it.

# %% tags=["parameters", "hide-input"]
profile = "evening"  # this chapter shows the same for every profile
data = ""
seeds = []  # starts of the toy networks; none: 0, 1 and 2
arms = ["l2", "l2_rebal", "ce", "ce_rebal"]
settings = {}

# %% tags=["hide-input"]
import pandas as pd
import torch
from myst_nb import glue

from colorize_lib.book import oracle
from colorize_lib.config import load_config
from colorize_lib.data.scenes import (
    SCENE_CLASSES,
    SyntheticScenes,
    synthetic_scenes,
)

torch.set_num_threads(1)
# refuses what is not possible, and is not used
load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
scenes = synthetic_scenes(256, 64, seed=3)
shares = oracle.class_shares(scenes)
prior = oracle.scene_prior(shares)
telling = ["car", "ball", "leaves", "roof"]

# %% [markdown]
# ## The posterior is a short list
#
# A car has one of six colours, a ball one of three, all equally likely. Leaves are green more often than orange;
# roofs are red or blue. The lightness is the same whatever the colour, so that nothing in the grey image can help.

# %%
rows = [
    (kind.name, c, f"{p:.2f}")
    for kind in SCENE_CLASSES
    for c, p in zip(kind.colours, kind.probabilities, strict=True)
]
table = pd.DataFrame(rows, columns=["class", "ab", "probability"])
table = table.set_index("class")
table.loc[telling]

# %% [markdown]
# A classifier answers with the 313 colours of the grid, and its labels are soft: each colour is shared among its five
# nearest grid colours. Its best possible output for a class is the average of these labels. That is the posterior
# from which all answers are read here, by the same code that reads a trained network.
#
# **One posterior has many answers, and they lie far apart.** In {numref}`fig-oracle-posteriors` mean and mode stand in
# different places for each of the four classes, and the other answers at one of these places or elsewhere.

# %% mystnb={"figure": {"name": "fig-oracle-posteriors", "caption": "Posterior of four classes on the ab plane, and every answer to it. The area of a disc is the probability of a grid colour. The mean lies between the discs, where mostly no colour occurs; the median moves to the side of the majority, on the leaves nearly all the way; mode and sample are always colours of the grid. The tilted mean, which counts rare colours more, turns the roof red: blue is common in these scenes, in the sky."}, "image": {"alt": "Four planes with clusters of coloured discs for car, ball, leaves and roof. On each stand six black marks, for mean, median, mode, sample, annealed mean and tilted mean"}}
answers = oracle.answers(prior)
oracle.plot_posteriors(answers, telling)

# %% [markdown]
# **A mean of different colours is duller than they are, and no training helps it.** Chroma is the distance from grey;
# the first row is the mean chroma of the objects themselves.

# %%
chroma = oracle.chroma_table(answers, telling)
glue("car_chroma", float(chroma.car["the objects"]), display=False)
glue("car_mean", float(chroma.car["mean"]), display=False)
glue("car_annealed", float(chroma.car["T = 0.38"]), display=False)
chroma.round(1)

# %% [markdown]
# The mean is not the only dull answer: the median of the cars is grey itself, the middle one among their colours.
# Cooling to $T = 0.38$ makes the leaves vivid, where one colour has the majority. On car, ball and roof, where none
# has, it leads to other dull places, towards whichever colour happens to lie on a point of the grid, since its soft label
# has the highest peak.
#
# All answers in numbers, for every class whose colour is open:

# %% tags=["hide-output"]
open_classes = [kind.name for kind in SCENE_CLASSES if len(kind.colours) > 1]
oracle.answer_table(answers, open_classes).round(1)

# %% [markdown]
# ## The same scenes, painted with each answer
#
# **Every answer is an image of its own, and none is the truth.** All of them come from one posterior; a perfect
# network could paint any of them.

# %% mystnb={"figure": {"name": "fig-oracle-painted", "caption": "Four scenes, painted with the best answer to each question. Where the colour is known (sky, sand, clouds) all agree but for the grid, and on the grass, whose greens are close, nearly so. Balls and cars show the difference: brownish in the mean, decided in the mode, which makes every car green and every ball blue, and varied in the sample, here one draw for each class and scene. The tilted mean paints red roofs."}, "image": {"alt": "A grid of four scenes in grey, in true colours, and painted with mean, median, mode, sample, annealed mean and tilted mean"}}
shown = SyntheticScenes(scenes.pixels[:4], scenes.classes[:4])
oracle.plot_painted(shown, answers, prior)

# %% [markdown]
# The sample has the variety of the truth but not its luck: it is a possible image, not this one. It also shows the
# grain of the labels, a cloud in pale pink or a bluish meadow, since it may draw any of the five grid colours that
# share a label.
#
# ## Each answer is best at its own question
#
# **No answer wins everywhere, because the questions differ.** Let the truth be drawn from the posterior, over whole
# scenes. Then the root mean squared error is least for the mean, the mean distance for the median, the share of hits
# on the grid for the mode; and the tilted mean has the least squared error if pixels are weighted as in rebalanced
# training. Errors are in $ab$ units.

# %%
scores = oracle.score_table(prior, shares)
price = float(scores.RMS["sample"] / scores.RMS["mean"])
glue("price_of_sample", price, display=False)
glue("chroma_of_mean", float(scores.chroma["mean"]), display=False)
scores.drop(columns="chroma").round(2)

# %% [markdown]
# **How much colour there should be is a question of its own,** and to it the sample is the answer. The mean chroma of
# each answer, as a ratio to that of the truth:

# %%
scores[["chroma"]].round(2)

# %% [markdown]
# The sample pays for its chroma with {glue:text}`price_of_sample:.2f` times the error of the mean, which is
# $\sqrt 2$: its own spread comes on top of the truth's. The annealed mean wins nothing. It is a
# compromise, as it was meant to be.
#
# ## What the grid and soft labels cost
#
# **The order of the answers can change on the way from the grid to real colours.** The table above asked about grid
# colours. Asked about the colours that the objects really have, the median is no longer the best in distance:

# %%
real = oracle.score_table(prior, shares, truth="colours")
glue("real_median", float(real.distance["median"]), display=False)
glue("real_mean", float(real.distance["mean"]), display=False)
real.drop(columns="chroma").round(2)

# %% [markdown]
# The mean of a soft label falls back onto the colour it was made of, between the grid points. The median and the mode
# of the same label sit on a grid point, or near it, and miss the colour by up to half a cell's diagonal. The mean
# distance is the sum of what classes whose colour is open and classes whose colour is certain contribute to it:

# %%
several = [len(kind.colours) > 1 for kind in SCENE_CLASSES]
is_open = torch.tensor(several).double()
split = {"open": is_open, "certain": 1 - is_open, "all": is_open * 0 + 1}
parts = {}
for name, of in split.items():
    scores = oracle.score_table(prior, shares * of, truth="colours")
    parts[name] = scores.distance
pd.DataFrame(parts).round(2)

# %% [markdown]
# What the median gains on cars and balls it loses again on sky and sand. In photographs, where little is as certain as
# this sky, the balance will be another; but a median that is read off the grid starts with this handicap.
#
# **For rebalancing, too, soft labels decide what is learned.** How far does each classifier's best answer lie from
# that of squared error, which knows no grid? In units of $ab$, `ce` is held against `l2`, `ce_rebal` and the tilted `ce`
# against `l2_rebal`, and so is, in the last column, a tilted classifier whose labels name one colour against
# squared error with weights by such labels:

# %%
cost = oracle.soft_label_table(prior, shares)
glue("bins_used", int((prior > 0).sum()), display=False)
glue("cost_ce", float(cost["ce"].max()), display=False)
glue("cost_rebal", float(cost["ce_rebal"].max()), display=False)
glue("cost_tilted", float(cost["ce tilted"].max()), display=False)
hard = float(cost["one colour a label, tilted"].max())
glue("cost_hard", hard, display=False)
cost.loc[["sky", "cloud", "trunk", *telling, "flower"]].round(2)

# %% [markdown]
# `ce` read by its mean, and `ce_rebal`, hardly move. Tilting afterwards is not quite the same as training with the
# weights: training weighs a label as a whole, by its nearest colour, while the tilt weighs each of the five grid
# colours by itself. At the rim of a cluster the prior is low and the weight high, so the tilt stresses the rim, and
# pulls even a cloud away from grey. The scenes exaggerate this, since they use only {glue:text}`bins_used:d` of the
# 313 colours; the prior of photographs is smoother. Still, where a tilted `ce` and a `ce_rebal` trained on photographs
# differ, this is one of the reasons. With labels that name one colour the two are the same again, but then the
# rounding to the grid costs more for most of these kinds, though not for all (last column).
#
# ## What a quarter of the resolution costs
#
# **In small images, labels at a quarter of the side cost as much as not knowing the colours.** The networks of this
# book, but for the later one of {ref}`H15 <claim-h15>`, answer for every fourth pixel, and the answer is enlarged. The
# first column takes the true colours at these positions, as a clairvoyant network would, the second the mean of each
# class; both are root mean squared errors at full size.

# %%
quarter = oracle.quarter_table(scenes)
glue("quarter_truth", float(quarter.truth["every fourth pixel"]), display=False)
middle = float(quarter.truth["middle of each block"])
glue("middle_truth", middle, display=False)
glue("full_mean", float(quarter["mean"]["full size"]), display=False)
quarter.round(2)

# %% [markdown]
# Colour bleeds over edges, and scenes of 64 pixels consist of edges; larger images have fewer of them. Part of it is an
# accident: the label is the first pixel of a block of four by four, but the enlargement puts it in the block's middle,
# so that all colour lands one pixel and a half too far right and down. The original takes its labels in the same way.
# A label from the middle of the block would nearly avoid it, and the average of the block is better still.
#
# ## How near trained networks come
#
# **Each objective leads where its closed form says.** The toys see the class of an object, which is all there is to
# know, through thirty-two numbers a class and a linear head. This is the best that any network could do: no image to
# interpret, no capacity to lack, no sampling noise, for every step sees all colours in their exact proportions. Only
# the question differs, and it is asked by the objectives of {doc}`03_losses`, labels, weights and all. All use Adam
# with the same rates. Every training is repeated from several starts; the worst class of the worst start is shown.

# %% tags=["hide-input"]
starts = [
    [oracle.train_toy(arm, prior, seed=seed) for arm in oracle.TOY_ARMS]
    for seed in seeds or (0, 1, 2)
]
toys = {toy.arm: toy for toy in starts[0]}
curves = oracle.distances(starts, prior)
glue("starts", len(starts), display=False)
glue("worst_end", float(curves.iloc[-1].max()), display=False)
glue("toy_steps", int(curves.index[-1]), display=False)

# %% mystnb={"figure": {"name": "fig-oracle-convergence", "caption": "Distance of each system from its own closed form, in ab units, for the class and the start that are farthest away. All pass below a tenth of a unit (dashed). Up to one unit cross entropy is at least as fast as squared error; then squared error falls away, while cross entropy creeps, because it has to push the colours that never occur towards probability zero."}, "image": {"alt": "Five falling curves on logarithmic axes, together down to about one unit, after which the two of squared error drop steeply and the three of cross entropy flatten"}}
oracle.plot_convergence(curves)

# %%
speed = oracle.convergence_table(curves)
glue("l2_unit", int(speed["steps to 1"]["squared error"]), display=False)
glue("ce_unit", int(speed["steps to 1"]["cross entropy, mean"]), display=False)
glue("l2_tenth", int(speed["steps to 0.1"]["squared error"]), display=False)
tenth = speed["steps to 0.1"]
glue("ce_tenth", int(tenth["cross entropy, mean"]), display=False)
glue("tilted_tenth", int(tenth["cross entropy, tilted mean"]), display=False)
speed.round(2)

# %% [markdown]
# Squared error and cross entropy read by its mean give one and the same answer, and so do their rebalanced sisters.
# The difference that remains is one of optimisation. Cross entropy is the first within a unit, squared error within a
# tenth; neither is slow. That squared error is dull for want of convergence finds no support here: its dullness is
# complete when the training is. The tilt comes last, because it enlarges small probabilities of rare colours, which
# are still on their way to zero.
#
# ## What rebalancing does to the odds
#
# **A weight multiplies odds, whether or not the class needed it.** For a class of two colours rebalancing turns
# $p_2 : p_1$ into $w_2 p_2 : w_1 p_1$. The weights come from the prior of all scenes and know nothing of the class:

# %% tags=["hide-input"]
lambdas = (0.0, 0.25, 0.75)
rebalanced = [
    oracle.train_toy("ce_rebal", prior, lambda_=value) for value in lambdas
]
compared = [toys["ce"], toys["ce_rebal"], *rebalanced]
odds = oracle.odds_table(compared, toys["ce"], prior)
glue("roof_before", float(odds["closed form"]["roof", 1.0]), display=False)
glue("roof_after", float(odds["closed form"]["roof", 0.5]), display=False)
glue("leaves_before", float(odds["closed form"]["leaves", 1.0]), display=False)
glue("leaves_after", float(odds["closed form"]["leaves", 0.5]), display=False)

# %% mystnb={"figure": {"name": "fig-oracle-odds", "caption": "Odds of one colour against the other for three classes, from full rebalancing on the left to none on the right. Networks trained with rebalancing lie on the closed form. A plain classifier, tilted afterwards, goes the same way, but departs where the weights are steepest, as it weighs the five colours of a label one by one."}, "image": {"alt": "Three panels for roof, leaves and hill with a curve of odds against lambda, dots on the curve, and crosses near it that leave it towards lambda zero"}}
oracle.plot_odds(odds, prior)

# %% [markdown]
# Orange leaves gain on green ones, since green is the colour of the meadow. But the roofs, of which half are blue,
# become red: blue is common in the world, in the sky, and so it is held against the roof. A change of prior improves
# the recall of rare colours over the whole world; within a class it can turn even odds into a prejudice.
#
# ## What we found
#
# - One posterior has many best answers. The mean of a car has a chroma of {glue:text}`car_mean:.1f`, where cars have
#   {glue:text}`car_chroma:.1f`; cooling makes it {glue:text}`car_annealed:.1f`. Squared error is dull because that
#   is the right answer to its question.
# - Each answer wins at its own question, under the posterior it was read from, and at no other. Over
#   whole scenes the mean keeps {glue:text}`chroma_of_mean:.2f` of the chroma; a sample keeps all of it at {glue:text}`price_of_sample:.2f` times
#   the error.
# - Trained on its question, a network gives the closed form: after {glue:text}`toy_steps:d` steps every system lies
#   within {glue:text}`worst_end:.2f` units of it, for every class and from each of {glue:text}`starts:d` starts. `l2`
#   and `ce` at its mean end together, `l2_rebal` and `ce_rebal` at its mean likewise.
# - Neither loss is slow. To come within one unit takes squared error {glue:text}`l2_unit:d` steps and cross entropy
#   {glue:text}`ce_unit:d`; a tenth of a unit takes squared error {glue:text}`l2_tenth:d`, cross entropy
#   {glue:text}`ce_tenth:d`, and {glue:text}`tilted_tenth:d` with a tilt.
# - Soft labels cost the mean at most {glue:text}`cost_ce:.1f` units, and rebalanced training
#   {glue:text}`cost_rebal:.1f`. The tilt after training departs by up to {glue:text}`cost_tilted:.1f` units in these
#   scenes of few colours. The median loses its advantage to the grid: a mean distance of
#   {glue:text}`real_median:.1f`, where the mean has {glue:text}`real_mean:.1f`.
# - The quarter resolution costs these small scenes an error of {glue:text}`quarter_truth:.1f` units even with true
#   colours, as much as not knowing them ({glue:text}`full_mean:.1f`); labels from the middle of their block would cost
#   {glue:text}`middle_truth:.1f`.
# - Rebalancing changes odds by what is common in the world: orange against green leaves from
#   {glue:text}`leaves_before:.2f` to {glue:text}`leaves_after:.2f`, and blue against red roofs from
#   {glue:text}`roof_before:.2f` to {glue:text}`roof_after:.2f`.
