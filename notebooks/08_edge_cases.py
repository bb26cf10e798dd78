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
# Night scenes, snow, fog: on these the student paper saw its network excel. **Does squared error do especially well on
# dark, white and nearly monochrome images, or are these images on which nobody can do badly?**

# %% tags=["parameters"]
profile = "laptop"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "ce", "ce_rebal"]
settings = {}  # of the profile to change, such as {"width": 0.5}; they need data

# %%
import pandas as pd
from myst_nb import glue

from colorize_lib.book import examples, figures
from colorize_lib.config import load_config
from colorize_lib.evaluation import claims, measuring, records
from colorize_lib.evaluation.systems import system_title

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
found = records.for_config(config)
h7 = claims.decide("H7", found)
kinds = ["all", "dark", "bright", "muted", "vivid"]
systems = ["grey", "student_mse", "l2", "ce@1", "ce@0.38", "ce_rebal@0.38"]

# %% [markdown]
# ## What the paper says
#
# Section 3.4 of {cite:t}`psacharopoulos`, with its fifth figure, lists where the network trained with squared error
# came out best. In our words: on dark pixels, on white pixels, and on images of hardly more than one colour, tan or
# blue, with neither red nor yellow in them. From this it also draws its assurance that the network was rebuilt
# correctly: where it is good, it is very good.
#
# The observation is easy to believe. The question is what it is an observation *of*, the network or the images.
#
# ## Easy is not excellent
#
# A very dark or very bright pixel has little room for most colours. At $L = 10$ a screen can show a strong purple, at
# $L = 95$ a strong yellow, but photographs hardly use them. So in dark and in white images most true colours lie near
# grey, the guesses of a cautious network do too, and errors are small. The same holds for an image of one pale colour.
# Somebody who paints nothing at all shares in this success.
#
# To excel must therefore mean more than a small error. We ask how much of the *grey* baseline's error a network takes
# away,
#
# $$ \text{skill} = 1 - \frac{\sum \lVert \hat Y - Y \rVert}{\sum \lVert Y \rVert} , $$
#
# summed over all pixels of all images of a kind. It is 1 for the truth and 0 for a network that is as good as
# painting nothing; below 0 one should rather have painted nothing.
#
# ## Kinds of images
#
# Rules on the true image sort the test photographs. An image may be of several kinds, or of none of the four special
# ones.

# %%
rules = {kind: rule for kind, (rule, _) in measuring.SUBSETS.items() if kind in kinds}
counts = {kind: found.subset(kind, "grey", "ab_error").images for kind in kinds}
chromas = {kind: found.subset(kind, "grey", "ab_error").value for kind in kinds}
for kind in kinds:
    glue(f"{kind}_n", counts[kind], display=False)
    glue(f"{kind}_chroma", chromas[kind], display=False)
glue("covers", found.covers, display=False)
pd.DataFrame({"rule": rules, "images": counts, "mean true chroma": chromas}).round(1)

# %% [markdown]
# The last column is at the same time the error of plain grey, because a grey pixel is wrong by the chroma of the true
# one. It says in advance how small an error must be to be remarkable: {glue:text}`dark_chroma:.1f` units on dark
# images, {glue:text}`bright_chroma:.1f` on bright and {glue:text}`muted_chroma:.1f` on muted ones, against
# {glue:text}`all_chroma:.1f` on all.
#
# These kinds differ in one respect that will matter below. *Dark* and *bright* are rules on lightness, which the
# network sees. *Muted* and *vivid* are rules on colour, which it does not see, and which it can only guess from what
# is shown.
#
# ## The rule
#
# The claim is {ref}`H7 <claim-h7>`, judged for both readings of the student's loss and each kind on its own:
#
# > {glue:text}`rule:s`

# %%
glue("rule", h7.hypothesis.rule, display=False)
glue("h7", h7.verdict, display=False)
h7.table()

# %% [markdown]
# Taken together the verdict on the claim is **{glue:text}`h7:s`**; "mixed" means that the parts came out differently,
# and the table shows which did how. The intervals cover {glue:text}`covers:s`, and the special kinds are small, so
# theirs are wide.
#
# ## Small errors, and whose they are
#
# Here are the errors themselves, in the way in which they are easily misread and beside what is needed to read them
# properly. The further left a kind of image stands, the closer its true colours are to grey. The dashed line is grey
# itself.

# %% mystnb={"figure": {"name": "fig-against-grey", "caption": "Mean error of each network on each kind of image, against the error of painting nothing. Errors fall towards the left, for everybody. What a network is worth is its distance below the dashed line, and that is largest on the right, where images are vivid. Above the line one had better painted nothing."}, "image": {"alt": "Curves of error against the grey baseline's error with a dashed diagonal; most curves run above the diagonal on the left and below it on the right"}}
figures.plot_against_grey({s: {k: found.subset(k, s, "ab_error") for k in kinds} for s in systems})

# %% [markdown]
# The left part of the figure holds the success that the paper saw: small errors. It also shows why they were no
# achievement. And the same as skill, kind by kind, with intervals; the rebalanced network, whose errors on pale images
# are of another size, is left to the table further down.

# %% mystnb={"figure": {"name": "fig-skill", "caption": "Skill over grey on each kind of image; at the dotted line a network is as good as painting nothing, to the left of it worse. If a network excelled on dark, bright or muted images, its points in those panels would lie further right than in the panel of all images."}, "image": {"alt": "Five panels of points with intervals around a zero line, one for each kind of image, one row for each network"}}
panels = {kind: {s: found.subset(kind, s, "skill") for s in systems[1:-1]} for kind in kinds}
figures.plot_intervals(panels, dict.fromkeys(kinds, 0.0))

# %% [markdown]
# ## Is the comparison fair?
#
# A doubter should object here. We sorted images by the truth, and asked of a network that does not know the truth to
# beat a baseline that is right by construction. For *muted* images the objection holds. Among all images that look
# like a meadow, the muted ones are those that happened to be pale; a network that knows meadows to be green will lose
# to grey on exactly these, as it gains on the others. A negative skill on muted images is the other side of a
# positive one on vivid images, and the sum over all images is what counts.
#
# For *dark* and *bright* it does not hold. Whether an image is dark can be seen in its lightness, so a network may
# well take account of it, and painting nothing has no head start. If squared error has learned something special about
# dark images, it must show there.
#
# Another objection: skill is a ratio, and where grey's error is small a small absolute error weighs heavily. That is so,
# and it is intended; the figure above the last shows the absolute errors.
#
# ## Is it squared error?
#
# Even an excellent result would say something about the loss only if the other loss does not share it. So the same
# numbers for cross entropy, shown as a mean and at the original's temperature.

# %%
table = {system_title(s): {k: f"{found.subset(k, s, 'skill'):+.3f}" for k in kinds} for s in systems[1:]}
pd.DataFrame(table).T

# %% [markdown]
# Compare rows within a column. The temperature leans towards the likeliest colour, which in pale images is grey, and
# so a cooler decoder gets closer to the baseline there. Rebalancing does the opposite; it paints dark and bright
# images as if rare colours were common in them.
#
# ## Look at them
#
# The two darkest, the two brightest and the two least varied of the bundled photographs; where one image meets two
# rules it is shown once. *{glue:text}`chosen_dark:s`; {glue:text}`chosen_bright:s`; {glue:text}`chosen_monochrome:s`.*

# %%
chosen = {rule: examples.choose_images(config, rule, 2, scenes=0) for rule in ("dark", "bright", "monochrome")}
merged = {name: picture for pictures in chosen.values() for name, picture in pictures.items.items()}
for rule, pictures in chosen.items():
    glue(f"chosen_{rule}", pictures.rule, display=False)
shown = examples.Images(merged, "the union of the three")
rows = examples.colorize_systems(shown, examples.colorizers(config), systems[1:])

# %% mystnb={"figure": {"name": "fig-edge-pictures", "caption": "Our counterpart of the student paper's fifth figure. For each image compare the first column with the second before looking at the rest: where grey is hard to tell from the truth, no network can fail by being cautious, and the only way to stand out is to be wrong."}, "image": {"alt": "A grid of dark, bright and nearly monochrome images: grey input, truth, and the results of four networks, one of them at two temperatures"}}
figures.image_grid(rows)

# %%
for kind in kinds:
    for system in ("student_mse", "l2", "ce@1"):
        skill = found.subset(kind, system, "skill")
        glue(f"{system}_{kind}".replace("@", "_"), f"{skill:+.3f}", display=False)
        word = claims.wording(skill, words=("better than grey", "worse than grey", "not told apart from grey"))
        glue(f"{system}_{kind}_word".replace("@", "_"), word, display=False)
skills = {kind: found.subset(kind, "l2", "skill").value for kind in kinds if kind != "all" and counts[kind]}
glue("best_kind", max(skills, key=skills.get) if skills else "none", display=False)
glue("worst_kind", min(skills, key=skills.get) if skills else "none", display=False)

# %% [markdown]
# ## What we found
#
# - **Easy images.** Plain grey is wrong by {glue:text}`dark_chroma:.1f` units on dark images,
#   {glue:text}`bright_chroma:.1f` on bright and {glue:text}`muted_chroma:.1f` on muted ones, against
#   {glue:text}`all_chroma:.1f` on all. Small errors there are a property of the images.
# - **Dark and bright images.** Squared error on $ab$ has a skill of {glue:text}`l2_dark:s` on dark
#   ({glue:text}`l2_dark_word:s`) and {glue:text}`l2_bright:s` on bright images ({glue:text}`l2_bright_word:s`);
#   over all images it has {glue:text}`l2_all:s`. On RGB, the other reading of the student paper, it has
#   {glue:text}`student_mse_dark:s` and {glue:text}`student_mse_bright:s`.
# - **Muted images.** There its skill is {glue:text}`l2_muted:s` ({glue:text}`l2_muted_word:s`), but this kind is
#   chosen by what no network can see.
# - **Where it is best.** Of the four special kinds the skill of squared error on $ab$ is highest on
#   *{glue:text}`best_kind:s`* images (the vivid ones have a mean chroma of {glue:text}`vivid_chroma:.1f` units) and
#   lowest on *{glue:text}`worst_kind:s`* ones.
# - **The loss.** Cross entropy, shown as a mean, has {glue:text}`ce_1_dark:s` on dark and {glue:text}`ce_1_bright:s` on
#   bright images. Where the two agree, it is no property of squared error.
# - That squared error excels on such images is **{glue:text}`h7:s`** by the rule. The intervals cover
#   {glue:text}`covers:s`.
#
# This was the last of the student paper's findings. {doc}`/book/claims` holds the verdicts on all of its claims side by
# side.
