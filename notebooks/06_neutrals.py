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
# # Neutral colours
#
# Asphalt, plaster, clouds, bark: most of most photographs is nearly grey. **Do both losses do well there, what does
# "well" mean where grey is as good as right, and where does the tan go?**

# %% tags=["parameters"]
profile = "laptop"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "ce", "ce_rebal"]
settings = {}  # of the profile to change, such as {"width": 0.5}; they need data

# %%
import torch
from myst_nb import glue

from colorize_lib import color
from colorize_lib.book import examples, figures
from colorize_lib.config import load_config
from colorize_lib.evaluation import claims, metrics, records

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
found = records.for_config(config)
h6 = claims.decide("H6", found)
systems = found.main_systems

# %% [markdown]
# ## What the paper says
#
# Section 3.2 of {cite:t}`psacharopoulos`, with its third figure, gives both networks good marks: images dominated by
# neutral tones come out decently under either loss. One complaint goes to both as well, that tan tones get lost.
#
# Besides the lost reds and yellows it is the only finding in which squared error and cross entropy draw level, and a
# claim of a draw deserves the same care as a claim of a difference. It also has a catch of its own.
#
# ## A test that is hard to fail
#
# Call a pixel **neutral** if its true chroma is below {glue:text}`neutral:d`. Then plain grey, which is no method at
# all, is wrong by less than {glue:text}`neutral:d` $ab$ units on every one of them. A network that hesitates stays
# close to grey and earns the same mark. "Does well on neutrals" is thus what one would say of a network that has
# learnt nothing.
#
# There is a second catch, and it works the other way. We choose these pixels by their *truth*, which the network does
# not know. Among all the spots that look like plaster, some are grey and some are cream. The best guess for the lot may
# be a weak cream; on exactly the grey ones it loses to plain grey, which knows, so to speak, the answer in advance.
# Losing to grey on neutral pixels is no sign of a bad network but the price of being right about the cream. Where
# pixels are chosen by the truth, the baseline has an unfair advantage, and only the comparison **between** networks is
# clean.
#
# So there are three questions. Do the losses differ on neutrals? How far is each from grey's mark? And if neutrals are
# tinted, in which direction?
#
# ## The rule
#
# The draw is {ref}`H6 <claim-h6>`, an equivalence with a margin fixed beforehand:
#
# > {glue:text}`rule:s`
#
# Errors are counted in CIEDE2000 {cite:p}`sharma2005ciede2000`. The plain distance in $ab$ treats all regions of the
# plane alike, but the eye does not: it notices a faint tint on a grey wall and overlooks the same step between two
# strong reds. CIEDE2000 bends the distances accordingly; one unit is about what can just be seen.

# %%
glue("rule", h6.hypothesis.rule, display=False)
glue("h6", h6.verdict, display=False)
glue("neutral", metrics.NEUTRAL, display=False)
glue("pictures", found.summary["pictures"], display=False)
glue("covers", found.covers, display=False)
found.table(["neutral_ciede2000", "neutral_error", "neutral_chroma", "lightness_error"])

# %% [markdown]
# The table is over all neutral pixels of {glue:text}`pictures:,d` test images. Two of its columns need a remark.
#
# - **Lightness.** CIEDE2000 includes it. Three of the networks answer in $ab$ and get the true $L$; `student_mse`,
#   squared error on RGB, has to paint the lightness too, at a quarter of the side, and the last column shows what it
#   misses by. Its CIEDE2000 is for that reason no measure of its colours. Compare it in the $ab$ error.
# - **Grey's row.** Its $ab$ error is the mean true chroma of these pixels. A network whose *chroma on neutrals* exceeds
#   that number paints neutrals more strongly than they are.

# %% mystnb={"figure": {"name": "fig-neutrals", "caption": "Errors on neutral pixels, and the chroma that each network gives them. Hollow points are decoded at T = 1. The dotted lines mark the grey baseline in the first two panels and the true mean chroma in the third. The row of MSE on RGB includes an error of lightness in the first panel only."}, "image": {"alt": "Three panels of points with intervals, one row for each network and decoder: CIEDE2000 error, ab error and chroma on neutral pixels"}}
shown = {"CIEDE2000 on neutrals": "neutral_ciede2000", "ab error on neutrals": "neutral_error",
         "chroma on neutrals": "neutral_chroma"}  # fmt: skip
panels = {title: {s: found.interval(s, m) for s in systems} for title, m in shown.items()}
marks = {title: found.value("grey", "neutral_error" if m == "neutral_chroma" else m) for title, m in shown.items()}
figures.plot_intervals(panels, marks)

# %% [markdown]
# ## Equal within the margin?
#
# The loss alone: both networks answer with a mean, the one because squared error makes it, the other because it is
# decoded at temperature 1. The last lines show the distance to grey, for information.

# %%
h6.table()

# %% [markdown]
# That both losses do equally well on neutrals is **{glue:text}`h6:s`** by the rule. Half a unit of CIEDE2000 is well
# below what can be seen, so a confirmed draw is a draw to the eye as well, on average over many pixels; a single
# image may still show a tint in one and not in the other.
#
# ## A tint, or noise?
#
# An error has a size and a direction. If the directions cancel, neutrals look blotchy; if they agree, the image has a
# cast, as if seen through tinted glass. The mean of *predicted minus true*, with its sign, tells the cast from the
# noise:
#
# $$ \Delta a = \overline{\hat a - a}, \qquad \Delta b = \overline{\hat b - b} \qquad \text{over neutral pixels.} $$

# %% mystnb={"figure": {"name": "fig-neutral-shift", "caption": "The cast on neutral pixels: mean shift along both axes with 95 % intervals, drawn on the colours themselves at medium lightness. The centre is no cast. The background shows how a wall looks with the shift at that place, which is the honest scale for judging it."}, "image": {"alt": "The ab plane around grey as a coloured square; markers with small crosses show by how much each network shifts neutral pixels"}}
figures.plot_shifts(
    {
        s: tuple(found.interval(s, f"neutral_shift_{axis}") for axis in "ab")
        for s in systems
        if s not in ("grey", "mean", "random")
    }
)

# %% [markdown]
# The ceiling in this figure is a classifier that knows every label. Whatever shift it has comes from the encoding, from
# the decoder's temperature and from labels taken at every fourth pixel, and no training will remove it.
#
# ## Where tan is
#
# Tan sounds like a neutral tone. Here is the colour of that name in style sheets, measured:

# %%
tan = color.rgb_to_lab(color.to_unit(torch.tensor([[[[210, 180, 140]]]], dtype=torch.uint8)))
glue("tan_chroma", float(color.chroma(tan[:, 1:])), display=False)
glue("tan_hue", float(color.hue(tan[:, 1:])), display=False)
glue("tan_sector", list(metrics.SECTORS)[int(metrics.hue_sector(tan[:, 1:]))], display=False)
tan.flatten().round(decimals=1)

# %% [markdown]
# With a chroma of {glue:text}`tan_chroma:.0f` it is no neutral by our definition, and it passes for a vivid colour. Its
# hue of {glue:text}`tan_hue:.0f` degrees lies in the sector {glue:text}`tan_sector:s`, a few degrees from the border of
# orange and yellow. So "neutrals are fine" and "tan gets lost" are statements about different pixels, and the second
# belongs to the weakly coloured end of orange and yellow.
#
# Both statements may have one cause. Suppose that spots which look like plaster are grey or tan, half and half. A mean
# gives all of them the same pale tan. The grey ones come out too warm and the tan ones too grey, by equal amounts, and
# over all of them the error averages to nothing. A *warm cast on neutrals* and a *loss of tan* would be the two faces
# of a single act of averaging. If that is what happens, the shift along $b$ above is positive, and the chroma ratio of
# orange and yellow, predicted over true, is below one:

# %%
found.table(["neutral_shift_b", "chroma_ratio_orange", "chroma_ratio_yellow", "recall_orange", "recall_yellow"])

# %% [markdown]
# These sectors begin at the chroma of tan and hold much stronger colours as well, so the numbers are a stand-in for it.
# Where strong colours lose more than weak ones, they overstate the loss of tan.
#
# ## Look at them
#
# Chosen by a rule that looks at the true images only: *{glue:text}`chosen:s`.* The true lightness is put back for
# every network.

# %%
pictures = examples.choose_images(config, "neutral", 5, scenes=0)
columns = ["student_mse", "l2", "ce@1", "ce@0.38", "ce_rebal@0.38"]
rows = examples.colorize_systems(pictures, examples.colorizers(config), columns)
glue("chosen", pictures.rule, display=False)

# %% mystnb={"figure": {"name": "fig-neutral-pictures", "caption": "Our counterpart of the student paper's third figure: images with many neutral pixels. Cover the truth and ask whether you would notice anything; then uncover it and look for tints on what should be grey."}, "image": {"alt": "A grid of images with many neutral pixels: grey input, truth, and the results of four networks, one of them at two temperatures"}}
figures.image_grid(rows)

# %%
gaps = {
    "gap": found.difference("ce@1", "l2", "neutral_ciede2000"),
    "l2_grey": found.difference("l2", "grey", "neutral_ciede2000"),
    "ce_grey": found.difference("ce@1", "grey", "neutral_ciede2000"),
    "rebal_gap": found.difference("ce_rebal@0.38", "ce@0.38", "neutral_ciede2000"),
}
for name, gap in gaps.items():
    glue(name, f"{gap:+.2f}", display=False)
    glue(f"{name}_word", claims.wording(gap, words=("larger", "smaller", "not told apart")), display=False)
for system in ("l2", "ce@1", "grey", "student_mse"):
    glue(f"{system}_de".replace("@", "_"), found.value(system, "neutral_ciede2000"), display=False)
    glue(f"{system}_ab".replace("@", "_"), found.value(system, "neutral_error"), display=False)

# %%
tints = ("yellowish", "bluish", "neither yellowish nor bluish as far as can be told")
ratios = ("more vivid than in truth", "paler than in truth", "not told apart from the truth")
for system in ("l2", "ce@1"):
    name, shift = system.replace("@", "_"), found.interval(system, "neutral_shift_b")
    glue(f"{name}_shift", f"{shift:+.2f}", display=False)
    glue(f"{name}_tint", claims.wording(shift, words=tints), display=False)
    for sector in ("orange", "yellow"):
        ratio = found.interval(system, f"chroma_ratio_{sector}")
        glue(f"{name}_{sector}", f"{ratio:.2f}", display=False)
        glue(f"{name}_{sector}_word", claims.wording(ratio - 1, words=ratios), display=False)

# %% [markdown]
# ## What we found
#
# - **A draw?** On neutral pixels the mean CIEDE2000 error is {glue:text}`l2_de:.2f` with squared error and
#   {glue:text}`ce_1_de:.2f` with cross entropy, a difference of {glue:text}`gap:s`. By the rule, that both do equally
#   well is **{glue:text}`h6:s`**.
# - **Better than nothing?** Grey's error there is {glue:text}`grey_de:.2f`. Against it the error is
#   {glue:text}`l2_grey_word:s` with squared error ({glue:text}`l2_grey:s`) and {glue:text}`ce_grey_word:s` with cross
#   entropy ({glue:text}`ce_grey:s`). Rebalancing, at the original's temperature, changes the error by
#   {glue:text}`rebal_gap:s` ({glue:text}`rebal_gap_word:s`). A comparison with grey is unfair to every network here,
#   for the reason given above.
# - **Squared error on RGB** has an $ab$ error of {glue:text}`student_mse_ab:.2f` on neutrals, beside
#   {glue:text}`l2_ab:.2f` for squared error on $ab$. Its CIEDE2000 also counts lightness and is not comparable.
# - **The cast** of squared error along $b$ is {glue:text}`l2_shift:s` ({glue:text}`l2_tint:s`), that of cross entropy
#   {glue:text}`ce_1_shift:s` ({glue:text}`ce_1_tint:s`).
# - **Tan** is not among the neutrals. In the sectors it lies between, squared error paints orange
#   {glue:text}`l2_orange_word:s` (chroma ratio {glue:text}`l2_orange:s`) and yellow {glue:text}`l2_yellow_word:s`
#   ({glue:text}`l2_yellow:s`); cross entropy orange {glue:text}`ce_1_orange_word:s` ({glue:text}`ce_1_orange:s`) and
#   yellow {glue:text}`ce_1_yellow_word:s` ({glue:text}`ce_1_yellow:s`).
# - The intervals cover {glue:text}`covers:s`.
#
# So much for the draw. {doc}`07_vibrancy` takes up the difference that the student paper is about.
