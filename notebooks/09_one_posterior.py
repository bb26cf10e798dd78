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
# # One posterior, many answers
#
# All five objectives of this book ask about the same thing, the colours that are possible given a grey image.
# **If one network has learned how likely each colour is, does anything else have to be trained, or can the rest be
# asked of it afterwards?**

# %% tags=["parameters", "hide-input"]
profile = "evening"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "l2_rebal", "ce", "ce_rebal"]
settings = {}  # changes to the profile, {"width": 0.5}; they need data
photo = "lighthouse"  # of the images that may be shown; else the first of them

# %% tags=["hide-input"]
from dataclasses import replace

import pandas as pd
from myst_nb import glue

from colorize_lib.book import answers, examples, figures
from colorize_lib.config import load_config
from colorize_lib.evaluation import claims, metrics, records

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
there = records.arms_there(config)
found = records.for_config(replace(config, arms=there))
networks = answers.networks(config, ["ce"])
image = answers.one_image(config, photo)
view = answers.View.of(image, networks["ce"])
places = answers.telling_places(view)
pd.options.display.max_colwidth = 90

# %% tags=["hide-input"]
glue("profile_name", found.profile, display=False)
glue("there", ", ".join(there), display=False)
glue("covers", found.covers, display=False)
glue("shown_profile", networks["ce"].passport["profile"], display=False)
glue("pictures", found.summary["pictures"], display=False)

# %% [markdown]
# ## One network, six images
#
# **Nothing was trained between these images.** One network, plain cross entropy, looked at the grey image once and
# gave, for every fourth pixel, a probability to each of the 313 colours. What differs is the question.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-answers", "caption": "Grey input, truth, and six answers of one and the same network to it. The mean hesitates in dull colours; the median and the annealed mean at T = 0.38 lean towards the majority; the mode decides, and leaves hard borders; the tilted mean gives rare colours more weight; the sample has all the colour of a real photograph, in the wrong places, as every position draws for itself. The circles mark two positions that are looked at below."}, "image": {"alt": "Eight versions of one image: grey with two circles, true colours with the same circles, and painted with mean, median, mode, sample, annealed mean and tilted mean"}}
painted = answers.paint(image, networks["ce"])
answers.plot_paintings(painted, places, view.L.shape)

# %% [markdown]
# ## Questions and answers
#
# A classifier that is trained with plain cross entropy estimates the distribution $p$ of the colours of a pixel given
# the grey image: the *posterior*. Every way of judging an answer has one that is best under $p$.
#
# | what is asked | best answer under the posterior | who was trained to give just this |
# |---|---|---|
# | least squared error | the mean | `l2` |
# | least distance, what AuC counts | the geometric median | nobody |
# | the compromise of {cite:t}`zhang2016colorful` | the mean of $p^{1/T}$ (normalised), $T = 0.38$ | nobody |
# | rare colours count more | the mean of $p$ tilted by the weights $w$ | `l2_rebal`; `ce_rebal` at $T = 1$ |
# | the likeliest colour | the mode | nobody |
# | an image as vivid as real ones | a sample | nobody |
#
# The last column is the point of this chapter. Three of the five arms are trained for an answer that could be read
# from a fourth, `ce`. `l2` gives the mean and forgets what it was the mean of. Rebalancing multiplies each colour's
# probability by its weight, $p(c) \to w(c)\,p(c)$, up to a factor, and that is a change of prior: it can be made after
# training by adding $\log w$ to the logits {cite:p}`saerens2002adjusting,menon2021long`. The fifth arm,
# `student_mse`, answers with red, green and blue, lightness included; it has no place in the table, but the mean comes
# closest.
#
# A read-out has two dials. The **temperature** $T$ sharpens the distribution: $T = 1$ leaves it alone, towards zero the
# mean becomes the mode. The **tilt** $\lambda$ is that of eq. 4 of {cite:t}`zhang2016colorful`: at one all colours
# count alike, at a half as in their training, at zero each by the inverse of its frequency. If the idea is right, four
# trainings collapse into one network and two dials. Both dials are
# <a href="../book/live.html#photo=lighthouse&t=1&lambda=0.5&left=mean">on the live page</a>, here set to the original's
# tilt beside the mean.
#
# ## One position worked through
#
# **The answers differ where the distribution is wide, and only there.** Of the positions in the image above whose true
# colour is vivid, *open* is the one with the widest distribution; *certain* has the narrowest of all. Left out
# are the border and what is dark or white.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-one-position", "caption": "What the network holds possible at the two positions, on the ab plane. The area of a disc is the probability of its colour; black marks are the answers read from it, five of them samples; pentagons what other networks answer that were trained to give one colour only (classifiers: their mean). At the open position every question has its own answer. At the certain one most of the probability lies in a few discs, and the answers move together. The strips show the same colours as they are painted, in the order of the marks."}, "image": {"alt": "Two planes of coloured discs. On the large one, of the open position, marks for the truth, mean, median, mode, samples, annealed mean and tilted mean lie far apart; on the small one, of the certain position, close together. Below each a strip of patches in these colours"}}
answers.plot_places(view, places, networks)

# %% tags=["hide-input"]
at = {name: view.at(place) for name, place in places.items()}
shares = pd.DataFrame({name: answers.hue_shares(p) for name, p in at.items()})
likely = shares.drop("grey").open.idxmax()
glue("open_grey", float(shares.open["grey"]), display=False)
glue("open_hue", likely, display=False)
glue("open_hue_share", float(shares.open[likely]), display=False)
glue("certain_grey", float(shares.certain["grey"]), display=False)
shares.round(2)

# %% [markdown]
# The table sums the discs by hue; *grey* are the nine colours in the middle. At the open position
# {glue:text}`open_grey:.2f` of the probability lies there and {glue:text}`open_hue_share:.2f` on
# {glue:text}`open_hue:s`. Where two far colours share the probability the mean lies between them. At the
# certain position the middle has {glue:text}`certain_grey:.2f`. *Certain* is what the network is; whether it is right
# is another matter, and the white cross shows it.
#
# What each answer costs at the open position, in ab units:

# %% tags=["hide-input"]
costs = answers.cost_table(view, places["open"])
glue("mean_chroma", float(costs.chroma["mean"]), display=False)
glue("tilted_chroma", float(costs.chroma["tilted mean"]), display=False)
glue("least_distance", costs["expected distance"].idxmin(), display=False)
costs.round(2)

# %% [markdown]
# *Expected* means under the network's own distribution. There the mean has the least root mean squared distance of
# all, with a chroma of {glue:text}`mean_chroma:.1f`, and of the six the *{glue:text}`least_distance:s`* has the least
# mean distance. The tilted mean has a chroma of {glue:text}`tilted_chroma:.1f`; an answer that departs from
# the mean pays with squared error, whatever it gains. The last column is luck: it compares with the one colour that
# this pixel happens to have. Dullness is no failure of the mean. It is what the question asks for.
#
# These images come from the network of `ce` that is at hand, of profile {glue:text}`shown_profile:s`. What follows is
# measured, but for *Dose by dose*, on profile {glue:text}`profile_name:s`. The arms trained for it are
# {glue:text}`there:s`.
#
# ## Two dials
#
# **Each measure has its own place on the dials.** The networks of `ce` were asked for the mean at every combination of
# six temperatures and six tilts, on validation images, so that no test image took part in any choice.

# %% tags=["hide-input"]
tried = answers.validated(found)
plain = found.only({"ce"} & set(there))
dials = answers.dial_table(answers.validated(plain))
names = ["auc", "auc_balanced", "true_hue_ratio", "colourfulness"]

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-dials", "caption": "Four measures of ce over both dials, means over its networks, on validation images. The top left cell is the plain mean. A row further down is more tilt, a column further to the right a cooler distribution; the tilt that the original trains with is a lambda of a half. Frames mark the best cell where more is better. Bright is more; the colours do not follow the numbers of the last row, in which the rarest colours take over, to their ends."}, "image": {"alt": "Four heat maps with a number in each cell, temperature by lambda: AuC, class-balanced AuC, true-hue chroma ratio and colourfulness. The frames of the first two stand in different rows"}}
answers.plot_dials(dials, names)

# %% tags=["hide-input"]
coolest = dials[dials.lambda_ == 1].auc.idxmax() if len(dials) else "none"
best_T = float(dials.temperature.get(coolest, float("nan")))
glue("coolest_T", best_T, display=False)
forms = {"auc": "+.4f", "auc_balanced": "+.3f", "true_hue_ratio": "+.2f"}
steps = {
    "cool": (coolest, "ce@1"),
    "median": (coolest, "ce@1:median"),
    "tilt": ("ce@1~0.5", "ce@1"),
}
for step, pair in steps.items():
    for metric, form in forms.items():
        effect = answers.difference(found, *pair, metric)
        glue(f"{step}_{metric}", answers.said(effect, form), display=False)

# %% [markdown]
# **The tilt moves the answer towards rare colours.** On test images the tilted mean ($T = 1$, $\lambda = 0.5$) against
# the plain one: balanced AuC {glue:text}`tilt_auc_balanced:s`, true-hue chroma ratio
# {glue:text}`tilt_true_hue_ratio:s`, AuC {glue:text}`tilt_auc:s`. The true-hue ratio counts only chroma that
# points at the true hue, so a random hue earns nothing.
#
# **Cooling follows the bulk.** AuC counts the mean distance, whose best answer is the median; a
# cooler mean moves towards the bulk of the distribution as the median does, and where the bulk is grey, colour goes.
# Of the temperatures tried without a tilt $T$ = {glue:text}`coolest_T:g` has the highest AuC on validation images. On test
# images, against $T = 1$, its AuC is {glue:text}`cool_auc:s` and its true-hue ratio
# {glue:text}`cool_true_hue_ratio:s`. Against the median itself, its AuC is
# {glue:text}`median_auc:s`; {doc}`11_the_oracle` shows one reason why a median need
# not win at its own question: it is read off a grid and soft labels. With a tilt the bulk may be coloured, and then the
# same dial works the other way: compare the rows of the figure.
#
# ### Are the probabilities honest?
#
# **What is read from a distribution is worth as much as the distribution.** At how many of the places where the
# classifier gives its likeliest colour a probability of, say, two fifths, is that colour the nearest to the true one?

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-honest", "caption": "How often the likeliest colour is the right one of the 313, against the probability that the classifier gives it, on test images, in tenths of that probability. On the dashed diagonal it is right as often as it says. At the dotted line a label says no more of its own colour, but at the edge of the gamut. A larger mark stands for more places; tenths with less than a thousandth of all are left out."}, "image": {"alt": "Curves of accuracy against confidence for cross entropy and its rebalanced form, above a dashed diagonal, with a dotted vertical line"}}
honest = {
    system: found.calibration(system)
    for system in ("ce@1", "ce_rebal@1")
    if system in found.systems
}
most, least = answers.label_shares()
answers.plot_honesty(honest, most)

# %% tags=["hide-input"]
words = ("surer than right", "less sure than right", "as sure as right")
for system in ("ce@1", "ce_rebal@1"):
    apart = answers.MISSING
    if system in honest:
        apart = found.interval(system, "overconfidence")
    name = system.partition("@")[0]
    glue(f"{name}_sure", answers.said(apart, "+.3f", words), display=False)
glue("label_most", most, display=False)
glue("label_least", least, display=False)

# %% [markdown]
# Its probability less the share of places where it is right, over all places: `ce` is {glue:text}`ce_sure:s`,
# `ce_rebal` {glue:text}`ce_rebal_sure:s`, whose distribution its weights flatten besides. The labels ask for this. A
# soft label gives its nearest colour {glue:text}`label_most:.2f` if the true one lies on the grid and
# {glue:text}`label_least:.2f` if it lies midway between four, and shares out the rest among the neighbours; who has
# learned such labels exactly is hardly ever surer. So some of the width of a distribution is the labels' and not
# doubt, and a cooler one takes off some of that, too. That cooling leads towards grey is no fault of the
# probabilities, either: of the true pixels {glue:text}`07_vibrancy.py::near_truth:.0f` % lie within 15 units of it.
#
# ## Where the trained arms lie
#
# **A trained arm should lie on the point of the map that theory gives it.** Each was measured on the same
# validation images, and so has a place between AuC and balanced AuC.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-plane", "caption": "The two accuracies against each other, on validation images; better is up and to the right. Each grey line is one lambda, from T = 1 (largest dot) to the coolest; the colour of a dot is its vividness. Large discs are the trained arms, and a dotted line leads from each to the setting that theory gives it. The shorter the line, the better the collapse; the student's loss has no line, for theory gives it no setting. The line of lambda 0 leaves the picture."}, "image": {"alt": "Curves of dots in a plane of AuC and class-balanced AuC, one for each lambda, which run from the lower right, dull, to the upper left, vivid. Large discs for trained arms, joined to dots by dotted lines"}}
answers.plot_plane(tried, [*answers.THEORY, "student_mse"])

# %% [markdown]
# The same comparison on test images, with intervals. Every row should be zero.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-collapse", "caption": "Each trained arm less the read-out of plain cross entropy that should replace it, on test images. At the dotted line the two are the same."}, "image": {"alt": "Four panels of differences with intervals around a zero line, a row for each trained arm: AuC, class-balanced AuC, true-hue chroma ratio and colourfulness"}}
rows = {arm: (arm, place) for arm, place in answers.THEORY.items()}
panels = answers.panels(found, rows, names)
figures.plot_intervals(panels, dict.fromkeys(panels, 0.0))

# %% tags=["hide-input"]
forms = {
    "auc": "+.4f",
    "auc_balanced": "+.4f",
    "chroma_ratio": "+.2f",
    "true_hue_ratio": "+.2f",
    "colourfulness": "+.1f",
}
for arm, place in answers.THEORY.items():
    for metric, form in forms.items():
        effect = answers.difference(found, arm, place, metric)
        name = f"{arm}_{metric}".replace("@", "_").replace("0.38", "cool")
        glue(name, answers.said(effect, form), display=False)

# %% [markdown]
# How far each pair agrees:
#
# - **`l2` and `ce` at its mean.** AuC of `l2` {glue:text}`l2_auc:s`, chroma ratio
#   {glue:text}`l2_chroma_ratio:s`, colourfulness
#   {glue:text}`l2_colourfulness:s`. Both aim at the same colour, so what is
#   left between them is how near training has come.
# - **`l2_rebal` and `ce` tilted.** AuC {glue:text}`l2_rebal_auc:s`, balanced AuC
#   {glue:text}`l2_rebal_auc_balanced:s`, chroma ratio
#   {glue:text}`l2_rebal_chroma_ratio:s`, along the true hue {glue:text}`l2_rebal_true_hue_ratio:s`.
# - **`ce_rebal` and `ce` tilted, at the mean.** AuC {glue:text}`ce_rebal_1_auc:s`, balanced AuC
#   {glue:text}`ce_rebal_1_auc_balanced:s`, chroma ratio {glue:text}`ce_rebal_1_chroma_ratio:s`.
# - **The same at $T = 0.38$, the original's system.** AuC {glue:text}`ce_rebal_cool_auc:s`, balanced AuC
#   {glue:text}`ce_rebal_cool_auc_balanced:s`, chroma ratio {glue:text}`ce_rebal_cool_chroma_ratio:s`.
#
# **Equal averages could hide different images.** So the images of each pair are held against each other as well, here
# on {glue:text}`apart_images:d` that may be shown, with the networks at hand, in CIEDE2000 (H5 takes a little over two
# for just noticeable). `l2` and `ce` at its mean are {glue:text}`apart:.1f` from each other, and
# {glue:text}`apart_true:.1f` and {glue:text}`apart_other:.1f` from the truth: alike on average, and not the same
# images.

# %% tags=["hide-input"]
pairs = answers.THEORY
painted = examples.colorize_systems(
    examples.book_images(config, n=12), networks, [*pairs, *pairs.values()]
)
distances = examples.apart(painted, pairs)
glue("apart_images", len(painted), display=False)
nearest = distances[distances.one == "l2"].mean(numeric_only=True)
glue("apart", float(nearest["from each other"]), display=False)
glue("apart_true", float(nearest["one from the truth"]), display=False)
glue("apart_other", float(nearest["other from the truth"]), display=False)
distances = distances.set_index("one").rename_axis("trained")
titles = {"other": "asked of ce", "one from the truth": "from the truth"}
titles["other from the truth"] = "asked, from the truth"
distances.rename(columns=titles).round(1)

# %% [markdown]
# Where a row is not zero, several things may be the reason. Training with weights learns rare colours from few, heavily
# weighted pixels, so its gradient is noisier. The tilt weighs each of the five grid colours of a soft label by itself,
# training weighs the label as a whole ({doc}`11_the_oracle`). And rebalanced training leaves out images that are grey
# throughout, which no tilt does. `student_mse` has no row: it is asked about red, green and
# blue, and its lightness is part of its answer ({doc}`07_vibrancy`).
#
# ### Dose by dose
#
# **Does a dose of weights in training do what the same dose does after it?** A half is the dose of the original. On
# profile {glue:text}`small_profile:s` both rebalanced arms were trained with three quarters and with a quarter, too
# (networks of a kind: {glue:text}`dose_seeds:d`); a tilt takes any.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-doses", "caption": "What a dose of rebalancing gives on validation images: by a tilt of cross entropy after training (solid), and by weights in the training of cross entropy and of squared error (dashed). The strongest dose is on the right. A ring is one network, lines are means."}, "image": {"alt": "Four panels against lambda from one to a quarter: AuC, class-balanced AuC, true-hue chroma ratio and colourfulness, a line for each of three ways to rebalance"}}
small = found if config.data else records.load("ablation")
given = answers.doses(small)
answers.plot_doses(given, names)

# %% tags=["hide-input"]
for arm in ("ce_rebal", "l2_rebal"):
    for metric in names:
        steps = {
            f"{x:g}": answers.dose_difference(
                given, arm, "ce tilted", x, metric
            )
            for x in (0.75, 0.5, 0.25)
        }
        said = [
            f"{answers.said(step, forms[metric])} at {x}"
            for x, step in steps.items()
        ]
        glue(f"dose_{arm}_{metric}", "; ".join(said), display=False)
glue("small_profile", small.profile, display=False)
glue("dose_seeds", len(given.index.unique("seed")), display=False)

# %% [markdown]
# **Colour comes with the dose, whichever way it is given; a tilt pays less AuC for it.** Weights in training less the
# tilt by as much, paired by seed, with intervals over the seeds alone:
#
# - **`ce_rebal`.** Balanced AuC {glue:text}`dose_ce_rebal_auc_balanced:s`. AuC {glue:text}`dose_ce_rebal_auc:s`.
#   Colourfulness {glue:text}`dose_ce_rebal_colourfulness:s`.
# - **`l2_rebal`.** Balanced AuC {glue:text}`dose_l2_rebal_auc_balanced:s`. AuC {glue:text}`dose_l2_rebal_auc:s`.
#   Colourfulness {glue:text}`dose_l2_rebal_colourfulness:s`.
#
# ## What can be had for nothing
#
# **Chroma alone proves nothing.** Multiply the $ab$ of any network by one factor, and its mean chroma is that of
# photographs: the *gain control*, with the factor taken from validation images. A tilt must show more than that. Below
# stand, on test images, the gain controls and the constant colours beside all that was asked of `ce`.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-controls", "caption": "The plane again, on test images, with what costs nothing: one colour for all pixels (crosses) and the gain controls (plus signs). The dots are means of plain cross entropy without a tilt at all temperatures and with one at two; a dotted line leads from a trained arm to the setting that theory gives it. Levels of the balanced AuC depend on the choice of images, so compare points within this figure, not with the figure of validation images."}, "image": {"alt": "Points in a plane of AuC and class-balanced AuC: trained arms, read-outs of cross entropy, gain controls as plus signs and constant colours as crosses"}}
names = ["auc", "auc_balanced", "true_hue_ratio"]
usual = [name for name in found.systems if " " not in name]  # no variants
values = answers.measured(found, usual, names)
answers.plot_plane(values, answers.BESIDE)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-tilt-or-gain", "caption": "The tilted mean less the gain controls, which have the mean chroma of photographs: F1 of each hue, that is precision and recall together, within 20 ab units. To the right of the dotted line the tilt finds more of this hue. A gain can only strengthen the hue that the mean has; a tilt can choose another."}, "image": {"alt": "Six panels of differences with intervals around a zero line, one for each hue, two rows each: the tilted mean less L2 with a gain, and less cross entropy with a gain"}}
tilted, controls = "ce@1~0.5", ("l2+gain", "ce@1+gain")
rows = {f"less {control}": (tilted, control) for control in controls}
scores = [f"f1_{hue}" for hue in metrics.SECTORS]
panels = answers.panels(found, rows, scores)
figures.plot_intervals(panels, dict.fromkeys(panels, 0.0))

# %% tags=["hide-input"]
forms |= {"ciede2000": "+.2f", "neutral_ciede2000": "+.2f"}
for control in controls:
    for metric, form in forms.items():
        effect = answers.difference(found, tilted, control, metric)
        name = f"{control}_{metric}".replace("@1+", "_").replace("+", "_")
        glue(name, answers.said(effect, form), display=False)
against = {hue: f"f1_{hue}" for hue in metrics.SECTORS}
hues = {
    hue: answers.difference(found, tilted, "ce@1+gain", score)
    for hue, score in against.items()
}
better, worse = answers.sorted_out(hues)
glue("tilt_finds", better, display=False)
glue("gain_finds", worse, display=False)

# %% [markdown]
# The honest balance of the tilted mean against the same network's plain mean with a gain:
#
# - chroma ratio {glue:text}`ce_gain_chroma_ratio:s`, AuC {glue:text}`ce_gain_auc:s`, balanced AuC
#   {glue:text}`ce_gain_auc_balanced:s`, colourfulness
#   {glue:text}`ce_gain_colourfulness:s`;
# - CIEDE2000, an error, {glue:text}`ce_gain_ciede2000:s`, and on pixels that
#   are truly neutral {glue:text}`ce_gain_neutral_ciede2000:s`: a gain
#   leaves grey where the mean is grey, a tilt need not;
# - hues that the tilt finds better: {glue:text}`tilt_finds:s`; hues that the gain does: {glue:text}`gain_finds:s`. Each
#   is judged by its own interval, without a correction for six.
#
# Against `l2` with a gain: AuC {glue:text}`l2_gain_auc:s`, balanced AuC
# {glue:text}`l2_gain_auc_balanced:s`, CIEDE2000
# {glue:text}`l2_gain_ciede2000:s`, colourfulness
# {glue:text}`l2_gain_colourfulness:s`.
#
# ## The six predictions
#
# **What theory says was written down as six predictions before the main results existed.** Rules, and the verdicts on
# the profile that they were made for, stand in {doc}`/book/claims`; here they are applied to profile
# {glue:text}`profile_name:s`. The intervals cover {glue:text}`covers:s`. A rule wants at least two seeds, else it
# stays open, and what was found so far is provisional.

# %% tags=["hide-input"]
ids = ("P1", "P2", "P3", "P4", "P5", "P6")
verdicts = {name: claims.decide(name, found) for name in ids}
for name, verdict in verdicts.items():
    glue(name, verdict.verdict, display=False)
    glue(f"{name}_so_far", answers.standing(verdict), display=False)
answers.findings_table(verdicts)

# %% [markdown]
# - {ref}`P1 <claim-p1>`, `ce` at its mean and `l2` paint the same on average, because both ask for the mean:
#   **{glue:text}`P1_so_far:s`**.
# - {ref}`P2 <claim-p2>`, a tilt after training is not worse than rebalancing in training, because both change the
#   prior: **{glue:text}`P2_so_far:s`**.
# - {ref}`P3 <claim-p3>`, `l2_rebal` and `ce_rebal` at its mean paint the same, for the reason of the first:
#   **{glue:text}`P3_so_far:s`**.
# - {ref}`P4 <claim-p4>`, the student's loss becomes vivid with the weights that the student left out, because the
#   weights and not the loss decide: **{glue:text}`P4_so_far:s`**.
# - {ref}`P5 <claim-p5>`, of mean, median and tilted mean each wins at its own question: **{glue:text}`P5_so_far:s`**.
# - {ref}`P6 <claim-p6>`, a sample is as vivid as the truth, since the posterior is, where it is calibrated:
#   **{glue:text}`P6_so_far:s`**.
#
# ### Every answer in numbers
#
# The same measures of all answers that this book speaks of, with the baselines, on the test images; beneath each number
# its interval. It is that of a level; two levels with overlapping intervals may well be told apart, image by image.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the errors of every answer"}
answers_all = ["grey", "mean", "weighted", "student_mse", "l2"]
answers_all += ["ce@1", "ce@1:median", "ce@0.38", "ce@1:mode"]
answers_all += ["ce@1:sample", "ce@1~0.5", "ce@1~0.5:median", "ce@0.38~0.5"]
answers_all += ["l2_rebal", "ce_rebal@1", "ce_rebal@0.38"]
errors = {"auc": ".3f", "auc_balanced": ".3f"}
errors |= {"ab_rmse": ".2f", "ciede2000": ".2f"}
answers.with_intervals(found, answers_all, errors)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show how vivid every answer is"}
vivid = {"chroma_ratio": ".2f", "true_hue_ratio": ".2f"}
vivid |= {"wrong_hue": ".3f", "colourfulness": ".1f"}
answers.with_intervals(found, answers_all, vivid)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show what every answer finds of four hues"}
hues = [f"recall_{hue}" for hue in ("red", "yellow", "green", "blue")]
answers.with_intervals(found, answers_all, dict.fromkeys(hues, ".2f"))

# %% [markdown]
# ## What to do with it
#
# 1. **Train plain cross entropy.** No weights, no temperature, no decision about vividness. From it the other answers
#    can be asked; from a mean nobody gets a distribution back.
# 2. **Say what the image is for** before looking at results, and take the read-out that answers it: a mean or a cooler
#    mean for the least error; a tilt where rare colours count; a sample to show what is possible, spotted as it is,
#    for its positions are drawn one by one.
# 3. **Choose $T$ and $\lambda$ on validation images by a criterion that is fixed first.** The dials cost one pass
#    through the network. The table has a column for each of three criteria, with what it chooses here and what that
#    reaches; another network chooses its own.
# 4. **Hold every gain in vividness against a gain control.** If chroma is all that is wanted, multiply by a factor: any
#    network can, `l2` too.
# 5. **Report plain and balanced AuC together.** Along the tilt one is paid with the other; cooling a tilted
#    distribution can cost both.

# %% tags=["hide-input"]
chosen = answers.choose(tried)
criteria = [f"{purpose}: {rule}" for purpose, rule in answers.PURPOSES.items()]
columns = {
    "temperature": "T",
    "lambda_": "lambda",
    "auc": "AuC",
    "auc_balanced": "balanced AuC",
    "chroma_ratio": "chroma ratio",
}
glue("criteria", "; ".join(criteria), display=False)
last = [f"{row.temperature:g}, {row.lambda_:g}" for row in chosen.itertuples()]
glue("to_show", last[-1] if last else answers.UNKNOWN, display=False)
chosen = chosen.reindex(columns=list(columns)).rename(columns=columns)
chosen.T.map("{:.3g}".format)

# %% [markdown]
# The criteria: {glue:text}`criteria:s`. The last is the one by which the shipped network's own read-out is chosen when
# it is exported.
#
# ## What we found
#
# - **One network, many images.** Mean, median, mode, sample and tilted mean of one distribution differ where it is wide,
#   and agree where it is narrow. At the open position the mean has a chroma of {glue:text}`mean_chroma:.1f`, the tilted
#   mean {glue:text}`tilted_chroma:.1f`.
# - **Two dials.** Tilting: balanced AuC {glue:text}`tilt_auc_balanced:s`, AuC
#   {glue:text}`tilt_auc:s`. Cooling to the best temperature: AuC
#   {glue:text}`cool_auc:s`, true-hue ratio {glue:text}`cool_true_hue_ratio:s`.
# - **The collapse.** `l2` less `ce` at its mean: AuC {glue:text}`l2_auc:s`, colourfulness
#   {glue:text}`l2_colourfulness:s`. `l2_rebal` less the tilted `ce`: AuC {glue:text}`l2_rebal_auc:s`. `ce_rebal` less
#   the tilted `ce`: AuC {glue:text}`ce_rebal_1_auc:s`.
# - **Doses.** Weights in training less a tilt by as much, AuC: `ce_rebal` {glue:text}`dose_ce_rebal_auc:s`; `l2_rebal`
#   {glue:text}`dose_l2_rebal_auc:s`.
# - **The gain control.** Against it the tilted mean's AuC is {glue:text}`ce_gain_auc:s`, its balanced AuC
#   {glue:text}`ce_gain_auc_balanced:s`, its CIEDE2000 {glue:text}`ce_gain_ciede2000:s`. Hues that the tilt
#   finds better: {glue:text}`tilt_finds:s`; that the gain does: {glue:text}`gain_finds:s`.
# - **To show images**, the criterion chooses this temperature and lambda for the networks of this profile:
#   {glue:text}`to_show:s`.
# - **The predictions** stand at {glue:text}`P1:s`, {glue:text}`P2:s`, {glue:text}`P3:s`, {glue:text}`P4:s`,
#   {glue:text}`P5:s` and {glue:text}`P6:s`, in their order. Differences between systems are from
#   {glue:text}`pictures:,d` test images, dials, choices and doses from validation images; the intervals cover
#   {glue:text}`covers:s`.
