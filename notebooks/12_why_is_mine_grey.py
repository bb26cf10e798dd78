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
# # Why is mine grey?
#
# You have trained a network on photographs for hours, and everything it paints is grey, or brown, or of one tint.
# **What went wrong, and how does one find out without training once more?**
#
# Here the usual suspects are switched on one by one, each alone, in trainings that are otherwise alike. The page shows
# how each looks, what can be measured, and what the command `colorize doctor` makes of it, which knows nothing of what
# was done.

# %% tags=["parameters", "hide-input"]
profile = "ablation"
data = ""  # none: recorded results; else twelve short runs are trained
seeds = []  # none: seed 0; of several the first is taken
arms = ["ce", "ce_rebal"]
settings = {}  # changes to the profile, {"width": 0.5}; they need data
budget = 0.15  # share of the profile's steps

# %% tags=["hide-input"]
import pandas as pd
from myst_nb import glue

from colorize_lib.book import answers, faults, figures
from colorize_lib.colorizer import load_colorizer
from colorize_lib.config import load_config
from colorize_lib.evaluation import diagnosis
from colorize_lib.evaluation.results import load, variant_of
from colorize_lib.readout import Readout

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
found = faults.lineup(config, budget)
trained = {name: case for name, case in faults.CASES.items() if case.trained}
plain = [name for name, case in trained.items() if case.arm == "ce"]
rebalanced = [name for name in trained if name not in plain]
pd.options.display.max_colwidth = 200

# %% tags=["hide-input"]
glue("profile_name", config.profile, display=False)
glue("steps", int(found.fact("healthy", "steps")), display=False)
glue("batch", int(found.fact("healthy", "batch")), display=False)
glue("images", int(found.fact("healthy", "photos")), display=False)
glue("validated", int(found.fact("healthy", "images")), display=False)
glue("tested", found.found.summary["pictures"], display=False)
for name in faults.CASES:
    glue(f"{name} says", found.said(name), display=False)
    glue(f"{name} also", found.also(name), display=False)
    glue(f"{name} looks", found.looks(name), display=False)
    for fact in ("learnt", "mean_ratio", "ratio", "loss", "constant_loss",
                 "photos", "steps", "decay", "dead"):  # fmt: skip
        glue(f"{name} {fact}", found.fact(name, fact), display=False)

# %% [markdown]
# ## The line-up
#
# **None of these is an image that one would show, and that holds for the healthy network, too.** All have profile
# {glue:text}`profile_name:s` with a fraction of its training: {glue:text}`steps:,d` steps of {glue:text}`batch:d`
# images, from {glue:text}`images:,d`. That is enough to see which road a training takes, and far too little for
# colours. Every network answers with the mean of its distribution, so no decoder is involved yet.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lineup", "caption": "Plain cross entropy, each with one thing wrong: grey input, truth, the healthy network, and the faults. The titles are the names by which the text calls them. Compare with the third, not with the truth: it has only begun to learn, which is itself a way of being brown."}, "image": {"alt": "Small images in columns of two, a wall of coloured caps above a lighthouse: input, truth, and one column for each training"}}
faults.plot_lineup(found, plain, columns=5)

# %% [markdown]
# What was done to each (*decoder* has no training of its own: it is the healthy network, asked otherwise):

# %% tags=["hide-input"]
done = {name: case.done for name, case in faults.CASES.items()}
pd.Series(done, name="what was done").to_frame().rename_axis("case")

# %% [markdown]
# The eye can tell dull from grey. It cannot tell a network that learns slowly from one that learns nothing, nor an
# honest mean from a spoilt loss. So measure first.
#
# ## First question: has it learnt anything?
#
# **A loss means nothing until it is held against the best answer that ignores the image.** A classifier that gives the
# prior for every pixel of every image has a cross entropy near the prior's entropy; on the validation images it is
# {glue:text}`healthy constant_loss:.3f` nats. To come below it takes a look at the image. (A loss of some thousands is
# no other case: the original prints a sum over all positions of an image, so its number depends on the crop.)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-fault-curves", "caption": "Validation loss of the plain classifiers by step, healthy as a strong black line. At the dotted line a network is no better than one answer for everything. What ends near that line or above it has learnt next to nothing that holds for other images, whatever it paints. A curve that lies above the picture is named in the legend."}, "image": {"alt": "Curves of validation loss by step, one a case, that fall towards a dotted line; some end below it, some at it"}}
faults.plot_curves(found, plain)

# %% tags=["hide-input"]
faulty = [name for name, case in faults.CASES.items() if case.than != name]
forms = {"skill_mean": "+.3f", "true_hue_ratio": "+.2f", "chroma_ratio": "+.2f"}
forms |= {"auc_balanced": "+.3f", "colourfulness": "+.1f"}
for name in faulty:
    for metric, form in forms.items():
        said = answers.said(found.against(name, metric), form)
        glue(f"{name} {metric}", said, display=False)
for name in faults.CASES:
    cool = float(found.interval(name, "chroma_ratio", "@0.38").value)
    glue(f"{name} cool", cool, display=False)
    for row, when in ((0, "first"), (-1, "last")):
        loss = float(found.curve(name).val_plain.iloc[row])
        glue(f"{name} {when}", loss, display=False)

# %% [markdown]
# By how much each ends below one answer for everything, on {glue:text}`validated:,d` validation images: healthy
# {glue:text}`healthy learnt:.1%`; PyTorch's start {glue:text}`default start learnt:.1%`; rate too high
# {glue:text}`rate too high learnt:.1%`; rate too low {glue:text}`rate too low learnt:.1%`; decay beside a mean
# {glue:text}`decay learnt:.1%`, beside a sum {glue:text}`decay and sum learnt:.1%`; fewer steps
# {glue:text}`too short learnt:.1%`; few images {glue:text}`few images learnt:.1%`.
#
# The next figure has, on {glue:text}`tested:,d` test images, what the mean of each network shows; of *decoder*, what
# the healthy network shows at $T = 0.38$. *Skill* is the share of the mean colour's error that is removed. Chroma alone
# can be had by painting everything in one tint, which is what the rate that is too low does. Its skill is
# {glue:text}`rate too low skill_mean:s` and its chroma ratio {glue:text}`rate too low chroma_ratio:s`; both would leave
# the figure, so it is not drawn.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-fault-measures", "caption": "Each case less the one with nothing wrong, at the mean (decoder: at T = 0.38), on test images. The last three are rebalanced, and compared with the rebalanced network that has nothing wrong. To the left of the dotted line a network has less; the third panel is chroma of whatever hue. The intervals cover the choice of images alone: each network was trained once."}, "image": {"alt": "Three panels of differences with intervals around a zero line, a row a case: skill over the mean colour, chroma along the true hue, and chroma ratio"}}
measures = {
    "skill over the mean colour": "skill_mean",
    "true-hue chroma ratio": "true_hue_ratio",
    "chroma ratio": "chroma_ratio",
}
near = [name for name in faulty if name != "rate too low"]
panels = {
    title: {name: found.against(name, metric) for name in near}
    for title, metric in measures.items()
}
figures.plot_intervals(panels, dict.fromkeys(panels, 0.0))

# %% [markdown]
# ## The start
#
# **The start matters.** PyTorch draws a convolution's weights with a sixth of the
# variance of He's start, which is made to carry a signal through many layers, and biases that are as large as the
# signal. The original began from weights fitted to data {cite:p}`krahenbuhl2016data`. When its author's PyTorch version
# of a sister network trained to yellowish images at a loss that no longer moved, he named the missing initialisation as
# the reason (richzhang/colorization-pytorch, issue 3; interactive-deep-colorization, issue 63).
#
# Here, with PyTorch's start instead of He's: skill over the mean colour {glue:text}`default start skill_mean:s`, chroma
# along the true hue {glue:text}`default start true_hue_ratio:s`. The doctor: *{glue:text}`default start says:s`*. (Its
# findings are quoted in this form: first why images are dull and, where that is little learning, the likely cause.)
# {doc}`04_training` has trials of every arm from three starts, and these are short as well. Neither page compares starts
# in a long training, so whether time makes a bad start good is open.
#
# ## The rate
#
# **A rate that is too high can recover as it falls; one that is too low goes nowhere.** With 30 times the rate the
# network has {glue:text}`rate too high mean_ratio:.2f` of the truth's chroma at its mean and looks
# *{glue:text}`rate too high looks:s`*; with a hundredth it has {glue:text}`rate too low mean_ratio:.2f` and looks
# *{glue:text}`rate too low looks:s`*. Skill over the mean colour {glue:text}`rate too high skill_mean:s` and
# {glue:text}`rate too low skill_mean:s`. The doctor: *{glue:text}`rate too high says:s`*, and
# *{glue:text}`rate too low says:s`*.
#
# The rate follows one cycle here: it rises, and falls to nothing. So a rate that is too high is so for a while only; at
# the first look the validation loss was {glue:text}`rate too high first:.2f` nats against
# {glue:text}`healthy first:.2f` of the healthy network, at the last {glue:text}`rate too high last:.2f` against
# {glue:text}`healthy last:.2f`. A constant rate has no such mercy. And the original's rate, a thirtieth of the one used
# here, is right beside hundreds of thousands of steps. Who copies it into a training of some thousand steps comes close
# to our second case.
#
# ## Sum, mean and weight decay
#
# **One number means two things, beside a sum and beside a mean.** The original's loss is a sum over all positions of an
# image, and its weight decay of `1e-3` is added to the gradient of that. Adam divides by the size of the gradient, so
# whether a loss is a sum or a mean makes no difference, *except* to whatever is added to the gradient. Copy the decay
# beside a mean, which every loss of PyTorch is by default, and it weighs as many times more as there are positions:
# {glue:text}`decay decay:.0f` times here.
#
# What did it do? Beside a mean: skill {glue:text}`decay skill_mean:s`. Beside a sum: skill
# {glue:text}`decay and sum skill_mean:s`. So in a training this short the trap is a small one;
# {doc}`10_time_and_settings` has what decay does in longer ones, to squared error most of all. The doctor:
# *{glue:text}`decay says:s`* and *{glue:text}`decay and sum says:s`*; decay comes late among the causes that it names,
# because of this very run.
#
# The sum is also why users of a faithful re-implementation report a loss of ten thousand as a fault (Time0o, issue 40).
# It is none.
#
# ## The prior
#
# **A wrong prior is silent: the loss falls, and the weights are those of other colours.** Rebalancing weighs each pixel
# by the inverse of a smoothed frequency of its colour. The frequencies are a list of 313 numbers, the colours another,
# and nothing complains if the two are in different order. The smoothing belongs into the plane of $a$ and $b$, where it
# is the average of the soft labels, as the author explains (richzhang/colorization, issue 47); done along the list, it
# mixes colours that stand side by side there and are far apart in the plane. Public code has such mistakes:
# one prior is greatest at vivid colours that hardly any photograph has, one is smoothed along the list, one does not
# sum to one because something was added after scaling.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-fault-weights", "caption": "The weight of every colour in the rebalanced loss, on a logarithmic scale, under the right prior and under two that were broken by a rule. Right: grey, in the middle, counts least and rare colours count most, all around; single dark squares at the rim are colours that no photograph has. Wrong order: what counts least is a bent streak that passes grey by. Along the list: the middle is drawn out into a bar, and rare colours lose some of their weight."}, "image": {"alt": "Three planes of coloured squares. On the first weights rise smoothly from the middle outwards, on the second the low weights lie along a bent streak to the lower right, on the third along a bar in the direction of b"}}
faults.plot_weights()

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lineup-rebalanced", "caption": "Rebalanced networks at their mean: nothing wrong, the two broken priors, and weights of one. The order is that of the table above. With the right weights the network is vivid before it knows hues, which looks sepia."}, "image": {"alt": "Small images in columns of two: input, truth, and four rebalanced networks of different vividness"}}
faults.plot_lineup(found, rebalanced, columns=6)

# %% [markdown]
# Against the right prior, on test images at the mean, the wrong order: balanced AuC
# {glue:text}`b before a auc_balanced:s`, colourfulness {glue:text}`b before a colourfulness:s`; smoothed along the
# list: {glue:text}`along the list auc_balanced:s` and {glue:text}`along the list colourfulness:s`. Chroma ratio with
# the original's decoder: right {glue:text}`rebalanced cool:.2f`, wrong order {glue:text}`b before a cool:.2f`, along
# the list {glue:text}`along the list cool:.2f`. At the mean nothing is conspicuous: a network with a broken prior looks
# like a network, somewhat duller and otherwise tinted. The original's decoder shows more to those who know what to
# expect of it. The doctor compares the prior in the file with that of MiniPlaces, and finds:
# *{glue:text}`b before a says:s`*, *{glue:text}`along the list says:s`*. **Draw your weights on the plane before you
# train.** It takes a minute.
#
# Whose prior should it be? The author's advice for other data is a histogram of their own colours
# (richzhang/colorization, issue 23). Somebody who did so for Places got mostly green and blue, and worse images than
# with the prior of ImageNet (issue 76, never resolved). Our photographs are from Places, too; the comparison on them is
# {ref}`claim H21 <claim-h21>`.
#
# ## Weights that never arrive
#
# **Rebalancing that is computed and not multiplied leaves a plain classifier.** The original applies the weights in the
# backward pass only, so its log shows a loss without weights, and the author was asked whether they are used at all
# (richzhang/colorization, issue 18; they are, and a loss that is multiplied by them has the same gradient). In PyTorch
# the mistake is easily made the other way round. With weights of one the network has
# {glue:text}`no weights mean_ratio:.2f` of the truth's chroma at its mean, with the right ones
# {glue:text}`rebalanced mean_ratio:.2f`, plain cross entropy {glue:text}`healthy mean_ratio:.2f`. The doctor:
# *{glue:text}`no weights says:s`*; where the settings promise weights it looks at the answers, which tell on which side
# of the two distributions they lie.
#
# ## The decoder
#
# **Grey without any fault in training.** The annealed mean with $T = 0.38$ was made for a rebalanced classifier. On a
# plain one it follows the majority, and that is grey.
#
# The case *decoder* is the healthy network, asked for the annealed mean in place of the mean. Its loss is the same, so
# no curve shows this fault. On test images: chroma ratio {glue:text}`decoder chroma_ratio:s`, chroma along the true hue
# {glue:text}`decoder true_hue_ratio:s`, skill over the mean colour {glue:text}`decoder skill_mean:s`. The doctor:
# *{glue:text}`decoder says:s`*, and besides *{glue:text}`decoder also:s`*. It asks what was learnt before it asks how
# that is decoded; and it takes the temperature from the settings of a run, which have this one in every case here.
#
# The network below is the `ce` that ships with the book, trained with plain cross entropy. It is asked four times;
# nothing else changes.

# %% tags=["hide-input"]
shipped = load_colorizer("ce")
asked = {
    "T = 0.38": Readout(0.38),
    "mean": Readout(1.0),
    "tilted mean": Readout(1.0, 0.5),
}
recorded = load(shipped.passport["profile"])
form = f"ce{{}} {variant_of(shipped.passport)}".strip()
ratios = {
    title: recorded.value(form.format(readout), "chroma_ratio")
    for title, readout in {
        "cool": "@0.38",
        "mean": "@1",
        "tilted": "@1~0.5",
    }.items()
}
gain = faults.mean_gain(shipped)
for title, ratio in ratios.items():
    glue(f"shipped {title}", ratio, display=False)
glue("gain", gain, display=False)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-fault-decoder", "caption": "One network and four read-outs. From left to right: the annealed mean of the original, the plain mean, the mean tilted towards rare colours, and the plain mean with its chroma multiplied until it is that of photographs. The hues stay nearly the same from the first column to the second; chroma grows. The tilt brings other hues, and the gain strengthens those of the mean."}, "image": {"alt": "Two photographs, each painted four times, from dull on the left to vivid on the right"}}
faults.plot_decoded(faults.decoded(shipped, faults.SHOWN, asked, gain))

# %% [markdown]
# On test images the chroma ratio of the networks trained like this one is {glue:text}`shipped cool:.2f` at $T = 0.38$,
# {glue:text}`shipped mean:.2f` at the mean, and {glue:text}`shipped tilted:.2f` with the tilt. The last column
# multiplies by {glue:text}`gain:.1f`, found for this network on validation images; that costs nothing and repairs no
# hue. {doc}`09_one_posterior` takes the dials apart, and
# <a href="../book/live.html#photo=lighthouse&t=0.38&lambda=1&left=mean">the live page</a> lets you turn
# them. The published PyTorch port has no temperature in its forward pass, and the question why is open
# (richzhang/colorization, issue 93); so check what your decoder does before you look for a fault in your loss.
#
# ## Too short, too few
#
# **Besides all else, every network of the line-up was trained briefly.** With {glue:text}`too short steps:,.0f` in
# place of {glue:text}`steps:,d` steps: skill {glue:text}`too short skill_mean:s`; the doctor:
# *{glue:text}`too short says:s`*. With {glue:text}`few images photos:,.0f` training images and all the steps: skill
# {glue:text}`few images skill_mean:s`; *{glue:text}`few images says:s`*. The healthy network itself:
# *{glue:text}`healthy says:s`*.
#
# The two differ in their remedy, and the log tells them apart. What is too short falls on training and on validation
# images to the end. What has too few images falls on the first and turns on the second.
#
# ## The collapse of the student's recipe, as we read it
#
# **And some trainings collapse in their first epochs.** Squared error on red, green and blue, a constant rate of
# `1e-3`, PyTorch's own start, full width: that is the student paper's recipe as we read it, but for plain ReLUs in
# place of leaky ones ({doc}`/book/deviations` has what the paper says and what it leaves open). One such run, seed 0,
# fell to something close to one colour within its first epochs, and stayed there through all thirty.

# %% tags=["hide-input"]
curves = faults.collapse()
student = load("student", (0,))
for name, curve in curves.items():
    glue(f"{name} last", float(curve.val_plain.iloc[-1]), display=False)
    glue(f"{name} first", float(curve.val_plain.iloc[0]), display=False)
for metric in ("colourfulness", "chroma_ratio", "true_hue_ratio", "skill_mean"):
    value = student.value("student_mse+L", metric)
    glue(f"collapsed {metric}", value, display=False)
    glue(f"mean colour {metric}", student.value("mean", metric), display=False)
    glue(f"student l2 {metric}", student.value("l2", metric), display=False)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-collapse-student", "caption": "Two trainings with squared error on red, green and blue, by images seen: the student's recipe, as we read it, at full width, which collapsed, and the profile evening at a quarter of the width, which did not. The collapsed one is flat from its first validation on. More of the same training does not bring it back."}, "image": {"alt": "Two panels of curves by number of images seen: validation loss, flat and high for one run and falling for the other; chroma along the true hue, flat and low for one and rising for the other"}}
faults.plot_collapse(curves)

# %% [markdown]
# Its validation loss was {glue:text}`student first:.3f` at the first look and {glue:text}`student last:.3f` at the end;
# the other run ends at {glue:text}`evening last:.3f`. On test images its colourfulness, with the true lightness, is
# {glue:text}`collapsed colourfulness:.1f`, that of one mean colour everywhere {glue:text}`mean colour colourfulness:.1f`,
# and its skill over that colour {glue:text}`collapsed skill_mean:.3f`, while `l2` with the same recipe has
# {glue:text}`student l2 skill_mean:.3f`. Who had only this network and its images would conclude that squared error
# cannot colorize. One run of one recipe is no law either: how often it collapses is not recorded.
#
# The measure that would have told is the cheapest of all: a loss that is flat from the first epoch on, far above that
# of any training that works.
#
# ## Symptom, measure, cause, remedy
#
# **One symptom has many causes, so the measure decides.** *Measure* is by how much the loss lies below that of the
# best answer that ignores the image, on validation images. The cause is known here: what was done, in brackets. *The
# doctor* has what it says first without knowing that; where it finds little learning, with the cause that it holds
# likely. The remedy is against what was done, whether the doctor named it or not; where nothing was done, it is the
# doctor's.

# %% tags=["hide-input"]
faults.summary(found)

# %% [markdown]
# To have the same said of a network of yours:
#
# ```
# colorize doctor runs/<run id> --data <your images>
# ```
#
# It takes the folder of a run, also of one that is not finished, or a file of weights. What it goes by stands in
# {doc}`/book/api`. The rules are asked in a fixed order, and the first that holds is told first: what is broken before
# what is weak, what is weak before what is only decoded dully.

# %% tags=["hide-input"]
print(found.words("rate too low"))

# %% tags=["hide-input"]
worst = min(plain, key=lambda name: found.fact(name, "learnt"))
blind = [
    name for name in plain if found.fact(name, "learnt") < diagnosis.NOTHING
]
glue("worst", worst, display=False)
glue("blind", ", ".join(blind) or "none", display=False)
for where in ("first", "also", "not"):
    mine = [
        name
        for name, case in faults.CASES.items()
        if case.rule and found.named(name) == where
    ]
    glue(f"named {where}", ", ".join(mine) or "none", display=False)

# %% [markdown]
# ## What we found
#
# - **Looks do not tell causes.** Of the plain classifiers the one that learnt least is *{glue:text}`worst:s`*; hardly
#   better than one answer for everything, or worse, are {glue:text}`blind:s`. The healthy network ends
#   {glue:text}`healthy learnt:.1%` below that answer and looks *{glue:text}`healthy looks:s`* as well.
# - **The start.** PyTorch's in place of He's: skill {glue:text}`default start skill_mean:s`.
# - **The rate.** Far too high: skill {glue:text}`rate too high skill_mean:s`; far too low:
#   {glue:text}`rate too low skill_mean:s`.
# - **Decay** beside a mean: skill {glue:text}`decay skill_mean:s`; beside a sum:
#   {glue:text}`decay and sum skill_mean:s`.
# - **Steps and images.** Fewer steps: skill {glue:text}`too short skill_mean:s`; few images:
#   {glue:text}`few images skill_mean:s`.
# - **The prior** breaks silently. In the wrong order: balanced AuC {glue:text}`b before a auc_balanced:s`, colourfulness
#   {glue:text}`b before a colourfulness:s`; along the list: {glue:text}`along the list auc_balanced:s` and
#   {glue:text}`along the list colourfulness:s`. Weights of one take the chroma ratio of the mean from
#   {glue:text}`rebalanced mean_ratio:.2f` to {glue:text}`no weights mean_ratio:.2f`.
# - **The decoder** alone takes a plain classifier like the shipped one from a chroma ratio of
#   {glue:text}`shipped mean:.2f` to {glue:text}`shipped cool:.2f`, and a tilt to {glue:text}`shipped tilted:.2f`. In the
#   line-up, against the mean of the healthy network: chroma ratio {glue:text}`decoder chroma_ratio:s`.
# - **The student's recipe**, as we read it, collapsed in the one run of it that is recorded: colourfulness
#   {glue:text}`collapsed colourfulness:.1f`.
# - **The doctor** named first what had been done in these cases: {glue:text}`named first:s`; among other things in
#   these: {glue:text}`named also:s`. Cases where it did not: {glue:text}`named not:s`. Each case is one network of profile
#   {glue:text}`profile_name:s`; its intervals cover {glue:text}`tested:,d` test images alone.
