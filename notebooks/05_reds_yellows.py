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
# # Reds and yellows
#
# Skies, walls and lawns come in a few colours; umbrellas, cars and flowers in many, and they are the first to fade when
# a network is not sure. **Do squared error and cross entropy lose reds and yellows alike, and does rebalancing bring
# them back?**

# %% tags=["parameters"]
profile = "laptop"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "ce", "ce_rebal"]
settings = {}  # of the profile to change, such as {"width": 0.5}; they need data

# %%
import math

import pandas as pd
from myst_nb import glue

from colorize_lib import quantize
from colorize_lib.book import examples, figures
from colorize_lib.config import load_config
from colorize_lib.evaluation import claims, measuring, metrics, records

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
found = records.for_config(config)
h3, h4, h17 = (claims.decide(name, found) for name in ("H3", "H4", "H17"))

# %% [markdown]
# ## What the paper says
#
# Section 3.1 of {cite:t}`psacharopoulos`, with its second figure, compares the network that it trained with squared
# error and the original one without rebalancing. In our words:
#
# 1. Both show most reds and yellows as greys or blues.
# 2. As both do it, the loss cannot be the reason.
# 3. The reason is the missing rebalancing, and adding it would be the direct cure.
#
# These are three sentences of different kinds. The first is an observation, made by eye. The second is an inference from
# it, and it needs more than the first gives: two networks may both fail and one of them twice as badly, so "both" has to
# become "both, to the same extent". The third is a prediction, since the paper did not train with rebalancing. And none
# of them can be read off the two networks that were compared, because those differ in training images, size and
# decoder besides the loss, and perhaps in the colour space, since the paper does not say what its error was taken of.
#
# ## Grey and blue are different mistakes
#
# Why would a network fail at red in the first place? Take a pixel that is red with probability $p$ and otherwise grey,
# and nothing in the grey image tells which. The guess with the least expected squared error is the mean,
#
# $$ \hat y = p \cdot \text{red} + (1 - p) \cdot \text{grey}, $$
#
# a vector that points where red points and is shorter. Averaging *fades* a red; it cannot turn it around. For a red
# pixel to come out **blue**, blue must be among the colours that the network holds possible there, and outweigh the
# red. So the two halves of "grey or blue" have different causes, and we count them separately.
#
# The same goes for a classifier that is shown at temperature 1, for then its decoder is a mean as well. At a low
# temperature the decoder leans towards the likeliest colour, and that can go either way: a red with more than half of
# the bets becomes a full red, a red with fewer disappears altogether.
#
# ## What counts as red
#
# Hue is an angle in the $ab$ plane. We cut the circle into six sectors, and a pixel belongs to one if its true chroma
# exceeds a threshold, for the hue of a nearly grey pixel means little. The table gives the angle at which each sector
# begins; it ends where the next one does, and purple ends where red begins.

# %%
glue("vivid", metrics.VIVID, display=False)
glue("neutral", metrics.NEUTRAL, display=False)
glue("hit", metrics.HIT, display=False)
pd.Series(metrics.SECTORS, name="begins at (degrees)").rename_axis("sector").to_frame().T

# %% [markdown]
# The **recall** of red is the share of truly red pixels (chroma above {glue:text}`vivid:d`) whose predicted colour lies
# within {glue:text}`hit:d` $ab$ units of the true one. Grey has a recall of zero by construction, as its distance is
# the chroma. Mind the other side of the definition: a pale red is hit by a touch of the right hue, so recall is a
# lenient measure of whether the hue was found, and no measure of how vivid it is. For that we ask, in a second table,
# what each pixel was **shown as**: the sector of its predicted hue, or grey if the predicted chroma is below
# {glue:text}`neutral:d`.
#
# ## The rules
#
# The rules were written down before the networks were trained; {doc}`/book/claims` holds all of them. The observation
# and the inference are {ref}`H4 <claim-h4>`:
#
# > {glue:text}`rule_h4:s`
#
# The prediction is {ref}`H3 <claim-h3>`, and what rebalancing costs is {ref}`H17 <claim-h17>`, since the paper's
# introduction promises that it makes results more vivid *and* more accurate:
#
# > {glue:text}`rule_h3:s`
#
# > {glue:text}`rule_h17:s`

# %%
for verdict in (h3, h4, h17):
    glue(f"rule_{verdict.hypothesis.id.lower()}", verdict.hypothesis.rule, display=False)
    glue(verdict.hypothesis.id.lower(), verdict.verdict, display=False)
glue("pictures", found.summary["pictures"], display=False)
glue("covers", found.covers, display=False)

# %% [markdown]
# ## Where the colours went
#
# Each panel below sorts the vivid pixels of {glue:text}`pictures:,d` test images by their true hue (rows) and by what
# they were shown as (columns). Along the diagonal the hue was found; the last column holds what faded to grey. All
# networks of an arm are pooled. Change one thing at a time:
#
# - **the loss**: from *L2 on ab* to *cross entropy, T = 1*, both means;
# - **the decoder**: from the upper to the lower panel in the middle, the same networks read in another way;
# - **rebalancing**: from the middle to the right, at equal temperature.
#
# The panel on the upper left is squared error on RGB, one reading of the student paper's loss. From it to *L2 on ab*
# several things change at once, the colour space among them, which {doc}`07_vibrancy` takes up.

# %% mystnb={"figure": {"name": "fig-hue-confusion", "caption": "What became of vivid pixels. Rows are true hues, columns what the pixels were shown as; each row sums to one. Read the first three rows from left to right: weight in the last column has faded, weight under blue has turned around, and these are different mistakes."}, "image": {"alt": "Six heat maps of true hue against shown hue, one for each network and decoder, with the share of pixels in each cell"}}
order = ["student_mse", "ce@1", "ce_rebal@1", "l2", "ce@0.38", "ce_rebal@0.38"]
figures.plot_confusion({system: found.confusion(system) for system in order})

# %% [markdown]
# The four cells that the claim is about, with intervals. The last rows are baselines, here and in all tables of this
# book. The grey baseline shows everything as grey. *Mean colour* gives every pixel the mean of all training labels, and
# *another photo's colours* lays those of a random training image under the lightness. The ceiling is what a
# classifier could reach that predicts every label perfectly, at the same resolution and with the same decoder.

# %%
found.table(list(measuring.LOST_HUES))

# %% [markdown]
# A low share under blue or grey is not yet a success, as red may have gone to orange or green. Recall closes that gap.
#
# ## Alike, or not?
#
# "No difference" needs evidence of its own. That a test fails to find a difference shows nothing; it may be a weak
# test. The rule therefore asks for the opposite proof: that the difference in recall is certainly smaller than a margin
# stated in advance. The findings, one a line:

# %%
h4.table()

# %% [markdown]
# By the rule, the claim that both losses lose reds and yellows alike is **{glue:text}`h4:s`**. The intervals cover
# {glue:text}`covers:s`.
#
# ## What rebalancing does, and what it costs
#
# Rebalancing multiplies the loss of a pixel by a weight that is larger the rarer its true colour is ({eq}`eq-weights`).
# A weight of ten has the same effect, on average, as meeting such pixels ten times as often. The network thus learns
# the distribution of a world with more reds in it, and bets accordingly in ours. It should find more of the true reds,
# and it should also see reds where there are none. A higher recall alone would therefore hardly be a discovery; it is
# what was asked for. The question is the exchange rate.
#
# For that two accuracies stand side by side, both after {cite:t}`zhang2016colorful`. Their **AuC** is the area under a
# curve: for every distance $t$ from 0 to 150, the share of pixels whose predicted $ab$ lies within $t$ of the true one.
# Scaled to at most one, the area is the same as
#
# $$ \text{AuC} = 1 - \frac{1}{150}\; \overline{\min\bigl(\lVert \hat Y - Y \rVert, 150\bigr)} , $$ (eq-auc)
#
# the mean taken over pixels. In the **plain** AuC every pixel counts once, so that it is decided where most pixels are,
# near grey. In the **class-balanced** one a pixel weighs $1 / \tilde p$ of its true colour, which is {eq}`eq-weights`
# with $\lambda = 0$. It favours the same colours as rebalanced training does, far more steeply.

# %%
card = records.data_card(config)
prior, test = card.prior.double(), card.test.double()
rarest = prior.argsort()[int((prior == 0).sum()) :]
pull = (test / prior)[rarest].cumsum(0)
half = int((pull < pull[-1] / 2).sum()) + 1
trained = quantize.rebalancing_weights(prior, 0.5)[rarest]
glue("decades", math.log10(float(prior.max() / prior[rarest[0]])), display=False)
glue("trained_ratio", float(trained.max() / trained.min()), display=False)
glue("half_pixels", 100 * float(test[rarest[:half]].sum()), display=False)

# %% [markdown]
# The weights of the balanced AuC span {glue:text}`decades:.1f` powers of ten; those of training differ by a factor of
# {glue:text}`trained_ratio:.0f` at most. The rarest {glue:text}`half_pixels:.1f` % of the test pixels hold half of all
# weight in it. So a few images with a few rare pixels decide, and another choice of test images gives another number:
# hence its wide intervals below. Between two networks the same pixels are rare for both, much of that cancels, and the
# interval of the difference is usually narrower than either.
#
# Table 1 of {cite:t}`zhang2016colorful` shows the same tension: as published, from classification without to
# classification with rebalancing the plain AuC falls from 91.6 to 89.5 % while the balanced one rises from 65.1 to
# 67.3 %.

# %% mystnb={"figure": {"name": "fig-recall-cost", "caption": "What is gained in rare colours and what it costs. Left: recall of red and yellow. Right: accuracy over all pixels alike, and with each pixel weighted by the rarity of its colour. Hollow points are decoded at T = 1. Bars are 95 % intervals, often shorter than the point is wide."}, "image": {"alt": "Four panels of points with intervals, one row for each network and decoder, with the grey baseline and the encoding ceiling below"}}
shown = ["recall_red", "recall_yellow", "auc", "auc_balanced"]
panels = {metrics.metric(m).title: {s: found.interval(s, m) for s in found.main_systems} for m in shown}
figures.plot_intervals(panels)

# %% [markdown]
# The differences between these points decide, paired by image. First whether reds and yellows come back:

# %%
h3.table()

# %% [markdown]
# Then whether the result is more accurate, on each of the two measures:

# %%
h17.table()

# %% [markdown]
# One dose of rebalancing has been tried here, the published $\lambda = 1/2$. If it is the cause of the cure, more of it should do
# more. That takes networks trained at other values; the list of runs in {doc}`/book/reproduce` has them.
#
# ## Look at them
#
# Whoever picks examples by eye proves what he likes. These were picked by a rule that looks at the true images only:
# *{glue:text}`rule:s`.* For every network the true lightness is put back, so that only colour differs.

# %%
pictures = examples.choose_images(config, "red_yellow", 5, scenes=0)
columns = ["student_mse", "l2", "ce@1", "ce@0.38", "ce_rebal@0.38"]
rows = examples.colorize_systems(pictures, examples.colorizers(config), columns)
glue("rule", pictures.rule, display=False)

# %% mystnb={"figure": {"name": "fig-reds", "caption": "Our counterpart of the student paper's second figure, with the rebalanced network added in the last column. Look for surfaces that are red or yellow in the truth, and ask of each network whether they faded, turned, or survived."}, "image": {"alt": "A grid of images rich in reds and yellows: grey input, truth, and the results of four networks, one of them at two temperatures"}}
figures.image_grid(rows)

# %% [markdown]
# A single image proves nothing about the average, but it shows what the numbers leave out: whether a wrong colour is
# spread evenly or in blotches, and whether it stops at the edges of things.

# %%
gaps = {
    "loss_red": found.difference("ce@1", "l2", "recall_red"),
    "loss_yellow": found.difference("ce@1", "l2", "recall_yellow"),
    "cure_red": found.difference("ce_rebal@0.38", "ce@0.38", "recall_red"),
    "cure_yellow": found.difference("ce_rebal@0.38", "ce@0.38", "recall_yellow"),
    "cost": found.difference("ce_rebal@0.38", "ce@0.38", "auc"),
    "gain": found.difference("ce_rebal@0.38", "ce@0.38", "auc_balanced"),
}
for name, gap in gaps.items():
    glue(name, f"{gap:+.3f}", display=False)
    glue(f"{name}_word", claims.wording(gap, words=("higher", "lower", "not told apart from zero")), display=False)

# %%
for system in ("l2", "ce@1", "mean"):
    for metric in ("recall_red", "recall_yellow", *measuring.LOST_HUES):
        glue(f"{system}_{metric}".replace("@", "_"), 100 * found.value(system, metric), display=False)

# %% [markdown]
# ## What we found
#
# - **Both lose them: to what extent?** With squared error on $ab$ the recall of red is
#   {glue:text}`l2_recall_red:.0f` % and of yellow {glue:text}`l2_recall_yellow:.0f` %; with cross entropy shown as a
#   mean {glue:text}`ce_1_recall_red:.0f` % and {glue:text}`ce_1_recall_yellow:.0f` %. The differences, cross entropy
#   minus squared error, are {glue:text}`loss_red:s` for red ({glue:text}`loss_red_word:s`) and
#   {glue:text}`loss_yellow:s` for yellow ({glue:text}`loss_yellow_word:s`). That both losses fail alike is
#   **{glue:text}`h4:s`** by our rule.
# - **A reason for modesty.** Giving every pixel of every image one and the same colour, the mean of the training
#   labels, has a recall of {glue:text}`mean_recall_red:.0f` % of red and {glue:text}`mean_recall_yellow:.0f` % of yellow,
#   since many reds and yellows are pale enough to lie within the tolerance. Only what lies above it has been learned.
# - **Grey or blue?** Squared error shows {glue:text}`l2_confusion_red_gray:.0f` % of the red pixels as grey and
#   {glue:text}`l2_confusion_red_blue:.0f` % as blue, cross entropy {glue:text}`ce_1_confusion_red_gray:.0f` % and
#   {glue:text}`ce_1_confusion_red_blue:.0f` %. For yellow the shares are {glue:text}`l2_confusion_yellow_gray:.0f` %
#   and {glue:text}`l2_confusion_yellow_blue:.0f` %, against {glue:text}`ce_1_confusion_yellow_gray:.0f` % and
#   {glue:text}`ce_1_confusion_yellow_blue:.0f` %.
# - **The cure.** At equal temperature, the original's, rebalancing changes the recall of red by
#   {glue:text}`cure_red:s` ({glue:text}`cure_red_word:s`) and of yellow by {glue:text}`cure_yellow:s`
#   ({glue:text}`cure_yellow_word:s`). That rebalancing repairs reds and yellows is **{glue:text}`h3:s`**.
# - **The price.** The plain AuC changes by {glue:text}`cost:s` ({glue:text}`cost_word:s`), the class-balanced one by
#   {glue:text}`gain:s` ({glue:text}`gain_word:s`). "More accurate" is **{glue:text}`h17:s`**: it depends on what one
#   counts.
# - The intervals cover {glue:text}`covers:s`.
#
# Next come the colours at the other end of the scale, {doc}`06_neutrals`.
