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
# # Data: what there is to guess
#
# A grey photograph keeps how light everything was and drops the rest. **What exactly is dropped, how is it
# distributed, and how much of it could anybody know from the grey image?**
#
# {cite:t}`zhang2016colorful` build their method on the uncertainty of the answer; {cite:t}`psacharopoulos` names it at
# the start and does not come back to it. We stay with the data for a chapter, because the quarrel about loss functions
# in {doc}`03_losses` is, in the end, a quarrel about what to answer when several colours are possible and one of them,
# grey, is far more common than the others.

# %% tags=["parameters", "hide-input"]
profile = "evening"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "l2_rebal", "ce", "ce_rebal"]
settings = {}  # changes to the profile, {"width": 0.5}; they need data

# %% tags=["hide-input"]
import hashlib

import numpy as np
import pandas as pd
import torch
from myst_nb import glue

from colorize_lib import color, objectives, quantize
from colorize_lib.book import figures
from colorize_lib.config import load_config
from colorize_lib.data.images import bundled_photos
from colorize_lib.data.scenes import repaint, scene_colours, synthetic_scenes
from colorize_lib.evaluation import records

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
card = records.data_card(config)

# %% [markdown]
# ## Lightness on one side, colour on the other
#
# In RGB every number holds some brightness and some colour, so that hiding the colour means changing all three.
# CIELAB sorts them out. $L$ runs from 0, black, to 100, white. The other two span a plane: $a$ from green to red, $b$
# from blue to yellow, with grey at the origin. How far a colour lies from the origin is its **chroma**, in which
# direction its **hue**, and equal distances in the plane are meant to look about equally large.
#
# A grey image, then, is $L$; what a network has to find is $(a, b)$ for every pixel. The photograph below is one of
# a few that come installed with scikit-image. No photograph of the training data appears in this book, for its terms
# do not allow it.

# %% mystnb={"figure": {"name": "fig-lab", "caption": "A photograph and its three planes. L alone is the input of the network. In a and b, drawn at one fixed lightness, hardly an edge is left that L does not show as well: outlines are given, only the paint inside them is asked for."}, "image": {"alt": "A cup of coffee on a red saucer, then the same image reduced to lightness, to green against red, and to blue against yellow"}}
photos = bundled_photos()
figures.plot_lab(photos["coffee"])

# %% [markdown]
# Colour and lightness are not free of each other. Near white there is room for little chroma except in yellow and
# green, near black for little except in blue and purple, and a red that exists at medium lightness has no counterpart
# on a bright wall. A network that predicts $a$ and $b$ under a
# given $L$ can therefore ask for a colour that no screen shows. Here is how quickly that happens: we take the bundled
# photographs, none of whose pixels is out of gamut, and pull their colours away from grey by a factor.

# %%
small = torch.from_numpy(np.stack(list(bundled_photos(64).values())))
lab = color.rgb_to_lab(color.to_unit(small))
pulled = {
    f: torch.cat([lab[:, :1], f * lab[:, 1:]], 1) for f in (1.0, 1.2, 1.5, 2.0)
}
shares = {
    f: float(color.out_of_gamut_share(x).mean()) for f, x in pulled.items()
}
glue("gamut_half_more", 100 * shares[1.5], display=False)
table = pd.Series(shares, name="share out of gamut").to_frame().round(3)
table.rename_axis("chroma times")

# %% [markdown]
# Half as much chroma again puts {glue:text}`gamut_half_more:.0f` % of the pixels outside. Photographs use the room they
# have. In this library errors in $ab$ are measured before anything is clipped, and the share of impossible pixels is a
# metric of its own; what an eye would judge, such as CIEDE2000 and colourfulness, is taken from the image as it is
# shown, which is clipped.
#
# ## How often each colour occurs
#
# Cut the $ab$ plane into squares of ten by ten units, as the original does, and count. The left map shows the
# **prior**: how the training labels are spread over the squares, smoothed as described in {doc}`03_losses`. The right
# map counts the pixels of the test images, unsmoothed. The scale is logarithmic, each step of the colour bar a
# factor of ten.

# %% mystnb={"figure": {"name": "fig-colour-shares", "caption": "Distribution of colours over the ab plane, training labels (left, smoothed) and test pixels (right; white squares are empty). In photographs nearly everything sits in the few bright squares around grey; the saturated colours at the rim, which make an image vivid, are rarer by orders of magnitude."}, "image": {"alt": "Two maps of the ab plane in squares of ten units, brightest in the middle around grey and dark towards the edge"}}
figures.plot_colour_shares(
    {"training labels": card.prior.numpy(), "test pixels": card.test.numpy()}
)

# %% [markdown]
# The two maps should agree, for what was learnt from one has to hold for the other. A few numbers sum up their shape: the likeliest
# colour and its share, the share of all colours within 15 units of grey, the mean chroma, and how many colours the
# distribution spreads over. For the last we take the exponential of the entropy: the number of equally likely colours
# that would be as hard to guess. Smoothing raises the mean chroma, most of all at grey, where it can only rise.
# So the chroma of the test pixels is given twice, after the labels' smoothing and as counted.

# %% tags=["hide-input"]
centers = quantize.ab_gamut_centers()
chroma = centers.norm(dim=1)
entropy = -torch.special.xlogy(card.prior, card.prior).sum()
top = int(card.prior.argmax())
soft = quantize.densify(*quantize.soft_encode(centers)).double()
smoothed = card.test.double() @ soft
a, b = centers[top].tolist()
glue("top_colour", f"({a:.0f}, {b:.0f})", display=False)
glue("top_share", 100 * float(card.prior[top]), display=False)
glue("near_grey", 100 * float(card.prior[chroma <= 15].sum()), display=False)
glue("mean_chroma", float(card.prior @ chroma), display=False)
glue("effective_colours", float(entropy.exp()), display=False)
glue("test_chroma", float(smoothed @ chroma.double()), display=False)
glue("test_counted", float(card.test @ chroma), display=False)

# %% [markdown]
# The likeliest colour is {glue:text}`top_colour:s` with {glue:text}`top_share:.1f` % of the labels.
# {glue:text}`near_grey:.0f` % of them lie within 15 units of grey. The mean chroma is {glue:text}`mean_chroma:.1f`
# for the training labels, which are smoothed, and {glue:text}`test_chroma:.1f` for the test pixels after the same
# smoothing; as counted it is {glue:text}`test_counted:.1f`. The labels spread as if over
# {glue:text}`effective_colours:.0f` equally likely colours.
#
# The file published by {cite:t}`zhang2016colorful`, made from ImageNet and smoothed too, holds 20 % in the grey square
# alone, 60 % within 15 units and a mean chroma of 18.2. Photographs of very different things share this shape because
# walls, roads, clouds and shadows fill the greater part of most. Remember the peak. It makes grey a good guess for any
# pixel one knows nothing about, and it is why a method that answers with the *likeliest* colour can turn out duller
# than one that averages.
#
# ## The 313 colours, derived
#
# The original predicts one of 313 colours, published as a file of numbers without their rule. We wanted no
# unexplained file, and looked for the rule. This is it:
#
# > Lay a grid of ten units over the ab plane. Project all displayable colours onto the plane and take their convex
# > hull. Of every grid cell that overlaps the hull, however little, keep all four corners.
#
# The result equals the published list number for number. Its hash, over the sorted list as 64-bit integers, must
# begin with `2a39983ed60d5b52`:

# %%
digest = hashlib.sha256(centers.to(torch.int64).numpy().tobytes()).hexdigest()
print(f"{len(centers)} colours, hash {digest[:16]}")

# %% [markdown]
# Other rules sound as good and fail. The next figure compares five of them with the right one; an empty square is a
# colour that the rule misses, a cross one too many. "Displayable" stands here for a fine lattice of the sRGB cube.

# %% mystnb={"figure": {"name": "fig-gamut-rules", "caption": "Six rules for the quantised gamut. Only the first gives the published 313. Empty squares are missed, crosses are too many. Dots in the first map: colours that are nearest to nothing a screen can show, all of them on the rim."}, "image": {"alt": "Six maps of grid colours in the ab plane; the first is complete, four lack squares on the rim, the last has some outside"}}
rules = quantize.centers_by_rule()
unused = quantize.never_nearest()
figures.plot_gamut_rules(rules, centers[unused].numpy())

# %% [markdown]
# The difference is not pedantry. With another list, a released network's channels would stand for the wrong colours.
# And the right list has an oddity worth knowing: corners kept for a sliver of overlap may be nearest to no real
# colour at all.

# %%
glue("never_nearest", int(unused.sum()), display=False)
glue("never_mass", 100 * float(card.prior[unused].sum()), display=False)
counts = {rule: len(kept) for rule, kept in rules.items()}
pd.Series(counts, name="colours").to_frame()

# %% [markdown]
# {glue:text}`never_nearest:d` of the 313 are of that kind. They are never the right answer; the smoothing of the
# labels alone gives them a share, together {glue:text}`never_mass:.3f` % here. Whoever reports an accuracy for
# each colour has to leave them out.
#
# ## A label at every fourth pixel
#
# The network answers at a quarter of the input's side, one colour for a block of four by four pixels. Whose colour?
# The released training file has two variants, one of them switched off: the mean of the block, and plainly its first
# pixel. The one that was used takes the pixel. Averaging looks more careful, but a mean of different colours lies
# closer to grey than they do, so the labels themselves would be duller than the photograph.

# %%
picked = objectives.subsample(lab)[:, 1:]
averaged = torch.nn.functional.avg_pool2d(lab, 4)[:, 1:]
labels = {"every fourth pixel": picked, "mean of the block": averaged}
whole = color.chroma(lab[:, 1:]).mean()
kept = {
    name: float(color.chroma(x).mean() / whole) for name, x in labels.items()
}
glue("chroma_averaged", 100 * (1 - kept["mean of the block"]), display=False)
title = "mean chroma of the labels / of the image"
pd.Series(kept, name=title).to_frame().round(3)

# %% [markdown]
# On the bundled photographs at 64 pixels, averaging costs {glue:text}`chroma_averaged:.1f` % of the chroma before any
# network has seen them. It is the first appearance of this book's main theme, and a small one: averages are dull.
#
# ## Scenes whose colours are a matter of chance
#
# With photographs one never knows whether a wrong colour was a mistake or bad luck. The wall in the photograph was blue;
# could the network have known? So we made a world in which that question has an answer. Its little landscapes are
# painted lightness first. Then every object draws its colour by lot, from a list that belongs to its kind: a ball is
# red, yellow or blue, and nothing in the grey image tells which.

# %% mystnb={"figure": {"name": "fig-scenes", "caption": "Four synthetic scenes. Each column shows one grey image, as the network sees it, and three colourings of it, all equally true: roofs, cars, balls and trees change, sky, clouds and windows do not, because their kind has one colour only."}, "image": {"alt": "Small landscapes with house, tree, car and balls in grey, and below them three different colourings of each"}}
scenes = synthetic_scenes(4, 64, seed=11)
draws = {
    f"draw {seed}": repaint(scenes, scene_colours(seed)) for seed in (8, 14, 19)
}
pictures = {"input": repaint(scenes, np.zeros((len(scenes.table), 2)))} | draws
rows = {
    name: dict(zip("1234", pixels, strict=True))
    for name, pixels in pictures.items()
}
figures.plot_scenes(rows)

# %% [markdown]
# These scenes are an instrument rather than a toy. For every kind we know the full distribution of colours given the
# grey appearance, hence the mean of it, hence the best that any method that minimises squared error could ever paint.
# The kinds that have more than one colour:

# %%
rows = [
    (kind.name, a, b, share)
    for kind in scenes.table
    for (a, b), share in zip(kind.colours, kind.probabilities, strict=True)
    if share < 1
]
columns = ["kind", "a", "b", "probability"]
pd.DataFrame(rows, columns=columns).set_index("kind").round(2)

# %% [markdown]
# And the chroma of the mean colour of every kind beside the mean chroma of the real ones. Where they are equal there is
# nothing to lose; a ball loses more than half.

# %%
kinds = {
    kind.name: {
        "lightness": kind.lightness,
        "chroma of the mean": np.linalg.norm(kind.mean),
        "mean chroma": kind.mean_chroma,
    }
    for kind in scenes.table
}
pd.DataFrame(kinds).T.rename_axis("kind").round(1)

# %% [markdown]
# The generator is part of the library, so that these scenes can be made anywhere in seconds. Tests, the live
# training of {doc}`04_training` and the smallest profile use them; everything said about photographs comes from
# photographs.
#
# ## Which images were used
#
# The student paper trained on MiniPlaces, a subset of Places {cite:p}`zhou2017places`: 100 kinds of places, 100,000
# photographs for training and 10,000 with public labels for validation. It names 90,000 training samples, which is no
# official split; most likely a tenth was held out. Our main results use all of its training photographs that have
# colour, less a part held out, and variants a sixth of them, reduced to the same 64 by 64 pixels. Photographs of the
# official validation set are the test images. No setting was tuned on them; the second version of the rules that decide
# the claims was written when results of earlier networks, trained for less time, on them were known
# ({doc}`/book/claims`).
#
# How many they are is told by the *passport* of each run, the record of its settings, images and machine. A fingerprint
# is a hash over the pixels in their order: two runs with equal fingerprints saw the very same images, whatever files
# they came from.

# %%
glue("n_train", card.images["training"], display=False)
glue("n_test", card.images["test"], display=False)
pd.DataFrame({"images": card.images, "fingerprint": card.fingerprints})

# %% [markdown]
# Every image stays in memory as it is, three bytes a pixel; conversion to Lab, mirroring and encoding happen when a
# batch is taken. The only selection is that images without colour are left out at preparation, since a grey
# photograph offers nothing to learn about colour, and those that cannot be read are listed with the reason.
#
# ## What we found
#
# - A grey image gives the outlines and asks for two numbers a pixel. Half as much chroma again would put
#   {glue:text}`gamut_half_more:.0f` % of the pixels of the bundled photographs outside what a screen can show.
# - Colours are distributed unevenly. Of the labels of the {glue:text}`n_train:,d` training images
#   {glue:text}`near_grey:.0f` % lie near grey, and the whole distribution is as hard to guess as
#   {glue:text}`effective_colours:.0f` equally likely colours. Mean chroma, both smoothed: {glue:text}`mean_chroma:.1f`
#   in training, {glue:text}`test_chroma:.1f` on the {glue:text}`n_test:,d` test images.
# - The published list of colours follows from a short rule, and {glue:text}`never_nearest:d` of its members are never
#   the answer to anything.
# - Labels are pixels, not averages; averaging would already have taken {glue:text}`chroma_averaged:.1f` % of the
#   chroma.
#
# The next chapter, {doc}`02_architecture`, looks at the network that has to do the guessing.
