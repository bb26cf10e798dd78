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
# # Vibrancy
#
# This is what the student paper is about. Its network paints dull images, and it blames the loss. **Is it the loss,
# the decoder, the weight of rare colours, or the colour space that takes the colour out?**

# %% tags=["parameters"]
profile = "laptop"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "ce", "ce_rebal"]
settings = {}  # of the profile to change, such as {"width": 0.5}; they need data

# %%
from dataclasses import replace

import numpy as np
from IPython.display import HTML
from myst_nb import glue

from colorize_lib import quantize
from colorize_lib.book import examples, figures
from colorize_lib.config import load_config
from colorize_lib.evaluation import claims, measuring, metrics, records
from colorize_lib.evaluation.systems import system_title

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
found = records.for_config(config)
systems = found.main_systems
h1, h2, h5, h8, h14, h16 = (claims.decide(name, found) for name in ("H1", "H2", "H5", "H8", "H14", "H16"))

# %% [markdown]
# ## What the paper says
#
# Section 3.3 of {cite:t}`psacharopoulos`, with its fourth figure, and parts of sections 1 and 3.5. In our words:
#
# 1. The main difference between its network and the original without rebalancing is a general loss of vividness.
# 2. Of all colours only blues keep theirs.
# 3. The reason is that squared error is made for regression and therefore converges more slowly; having fewer training
#    images adds to it.
# 4. Having left out the annealed mean, the original's decoder, hardly matters.
#
# There is no reason to doubt the first as an observation. But look at what it compares. On the one side stands a network
# with squared error; the paper does not say whether on red, green and blue, on $ab$, or on scores of colours. On the
# other stands what the original authors' network gave, which classifies $ab$ and, as published, is decoded at a
# temperature of $T = 0.38$. From the one to the other the loss changes, the decoder, everything about the training, and
# perhaps the colour space. An observation of the whole cannot say which part did it.
#
# ## How to measure a loss of colour
#
# The **chroma ratio** is the mean chroma of a network's pixels over that of the true ones. One is as vivid as the
# truth. The **colourfulness** M3 of {cite:t}`hasler2003measuring` works on the image as shown and was fitted to what
# people call colourful: it grows with the spread of the colours in an image, and a little with their mean. Colours of
# about fifteen units are slightly colourful, forty-five is average.
#
# Neither asks whether a colour is right. Paint every pixel in a random hue of the proper strength, and the chroma ratio
# is one. So an accuracy always stands beside them, and the two pull in different directions: whoever is unsure of a
# colour lowers the expected error by toning it down. *A network with the least error is not supposed to reach a ratio
# of one.* {doc}`03_losses` has the reason. Squared error asks for the conditional mean, and for any uncertain colour
# $C$
#
# $$ \lVert \mathbb{E}\, C \rVert \;\le\; \mathbb{E}\, \lVert C \rVert , $$
#
# with equality only if all possible colours have one and the same hue. Training makes this gap no smaller, except as far
# as the network learns to tell cases apart.
#
# But the same chapter holds a second sentence, which the paper did not consider. Cross entropy asks for the conditional
# *distribution*; decode that with its mean, and you get the same conditional mean. Two perfect networks, one trained
# with either loss, would then paint the same dull image. Theory does not predict that the loss matters at $T = 1$.
# It predicts that the decoder and the weights do, and leaves the sign of the decoder's effect to the images: a low
# temperature follows the majority of the bets, and where grey has the majority, colour goes.
#
# ## The rules
#
# {ref}`H1 <claim-h1>` is the paper's thesis, that the loss alone does it. {ref}`H5 <claim-h5>` says that the decoder
# does not matter, {ref}`H16 <claim-h16>` what is assumed of the colour space, {ref}`H8 <claim-h8>` that only blues
# survive, and {ref}`H14 <claim-h14>` that squared error is a poor choice altogether. Each was fixed before the networks
# were trained.
#
# > **The loss.** {glue:text}`rule_h1:s`
#
# > **The decoder.** {glue:text}`rule_h5:s`
#
# > **The colour space.** {glue:text}`rule_h16:s`
#
# > **Only blues.** {glue:text}`rule_h8:s`
#
# > **Altogether.** {glue:text}`rule_h14:s`

# %%
for verdict in (h1, h2, h5, h8, h14, h16):
    glue(f"rule_{verdict.hypothesis.id.lower()}", verdict.hypothesis.rule, display=False)
    glue(verdict.hypothesis.id.lower(), verdict.verdict, display=False)
glue("pictures", found.summary["pictures"], display=False)
glue("true_m3", found.value("grey", "colourfulness_true"), display=False)
glue("covers", found.covers, display=False)
found.table(["chroma_ratio", "colourfulness", "auc", "ciede2000"])

# %% [markdown]
# All of this is measured on {glue:text}`pictures:,d` test images, whose own mean colourfulness is
# {glue:text}`true_m3:.1f`.
#
# ## One step at a time
#
# Between the paper's network and the original's lie steps. Since all four networks share body, images, order and the
# initial weights of the body, and since a classifier can be decoded at any temperature without being trained again,
# the steps of loss, decoder and rebalancing can be taken alone. The first step, from RGB to $ab$, cannot: with the
# colour space go the grey input, the size at which the error is taken, and the lightness, which the network on RGB has
# to paint itself. The figure shows what each step adds. Two of them appear twice, because what a decoder does may
# depend on how the network was trained, and the other way round.

# %% mystnb={"figure": {"name": "fig-steps", "caption": "What each step adds to vividness (left) and to accuracy (right); to the right of the dotted line means more. The first row changes all that goes with RGB at once, its own lightness included, which CIEDE2000 and the colourfulness see; every other row changes one thing. The second row is the loss alone. CIEDE2000 is an error, so there more is worse."}, "image": {"alt": "Four panels of differences with intervals around a zero line, a row for each change: RGB in place of ab, loss, decoder and rebalancing"}}
steps = {
    "RGB in place of ab": ("student_mse", "l2"),
    "cross entropy in place of L2": ("ce@1", "l2"),
    "T = 0.38 in place of 1, plain": ("ce@0.38", "ce@1"),
    "rebalancing, at T = 1": ("ce_rebal@1", "ce@1"),
    "rebalancing, at T = 0.38": ("ce_rebal@0.38", "ce@0.38"),
    "T = 0.38 in place of 1, rebalanced": ("ce_rebal@0.38", "ce_rebal@1"),
}
shown = {metrics.metric(m).title: m for m in ("chroma_ratio", "colourfulness", "auc", "ciede2000")}
panels = {title: {step: found.difference(a, b, m) for step, (a, b) in steps.items()} for title, m in shown.items()}
figures.plot_intervals(panels, dict.fromkeys(panels, 0.0))

# %% [markdown]
# The paper's thesis stands in the second row. Both systems in it answer with a mean, so nothing is different but the
# loss, with the head and the labels that belong to it. By the rule:

# %%
first = records.for_config(replace(config, seeds=(config.seeds or (0,))[:1]))
glue("h1_first", claims.decide("H1", first).verdict, display=False)
glue("first_m3", f"{first.difference('ce@1', 'l2', 'colourfulness'):+.1f}", display=False)
h1.table()

# %% [markdown]
# That the loss alone makes the colours dull is **{glue:text}`h1:s`**. From the first network of each arm alone, with a
# difference in colourfulness of {glue:text}`first_m3:s`, it would have been *{glue:text}`h1_first:s`*. One training of
# each, and the paper shows no more, says what those two networks do; about the losses it says less than the interval
# makes believe, because that does not know of other seeds.
#
# Not all of that gain need be a property of the losses. Two perfect networks would paint the same here, so a difference
# also tells how well each has been trained. The root mean squared $ab$ error, which `l2` itself is trained to make
# small, differs by {glue:text}`loss_rmse:s` units from `l2` to `ce` at its mean ({glue:text}`loss_rmse_word:s`). A
# perfect `l2` could not be beaten at it; where it is, it has not reached its own best answer.
#
# And the comparison that the paper made, if its squared error was taken on RGB: that loss against plain classification
# at the original's temperature? It takes three of these steps together. As a single number it comes to
# {glue:text}`their_ratio:s` in chroma ratio and {glue:text}`their_m3:s` units of M3, classification minus squared error.
# Whatever its sign, it cannot tell which of its steps did how much; that takes the rows above.
#
# ## The knob that was left out
#
# The annealed mean sharpens the predicted distribution before averaging ({eq}`eq-annealed`). It costs nothing to turn
# it, for the network stays what it is. {cite:t}`zhang2016colorful` show images for seven temperatures, from the mean
# at 1 to the mode at 0, and settle for 0.38 as the best of both. We have not found the place where they call its effect
# unnoticeable. Here is the whole range, for the plain and for the rebalanced classifier. All temperatures were measured
# on the networks of the first seed only, so the figure shows these and no others throughout.

# %% mystnb={"figure": {"name": "fig-temperature", "caption": "Vividness and accuracy of two classifiers, one network each at all seven temperatures, from the mean (left) to the mode (right), with 95 % bands that cover the choice of test images. Flat lines are networks of the same seed that have no such knob. Where the two blue curves move in opposite directions, the temperature follows two different majorities."}, "image": {"alt": "Four panels of curves against falling temperature: chroma ratio, colourfulness, AuC and CIEDE2000 for the plain and the rebalanced classifier"}}
figures.plot_sweep(first, ["chroma_ratio", "colourfulness", "auc", "ciede2000"], ["student_mse", "l2", "grey"])

# %% [markdown]
# Read the curves as a question about majorities. If most of a network's bets on a pixel lie near grey, cooling moves
# the answer to grey, and the curve falls. Rebalancing changes who has the majority, and may turn the same knob around.
#
# ### Why a cooler image can be duller and more accurate
#
# The two accuracies that one might take ask different questions. The root mean squared error is smallest for the
# *mean* of the distribution. The AuC counts distances, not their squares ({eq}`eq-auc`), and the colour with the least
# mean distance is the *median*, the point at which the pulls of all colours, each of equal strength whatever its
# distance, cancel. In photographs the colours are crowded near grey, with a few vivid ones far out. Those few drag the
# mean outwards, and hardly move the median. On the way from the mean to the mode the answer moves towards the crowd.
# It passes near the median, so accuracy by distance should rise first and fall later, while the error in squares
# grows from the first step and chroma falls all the way.

# %%
swept = (1.0, config.temperature, *(readout.temperature for readout in measuring.SWEEP))
plain = {f"{t:g}": f"ce@{t:g}" for t in swept}
coolest, peak = min(plain, key=float), max(plain, key=lambda t: first.value(plain[t], "auc"))
glue("peak", peak, display=False)
for name, t in {"warm": "1", "peak": peak, "anneal": "0.38", "cool": coolest}.items():
    for short, metric in (("auc", "auc"), ("rmse", "ab_rmse"), ("ratio", "chroma_ratio")):
        glue(f"{name}_{short}", first.value(plain[t], metric), display=False)
glue("overconfident", 100 * first.value("ce@1", "overconfidence"), display=False)
shares, chroma = first.summary["histograms"], quantize.ab_gamut_centers().norm(dim=1).numpy()
grey, near = int(chroma.argmin()), chroma <= 15
places = np.array(first.summary["calibration"]["ce@1"]["positions"])
glue("unsure", 100 * float(places[:3].sum() / places.sum()), display=False)
glue("near_truth", 100 * float(np.array(shares["truth"])[near].sum()), display=False)
for name, system in {"true": "truth", "warm": "ce@1", "anneal": "ce@0.38", "cool": plain[coolest]}.items():
    glue(f"{name}_grey", 100 * shares[system][grey], display=False)

# %% [markdown]
# For the plain classifier the AuC goes from {glue:text}`warm_auc:.4f` at $T = 1$ to its highest,
# {glue:text}`peak_auc:.4f`, at a temperature of {glue:text}`peak:s`, and to {glue:text}`cool_auc:.4f` at the mode. The
# root mean squared error over the same three is {glue:text}`warm_rmse:.2f`, {glue:text}`peak_rmse:.2f` and
# {glue:text}`cool_rmse:.2f` units, the chroma ratio {glue:text}`warm_ratio:.2f`, {glue:text}`peak_ratio:.2f` and
# {glue:text}`cool_ratio:.2f`.
#
# The crowd is real. Of the true pixels {glue:text}`near_truth:.0f` % lie within 15 units of grey,
# {glue:text}`true_grey:.0f` % in the grey square itself. Nor does the network make it up by betting too boldly: the
# probability of its likeliest colour, less the share of places where that colour is right, is
# {glue:text}`overconfident:+.1f` percentage points, and below zero means too cautious. (Soft labels make it cautious by
# design, as even a certain colour is shared among five.) At {glue:text}`unsure:.0f` % of the places the likeliest
# colour has a probability below $0.3$; many others share the rest, and grey need not have much to come first. Cooling
# drops the others, and with them the colour that they give to the mean. It puts {glue:text}`warm_grey:.0f` % of the
# pixels in the grey square at $T = 1$, {glue:text}`anneal_grey:.0f` % at $T = 0.38$, and {glue:text}`cool_grey:.0f` %
# at the mode.
#
# That the annealed mean hardly matters would need both measures to stay within their margins from $T = 1$ to $T = 0.38$:

# %%
h5.table()

# %% [markdown]
# The claim is **{glue:text}`h5:s`**. It is about the plain classifier, the one whose results the paper looked at.
#
# ## Only blues?
#
# Averaging does not spare a hue for being blue. It spares a hue that can be *known*: where the grey image shows a
# smooth bright area above a skyline, the possible colours agree, and the mean of colours that agree is as vivid as
# they are. If blues survive in photographs, then because skies do. It also follows that the survivor may be another
# hue in other photographs, with many lawns for example, or in our synthetic scenes.

# %% mystnb={"figure": {"name": "fig-hues", "caption": "Chroma ratio hue by hue, over pixels whose true chroma exceeds twenty; the dotted line is the vividness of the truth. The claim concerns the two warm markers: in both, blue should stand above every other hue."}, "image": {"alt": "Points in six coloured columns, red to purple, five systems in each, with a line at one"}}
compared = ["student_mse", "l2", "ce@1", "ce@0.38", "ce_rebal@0.38"]
figures.plot_hues({s: {h: found.interval(s, f"chroma_ratio_{h}") for h in metrics.SECTORS} for s in compared})

# %% [markdown]
# One caution. These pixels are chosen by being truly vivid, and whoever guesses at all falls short on pixels chosen for
# being extreme. A ratio below one is thus expected of every honest method here; the comparison between hues is what
# bears on the claim. It takes five comparisons for each reading of the loss, so their p-values are corrected by Holm's
# method {cite:p}`holm1979simple`. Under the first version of the rules this is the only claim whose comparisons are
# corrected; in all others each comparison stands for itself.

# %%
h8.table()

# %% [markdown]
# That only blues stay vivid is **{glue:text}`h8:s`**.
#
# ## RGB or ab
#
# "Mean squared error" is not yet a loss; it must be said of what, and the paper does not. On RGB an error of lightness
# counts as well, and lightness can be seen in the input, so a part of training goes into copying it. An error of colour
# weighs differently too, since equal steps in RGB are not equal steps in $ab$. The error is taken at full size, and
# the network has to repeat the lightness at a quarter of the side and blurs it. None of this is a matter of regression
# against classification, yet it sits in the paper's comparison if its error was taken on RGB. We measure it as a whole.

# %%
h16.table()

# %% [markdown]
# That the colour space makes no difference is **{glue:text}`h16:s`**, the colour space standing for all that goes with
# it here. The last line, reported only, is the effect of the loss on the same scale.
#
# ## A matter of time?
#
# The paper's explanation is slow convergence. It makes a prediction that differs from "the mean is dull": with more
# training, colour should come back. The table shows the chroma ratio on validation images after a quarter, after
# half, and at the end of training, all classifiers decoded at $T = 1$.

# %%
curve = found.history.pivot_table(index="step", columns="arm", values="val_chroma_ratio")[list(config.arms)]
steps_shown = curve.iloc[[len(curve) // 4, len(curve) // 2, -1]]
for arm in config.arms:
    glue(f"{arm}_half", float(steps_shown[arm].iloc[1]), display=False)
    glue(f"{arm}_end", float(steps_shown[arm].iloc[2]), display=False)
steps_shown.rename(columns=system_title).round(2)

# %% [markdown]
# The table must not be taken for more than it is. The learning rate falls to zero towards the end, and under a falling
# learning rate every curve becomes flat, whether there was something left to learn or not. That a network has stopped
# changing does not show that it has arrived. {ref}`H2 <claim-h2>` therefore asks for training five times as long; its
# verdict here is **{glue:text}`h2:s`**. Two things can be said without more runs. The best answer to squared error is
# dull by itself, so that no patience makes it vivid. And these networks are not there yet: the comparison of root mean
# squared errors above shows that `l2` can be short of its own best answer, and what it lacks may include some colour.
# So slow convergence may be a part of the reason, and cannot be all of it.
#
# ## Look at them
#
# Chosen by a rule that looks at the true images only: *{glue:text}`chosen:s`.* The true lightness is put back for
# every network.

# %%
pictures = examples.choose_images(config, "vivid", 5, scenes=0)
networks = examples.colorizers(config)
rows = examples.colorize_systems(pictures, networks, compared)
glue("chosen", pictures.rule, display=False)

# %% mystnb={"figure": {"name": "fig-vivid-pictures", "caption": "Our counterpart of the student paper's fourth figure. From the third column on, each network differs from its neighbour by one step: all that goes with RGB, then loss, decoder, rebalancing. Which step do you see?"}, "image": {"alt": "A grid of vivid images: grey input, truth, and the results of four networks, one of them at two temperatures"}}
figures.image_grid(rows)

# %% [markdown]
# And one of them large, the first and the last network on top of each other, both with the true lightness. Drag the
# slider, or use the arrow keys. The image is simply the first of the book's list.

# %%
example = examples.colorize_systems(examples.choose_images(config, "any", 1), networks, ["l2", "ce_rebal@0.38"])
pair = next(iter(example.values()))
names = (system_title("l2"), system_title("ce_rebal@0.38"))
HTML(figures.before_after(pair["l2"], pair["ce_rebal@0.38"], names))

# %% [markdown]
# ## A poor choice?
#
# "Squared error is a poor choice" is the paper's verdict. A verdict without a measure is a matter of taste, so here is
# one for each measure, those included that squared error should win: it minimises a squared distance, and PSNR *is* a
# squared distance.

# %%
h14.table()

# %% [markdown]
# Over all measures the verdict is **{glue:text}`h14:s`**.
#
# ## Other photographs
#
# All of this was measured on photographs of the kind that the networks were trained on. Does it hold for others? The
# recorded results include a second set of test images, small photographs of objects from Tiny ImageNet, in which
# animals, food and vehicles fill the frame, and no place is meant to be recognised.

# %%
far = found.elsewhere
glue("far_pictures", f"{far.summary['pictures']:,}" if far else "no", display=False)
for name in ("H1", "H5", "H16"):
    glue(f"far_{name.lower()}", claims.decide(name, far).verdict if far else "not measured", display=False)
far.table(["chroma_ratio", "colourfulness", "auc", "auc_balanced"]) if far else "no second set was measured"

# %% [markdown]
# On these {glue:text}`far_pictures:s` images, by the same rules, that the loss alone makes the colours dull is
# **{glue:text}`far_h1:s`**, that the annealed mean hardly matters **{glue:text}`far_h5:s`**, and that the colour space
# makes no difference **{glue:text}`far_h16:s`**.
#
# ## Beside the published table
#
# {cite:t}`zhang2016colorful` give both AuC of their networks in table 1. Theirs were trained and tested on ImageNet, at
# full width and 256 pixels; ours are small, saw small images of places and little of them, so that the columns should
# be compared within and not with each other. {doc}`05_reds_yellows` says what both AuC are, and why the balanced one is
# uncertain.

# %%
rows = {"grey": "grey", "random": "random", "l2": "l2", "ce": "ce@0.38", "rebal": "ce_rebal@0.38"}
for name, system in rows.items():
    glue(f"our_{name}", 100 * found.value(system, "auc"), display=False)
    glue(f"our_{name}_balanced", 100 * found.value(system, "auc_balanced"), display=False)

# %% [markdown]
# | AuC in % | as published {cite:p}`zhang2016colorful` | balanced, as published | here | balanced, here |
# |---|---|---|---|---|
# | grey | 89.1 | 58.0 | {glue:text}`our_grey:.1f` | {glue:text}`our_grey_balanced:.1f` |
# | another photo's colours | 84.2 | 57.3 | {glue:text}`our_random:.1f` | {glue:text}`our_random_balanced:.1f` |
# | L2 on ab | 91.2 | 64.4 | {glue:text}`our_l2:.1f` | {glue:text}`our_l2_balanced:.1f` |
# | classification, $T = 0.38$ | 91.6 | 65.1 | {glue:text}`our_ce:.1f` | {glue:text}`our_ce_balanced:.1f` |
# | the same, rebalanced | 89.5 | 67.3 | {glue:text}`our_rebal:.1f` | {glue:text}`our_rebal_balanced:.1f` |
#
# By AuC the loss was the smaller step there, too {cite:p}`zhang2016colorful`: from L2 to classification, decoder
# included, plain AuC moves by less than half a point and the balanced one by 0.7, and from classification to its
# rebalanced form by two points down and two points up. Two other columns of that table do not fit so well. People took
# 21.2 % of the images for real with L2, 25.2 % with classification and 32.3 % with rebalancing, so that the loss is
# the smaller step there, but no small one. And a classifier of objects named 54.9, 56.6 and 56.0 % of the colorized
# images rightly; there the loss is the larger step, and rebalancing a step back.
#
# ## The answer in one figure
#
# Vividness on the left, accuracy on the right. A method that is only vivid stands far to the right in the first panel
# and far to the left in the second; a method that only plays safe does the opposite.

# %% mystnb={"figure": {"name": "fig-answer-here", "caption": "All systems: how vivid (dotted: the truth) and how accurate (dotted: the grey baseline). Hollow points are decoded at T = 1. Compare neighbours: all that goes with RGB changes from the first row to the second, the loss alone from the second to the third, the decoder from hollow to full, the weight of rare colours from light to dark blue."}, "image": {"alt": "Two panels of points with intervals, chroma ratio and AuC, a row for each network and decoder, the grey baseline and the encoding ceiling"}}
panels = {metrics.metric(m).title: {s: found.interval(s, m) for s in systems} for m in ("chroma_ratio", "auc")}
answer = figures.plot_intervals(panels, {"chroma ratio": 1.0, "AuC": found.value("grey", "auc")})
glue("answer_figure", answer)

# %%
glue("answer_table", found.table(["chroma_ratio", "colourfulness", "auc", "auc_balanced"]), display=False)
for name, (a, b) in {"their": ("ce@0.38", "student_mse"), "space": ("student_mse", "l2"), "loss": ("ce@1", "l2"),
                     "decoder": ("ce@0.38", "ce@1"), "weight": ("ce_rebal@0.38", "ce@0.38")}.items():  # fmt: skip
    for short, metric, form in (("ratio", "chroma_ratio", "+.2f"), ("m3", "colourfulness", "+.1f")):
        gap = found.difference(a, b, metric)
        glue(f"{name}_{short}", f"{gap:{form}}", display=False)
        glue(f"{name}_{short}_word", claims.wording(gap, words=("more vivid", "duller", "neither")), display=False)
better = found.difference("ce@1", "l2", "ab_rmse")
glue("loss_rmse", f"{better:+.2f}", display=False)
glue("loss_rmse_word", claims.wording(better, words=("larger", "smaller", "not told apart")), display=False)
cost = found.difference("ce_rebal@0.38", "ce@0.38", "auc")
glue("cost", f"{cost:+.3f}", display=False)
glue("cost_word", claims.wording(cost, words=("a gain", "a loss", "not told apart from none")), display=False)

# %%
ratios = {step: found.difference(a, b, "chroma_ratio") for step, (a, b) in steps.items()}
largest = max(ratios, key=lambda step: abs(ratios[step].value))
glue("largest", largest, display=False)
glue("largest_effect", f"{ratios[largest]:+.2f}", display=False)

# %% [markdown]
# ## What we found
#
# - **The loss alone**, squared error on $ab$ to cross entropy with both shown as a mean: the chroma ratio changes by
#   {glue:text}`loss_ratio:s` ({glue:text}`loss_ratio_word:s`), the colourfulness by {glue:text}`loss_m3:s`
#   ({glue:text}`loss_m3_word:s`). The paper's thesis is **{glue:text}`h1:s`**. Part of it may be training: the root mean
#   squared error, `l2`'s own measure, changes by {glue:text}`loss_rmse:s` ({glue:text}`loss_rmse_word:s`).
# - **The decoder alone**, from the mean to the original's temperature in one plain classifier:
#   {glue:text}`decoder_ratio:s` ({glue:text}`decoder_ratio_word:s`) and {glue:text}`decoder_m3:s`
#   ({glue:text}`decoder_m3_word:s`). That it hardly matters is **{glue:text}`h5:s`**. Cooling moves the answer from the
#   mean past the median towards the mode, and so towards grey: the plain AuC is highest on the way, at
#   {glue:text}`peak:s`.
# - **Rebalancing alone**, at that temperature: {glue:text}`weight_ratio:s` ({glue:text}`weight_ratio_word:s`) and
#   {glue:text}`weight_m3:s` ({glue:text}`weight_m3_word:s`). In plain AuC it is {glue:text}`cost_word:s`:
#   {glue:text}`cost:s`.
# - **The colour space**, squared error on RGB in place of $ab$, with all that goes with it:
#   {glue:text}`space_ratio:s` ({glue:text}`space_ratio_word:s`) and {glue:text}`space_m3:s`
#   ({glue:text}`space_m3_word:s`). That it makes no difference is **{glue:text}`h16:s`**.
# - Measured by the chroma ratio, the largest of these steps is *{glue:text}`largest:s`*, with
#   {glue:text}`largest_effect:s`.
# - That only blues stay vivid is **{glue:text}`h8:s`**; that squared error is a poor choice altogether,
#   **{glue:text}`h14:s`**; that it only takes longer, **{glue:text}`h2:s`**. In the second half of training the chroma
#   ratio of squared error went from {glue:text}`l2_half:.2f` to {glue:text}`l2_end:.2f`, under a falling learning rate.
# - The intervals cover {glue:text}`covers:s`.
#
# There remain the images on which the paper saw its network excel: {doc}`08_edge_cases`.
