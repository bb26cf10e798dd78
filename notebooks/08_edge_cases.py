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
# # Edge cases
#
# The student paper saw its network excel on dark, white and nearly monochrome images. **Does squared error do
# especially well on them, or are these images on which nobody can do badly?**

# %% tags=["parameters", "hide-input"]
profile = "evening"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "l2_rebal", "ce", "ce_rebal"]
settings = {}  # changes to the profile, {"width": 0.5}; they need data
# of the images that may be shown
photos = {"dark": ["rocket", "hubble"], "bright": ["aeroplane"],
          "monochrome": ["bust"]}  # fmt: skip

# %% tags=["hide-input"]
from dataclasses import replace

import pandas as pd
from myst_nb import glue

from colorize_lib.book import answers, examples, figures
from colorize_lib.config import load_config
from colorize_lib.evaluation import claims, measuring, records
from colorize_lib.evaluation.effects import Effect
from colorize_lib.evaluation.systems import System, system_title

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
there = records.arms_there(config)
found = records.for_config(replace(config, arms=there))
networks = answers.networks(config)
items = {}
for kind, names in photos.items():
    items |= examples.named_images(config, names, kind).items
images = examples.Images(items, "two dark ones first")
pd.options.display.max_colwidth = 90

# %% [markdown]
# ## Look first
#
# **Compare the first column with the second, before you look at what networks did.** Where grey is hard to tell from the
# truth no network can fail by being cautious, and the only way to stand out is to be wrong. Two dark images come first,
# then a bright one, then one of hardly any colour.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-edge-photos", "caption": "Our counterpart of the student paper's fifth figure, with images that may be shown. The night sky behind the rocket can be guessed. The galaxies cannot, and grey is nearly right for them. The sky of the bright one is a faint yellow and the nose of the aeroplane a strong one, of which the networks know nothing. To stone they give the warm cast that it often has."}, "image": {"alt": "A grid of two dark, one bright and one nearly monochrome image: grey input, truth, and what the networks made of them"}}
asked = ["student_mse", "l2", "ce@1", "ce@1~0.5"]
asked = [system for system in asked if System.parse(system).arm in networks]
painted = examples.colorize_systems(images, networks, asked)
figures.image_grid(painted)

# %% [markdown]
# How far each of these is from the truth, on average over its pixels, in units of the $ab$ plane:

# %% tags=["hide-input"]
errors = examples.ab_errors(painted).rename(columns=system_title)
errors.rename(columns={"input": "plain grey"}).T.round(1)

# %% [markdown]
# A small error is not yet an achievement: on one of these images plain grey may have the smallest, and
# whoever answers with a plain mean comes close. Four images prove nothing, of course. The rest of this chapter counts.
#
# ## What the paper says
#
# Section 3.4 of {cite:t}`psacharopoulos`, with its fifth figure, lists where the network trained with squared error
# came out best. In our words: on dark pixels, on white pixels, and on images of hardly more than one colour, tan or
# blue, with neither red nor yellow in them. From this it also draws its assurance that the network was rebuilt
# correctly. The question is what this is an observation *of*, the network or the
# images.
#
# ## Easy is not excellent
#
# A very dark or very bright pixel has little room for most colours. At $L = 10$ a screen can show a strong purple, at
# $L = 95$ a strong yellow, but photographs hardly use them. So most true colours lie near grey there, the guesses of a
# cautious network do too, and errors are small. To excel must mean more. We ask how much of the error of a constant
# colour $\bar Y$, the mean of the training images, a network takes away,
#
# $$ \text{skill} = 1 - \frac{\sum \lVert \hat Y - Y \rVert}{\sum \lVert \bar Y - Y \rVert} , $$
#
# summed over all pixels of all images of a kind. Rules on the true image sort the test photographs:

# %% tags=["hide-input"]
kinds = ["all", "dark", "bright", "monochrome", "muted", "vivid"]
rules = {kind: measuring.SUBSETS[kind][0] for kind in kinds}
greys = {kind: found.subset(kind, "grey", "ab_error") for kind in kinds}
means = {kind: found.subset(kind, "mean", "ab_error").value for kind in kinds}
for kind in kinds:
    glue(f"{kind}_n", greys[kind].images, display=False)
    glue(f"{kind}_grey", greys[kind].value, display=False)
    glue(f"{kind}_mean", means[kind], display=False)
glue("profile_name", found.profile, display=False)
glue("covers", found.covers, display=False)
counts = {kind: v.images for kind, v in greys.items()}
errors = {kind: v.value for kind, v in greys.items()}
columns = {"rule": rules, "images": counts, "error of grey (ab units)": errors}
columns["of the mean colour"] = means
pd.DataFrame(columns).round(1)

# %% [markdown]
# These are whole images, where the paper speaks of pixels, too, and *monochrome* does not leave out red
# and yellow, as the paper does. The error of grey is at the same time the mean true chroma. It says in advance how
# small an error must be to be remarkable: {glue:text}`dark_grey:.1f` units on dark images, {glue:text}`bright_grey:.1f`
# on bright and {glue:text}`monochrome_grey:.1f` on monochrome ones, against {glue:text}`all_grey:.1f` on all.
#
# ## More than elsewhere?
#
# {ref}`H7 <claim-h7>` is confirmed for a kind if squared error, in both readings of the student paper, takes away a
# larger share of the mean colour's error there than on all images.

# %% tags=["hide-input"]
h7 = claims.decide("H7", found)
glue("h7", h7.verdict, display=False)
glue("h7_so_far", answers.standing(h7), display=False)
glue("h7_parts", answers.in_parts(h7), display=False)
answers.findings_table({"H7": h7})

# %% [markdown]
# The claim is **{glue:text}`h7_so_far:s`** ({glue:text}`h7_parts:s`; *white* is the paper's word for bright). The intervals cover {glue:text}`covers:s`, of
# profile {glue:text}`profile_name:s`; the special kinds are small, so theirs are wide.
#
# **Where squared error gains on its own average, plain grey gains as well.** The same comparison for others, among them one
# who paints nothing at all:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-excess", "caption": "Skill on each kind of image, less skill on all images; to the right of the dotted line a system does better there than elsewhere. The two warm rows are the claim. But the first row, which is plain grey and has learned nothing, lies further right in every panel, and cross entropy at its mean lies beside L2 on ab. At T = 0.38 it paints less, and on dark and monochrome images it moves towards grey."}, "image": {"alt": "Three panels of points with intervals around a zero line, for dark, bright and monochrome images, a row each for plain grey, squared error on RGB and on ab, and cross entropy at two temperatures"}}
special = ["dark", "bright", "monochrome"]
compared = ["grey", "student_mse", "l2", "ce@1", "ce@0.38"]
compared = [system for system in compared if system in found.systems]
rule = "skill_mean({0}; {1}) - skill_mean({0})"
excess = {
    kind: {s: Effect(rule.format(s, kind)).measure(found) for s in compared}
    for kind in special
}
figures.plot_intervals(excess, dict.fromkeys(special, 0.0))

# %% tags=["hide-input"]
over_grey = "skill({0}; {1}) - skill({0})"
for kind in special:
    for system in compared:
        name = f"{system}_{kind}".replace("@", "_")
        said = answers.said(excess[kind][system], "+.3f")
        glue(f"{name}_excess", said, display=False)
    for system in ("student_mse", "l2"):
        effect = Effect(over_grey.format(system, kind))
        known = system in compared
        over = effect.measure(found) if known else answers.MISSING
        said = answers.said(over, "+.3f")
        glue(f"{system}_{kind}_over_grey", said, display=False)

# %% [markdown]
# Plain grey against its own average: on dark images {glue:text}`grey_dark_excess:s`, on bright
# {glue:text}`grey_bright_excess:s`, on monochrome {glue:text}`grey_monochrome_excess:s`. The mean colour is a brownish
# one. On images near grey it is further off than grey, and whoever paints little is credited for that. So we turn the
# question round and measure against grey, which on such images is the harder opponent. The share of *grey's* error that
# `l2` takes away, less the share on all images: on dark images {glue:text}`l2_dark_over_grey:s`, on bright
# {glue:text}`l2_bright_over_grey:s`, on monochrome {glue:text}`l2_monochrome_over_grey:s`. Of `student_mse`:
# {glue:text}`student_mse_dark_over_grey:s`, {glue:text}`student_mse_bright_over_grey:s` and
# {glue:text}`student_mse_monochrome_over_grey:s`. What a rule calls excellent on these images depends on who loses
# there; that squared error knows them especially well would have to show against both.
#
# **Nor is it peculiar to squared error on $ab$.** Cross entropy at its mean: on dark images
# {glue:text}`ce_1_dark_excess:s`, on bright {glue:text}`ce_1_bright_excess:s`, on monochrome
# {glue:text}`ce_1_monochrome_excess:s`. Where the two losses move together, it is no property of either. Squared error
# on RGB on dark images: {glue:text}`student_mse_dark_excess:s`.
#
# ## Muted and vivid
#
# **What stronger colour gains on vivid images it loses, and more, on muted ones.** These two kinds, and the monochrome one, are
# rules on colour, which no network sees. Among all images that look like a meadow the muted ones are those that happened
# to be pale; a network that knows meadows to be green will lose on exactly these, as it gains on the others. So a loss
# here is no failure, and it is the other side of a gain there.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-muted-vivid", "caption": "Skill on muted and on vivid images; the dotted line is the mean colour. Rows that paint little do well on the left and badly on the right. More colour costs much on the left, and brings little on the right, or nothing."}, "image": {"alt": "Two panels of points with intervals, skill over the mean colour on muted and on vivid images, a row for each network and read-out and one for plain grey"}}
rows = ["grey", "ce@0.38", "student_mse", "l2", "ce@1", "ce@1+gain",
        "ce@1~0.5", "l2_rebal", "ce_rebal@0.38"]  # fmt: skip
rows = [system for system in rows if system in found.systems]
panels = {
    kind: {s: found.subset(kind, s, "skill_mean") for s in rows}
    for kind in ("muted", "vivid")
}
figures.plot_intervals(panels, dict.fromkeys(panels, 0.0))

# %% tags=["hide-input"]
words = ("better than", "worse than", "not told apart from")
words = tuple(f"{word} the mean colour" for word in words)
for kind in panels:
    for system in ("l2", "ce@1", "ce@1~0.5"):
        skill = panels[kind].get(system, answers.MISSING)
        name = f"{system}_{kind}".replace("@1~0.5", "_tilted").replace("@", "_")
        glue(name, answers.said(skill, "+.3f", words), display=False)

# %% [markdown]
# `l2` is {glue:text}`l2_muted:s` on muted images and {glue:text}`l2_vivid:s` on vivid ones; the tilted mean of `ce`
# {glue:text}`ce_tilted_muted:s` and {glue:text}`ce_tilted_vivid:s`. Which of the two to prefer is no question that an
# average can answer: it depends on which photographs one has. Compare the two on
# <a href="../book/live.html#photo=bust&t=1&lambda=0.5&left=l2">a stone bust</a> and on
# <a href="../book/live.html#photo=rafters&t=1&lambda=0.5&left=l2">boats in bright colours</a>.
#
# ## Best and worst
#
# **The images on which squared error does most are colourful ones.** All test images in ten groups of equal size, by how
# much of the mean colour's error, in $ab$ units, `l2` takes away: in the last group most, in the first least.

# %% tags=["hide-input"]
error = {
    system: found.by_image(system, "ab_error")
    for system in ("l2", "mean", "grey")
    if system in found.systems
}
removed = pd.Series(error["mean"] - error.get("l2", error["grey"]))
groups = pd.qcut(removed.rank(method="first"), 10, labels=range(1, 11))
titles = {"mean_chroma": "true chroma", "mean_L": "lightness L"}
titles["share_white"] = "share with L above 90"
about = found.tables["grey"][None].reset_index(drop=True)[list(titles)]
about = about.rename(columns=titles).assign(removed=removed)
tenths = about.groupby(groups, observed=True).mean().astype(float)
columns = {"removed": "removed", "L": "lightness L", "chroma": "true chroma"}
for name, group in {"worst": 1, "best": 10}.items():
    for short, column in columns.items():
        glue(f"{name}_{short}", float(tenths[column][group]), display=False)
glue("helped", 100 * float((removed > 0).mean()), display=False)
tenths[["removed", *titles.values()]].rename_axis("tenth").round(2)

# %% [markdown]
# In the best tenth `l2` takes away {glue:text}`best_removed:.1f` units, and the images have a mean chroma of
# {glue:text}`best_chroma:.1f` and a mean lightness of {glue:text}`best_L:.0f`; in the worst the number is
# {glue:text}`worst_removed:.1f` (below zero it adds to the error), at a chroma of {glue:text}`worst_chroma:.1f` and a
# lightness of {glue:text}`worst_L:.0f`. Lightness differs little. What the best have is colour that can be guessed. Of all images
# {glue:text}`helped:.0f` % come out better than with the mean colour.
#
# ## What we found
#
# - **Easy images.** Plain grey is wrong by {glue:text}`dark_grey:.1f` units on dark images,
#   {glue:text}`bright_grey:.1f` on bright and {glue:text}`monochrome_grey:.1f` on monochrome ones, against
#   {glue:text}`all_grey:.1f` on all. Small errors there are a property of the images.
# - **The rule.** That squared error excels on such images is **{glue:text}`h7:s`** ({glue:text}`h7_parts:s`).
# - **The opponent.** Against its own average the skill of `l2` on dark images is {glue:text}`l2_dark_excess:s`, that of
#   plain grey {glue:text}`grey_dark_excess:s`. Against grey, `l2` on bright images is
#   {glue:text}`l2_bright_over_grey:s`.
# - **The loss.** Cross entropy at its mean on dark images: {glue:text}`ce_1_dark_excess:s`.
# - **Muted and vivid.** `l2` is {glue:text}`l2_muted:s` on muted images and {glue:text}`l2_vivid:s` on vivid ones; the
#   tilted mean {glue:text}`ce_tilted_muted:s` and {glue:text}`ce_tilted_vivid:s`.
# - **Best images.** Where `l2` takes away most, the mean chroma is {glue:text}`best_chroma:.1f`; where it does most
#   harm, {glue:text}`worst_chroma:.1f`.
# - The intervals cover {glue:text}`covers:s`.
#
# This was the last of the student paper's findings. {doc}`/book/claims` holds the verdicts on all of its claims side by
# side.
