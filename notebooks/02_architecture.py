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
# # Architecture: one body, three heads
#
# **What does the network look like that both papers use, what can it see, what does it cost, and what has to be the
# same if a comparison of losses is to mean anything?**
#
# {cite:t}`zhang2016colorful` print the network as a picture and publish it as a configuration file;
# {cite:t}`psacharopoulos` reprints the picture and says that the layers were followed almost exactly. Almost is a
# problem: two networks that differ in their loss *and* in a few kernels tell little about the loss. So this chapter
# pins down one body, counts it against the published one layer by layer, and then gives each arm a last layer of its
# own.

# %% tags=["parameters", "hide-input"]
profile = "evening"
data = ""  # none: recorded results
seeds = []  # none: all that are recorded, or 0 where networks are trained
arms = ["student_mse", "l2", "l2_rebal", "ce", "ce_rebal"]
settings = {}  # changes to the profile, {"width": 0.5}; they need data

# %% tags=["hide-input"]
import pandas as pd
import torch
from myst_nb import glue

from colorize_lib.book import figures
from colorize_lib.config import load_config
from colorize_lib.networks import (
    STAGES,
    ColorNet,
    layer_table,
    make_network,
    receptive_field,
)
from colorize_lib.objectives import HEADS

config = load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
torch.manual_seed(0)
network = ColorNet(313)

# %% [markdown]
# ## The network as a drawing
#
# Eight stages of two or three convolutions. The first three end in a step of two, so that the map shrinks to an
# eighth of the side while its channels grow from 64 to 256. Then it stays small and gets deep: twelve convolutions of
# 512 channels at one size, six of them dilated, which means that their nine taps lie two places of the map apart and
# reach further at the same price. The last stage doubles the side once, by a transposed convolution, and a head of one by one taps turns 256
# channels into the answer. There is no pooling and no shortcut anywhere. What the network says about a pixel has
# passed through the narrowest map.

# %% mystnb={"figure": {"name": "fig-architecture", "caption": "The network for an input of 64 pixels, our counterpart of the student paper's first figure, which is the original's. Blocks are as high as their maps and as wide as their channels. The answer is given at a quarter of the side and enlarged by plain interpolation: colour is painted with a broad brush, and the sharp edges of the result all come from L."}, "image": {"alt": "Ten blocks from left to right: input, three shrinking stages, four at an eighth of the side, two of them dilated, one doubling stage, head, and the enlarged colour"}}
figures.plot_architecture(side=64)

# %% [markdown]
# ## The network as a table
#
# In the library the body is a table as well, and the code that builds it is a loop over its rows. A stride belongs to
# the last convolution of its stage. The last stage has none: its first convolution, with a kernel of four, is transposed
# and doubles the side. All other kernels of the body have three by three taps.

# %%
stages = pd.DataFrame(STAGES).set_index("name").rename_axis("stage")
stages[["channels", "convolutions", "stride", "dilation"]]

# %% [markdown]
# Unrolled, one row a convolution, it can be compared with the released training file. A convolution of $k \times k$
# taps from $c$ to $c'$ channels has $c'(c k^2 + 1)$ parameters, biases included, and on a map of side $s$ it costs
# $c' c\, k^2 s^2$ multiplications, each with an addition; of the transposed one $s$ is the side of its input. The input of a row is the output of the one above.

# %%
table = pd.DataFrame(layer_table(network, side=64)).set_index("layer")
shown = ["out", "side", "parameters", "multiply_adds"]
shown = table[shown].rename(columns=lambda name: name.replace("_", "-"))
shown.map("{:,}".format)

# %% [markdown]
# The sums agree with the published network to the last parameter. The PyTorch version of the original adds a scale
# and a shift to each normalised channel, and a fixed layer that holds the 313 colours.

# %%
affine = sum(p.numel() for p in ColorNet(313, affine=True).parameters())
counts = {
    "trunk and head": int(table.parameters.sum()),
    "with affine batch norm": affine,
}
counts["with the layer of colours"] = affine + 2 * 313
for name, count in counts.items():
    glue(name.replace(" ", "_"), count, display=False)
    print(f"{name}: {count:,}")

# %% [markdown]
# At four bytes a parameter the first number makes the 129 MB that the table of {cite:t}`zhang2016colorful` prints.
# The tests of the library hold every row of the table above against the file, and a released checkpoint can be loaded
# into this network.
#
# ## What it costs
#
# Cost goes with the square of the side and, nearly, with the square of the width. That is the whole arithmetic behind
# the sizes used in this book: from 256 pixels to 64 a step becomes sixteen times cheaper, and a quarter of the
# channels brings almost as much again.

# %%
sides, widths = (64, 128, 176, 256), (1.0, 0.25)
cost = pd.DataFrame(index=pd.Index(sides, name="side"))
for width in widths:
    net = ColorNet(313, width)
    layers = (pd.DataFrame(layer_table(net, side)) for side in sides)
    sums = [layer.multiply_adds.sum() / 1e9 for layer in layers]
    cost[f"width {width:g}"] = sums
cost.round(2)

# %% [markdown]
# These are thousand millions of multiply-adds for one image forwards; a training step takes about three times that for
# each image of the batch. The network behind the recorded results of this chapter's profile is a narrower sister of
# the original, with the same depth, strides and dilations:

# %% tags=["hide-input"]
ours = make_network(config, 313, seed=0)
glue("width", config.width, display=False)
glue("side", config.side, display=False)
glue("our_parameters", sum(p.numel() for p in ours.parameters()), display=False)
smaller = counts["trunk and head"] / sum(p.numel() for p in ours.parameters())
glue("times_smaller", smaller, display=False)

# %% [markdown]
# Profile, width {glue:text}`width:.3g`, side {glue:text}`side:d`: {glue:text}`our_parameters:,d` parameters,
# {glue:text}`times_smaller:.0f` times fewer. Whether a wider body would decide the question differently is not
# something that this chapter can answer; `profile = "student"` runs it at full width.
#
# ## What it can see
#
# The receptive field of a layer is the patch of the input that one of its outputs depends on. It grows by $(k - 1)\,
# d$ steps with each convolution of dilation $d$, where a step is the number of input pixels between neighbours of the
# map, doubled by every stride and halved by the transposed convolution:
#
# $$ r_{i} = r_{i-1} + (k_i - 1)\, d_i \prod_{j < i} s_j . $$ (eq-receptive)

# %% mystnb={"figure": {"name": "fig-receptive-field", "caption": "Receptive field after every convolution. The dilated stages 5 and 6 make it larger than any image the papers train on: from the fourth stage on, an input of 64 pixels fits inside it."}, "image": {"alt": "Rising steps from 3 pixels at the first layer to above 300 at the last, crossing dashed lines at 64, 128 and 256 pixels"}}
fields = receptive_field(until="conv8")
glue("field_conv7", dict(fields)["conv7_3"], display=False)
glue("field_end", fields[-1][1], display=False)
figures.plot_receptive_field(fields)

# %% [markdown]
# After stage 7 an output depends on {glue:text}`field_conv7:d` pixels a side, after the last one on
# {glue:text}`field_end:d`. At 256 pixels, the size of the original's images, such a field covers the scene for an
# output in the middle and a part of it for one in a corner. At 64 every output sees everything, and something else
# besides. Let us see the first part by experiment: change one pixel in the corner of a random image, and count the
# outputs that notice.

# %%
probe = ColorNet(2, width=0.125).double().eval()
noticed = {}
for side in (64, 128, 256):
    image = 100 * torch.rand(1, 1, side, side, dtype=torch.float64)
    touched = image.clone()
    touched[..., 0, 0] = 100 - image[..., 0, 0]
    with torch.no_grad():
        noticed[side] = float(
            (probe(touched) != probe(image)).any(1).double().mean()
        )
table_of_shares = pd.Series(noticed, name="share of outputs that notice")
table_of_shares.rename_axis("side").to_frame().round(2)

# %% [markdown]
# The other part is the border. A tap that falls outside the map reads a zero. Along one side of a map of $s$
# positions, a kernel of three taps with dilation $d$ loses $2d$ of its $3s$ readings, so in the plane a share
#
# $$ 1 - \Bigl(1 - \frac{2d}{3s}\Bigr)^2 $$ (eq-padding)
#
# of what the convolution reads is padding and not image.

# %%
deep = table.loc["conv4_1":"conv7_3", ["dilation", "side"]]
padding = {
    side: 1 - (1 - 2 * deep.dilation / (3 * deep.side * side / 64)) ** 2
    for side in sides
}
glue("padding_64", 100 * float(padding[64].max()), display=False)
glue("padding_256", 100 * float(padding[256].max()), display=False)
stages = pd.DataFrame(padding).groupby(lambda layer: layer[:5]).first()
stages.rename_axis("stage").round(3)

# %% [markdown]
# In the dilated stages {glue:text}`padding_64:.0f` % of the readings are padding at 64 pixels, and
# {glue:text}`padding_256:.0f` % at 256, the size of the original's images. A network at 64 pixels therefore works with
# a good deal of nothing, whatever its loss. This may be a reason why small replications look worse than the original;
# all our arms have it in common. It is also the kind of difference that a comparison between one's own small network
# and somebody else's published images cannot separate from the loss.
#
# ## Normalisation in an unusual place
#
# Most networks normalise before the activation. This one does so after the last activation of each stage, and the
# original file has no scale and shift to undo it:

# %%
network.trunk["conv1"]

# %% [markdown]
# So what enters the next stage has mean zero and variance one in every channel, and is negative for all pixels at
# which the activation was silent. The last stage alone is not normalised. Two variants are options of the library:
# `affine` adds the scale and shift of the PyTorch version, and `activation="leaky_relu"` follows the student paper.
# {cite:t}`psacharopoulos` names leaky activations; they do occur in the later network of {cite:t}`zhang2017real`,
# which the paper cites too, but not in this one.
#
# ## Three heads
#
# An arm of our experiment changes the last layer and what is done with its output. The body before it is of one
# design for all five, and under one recipe its initial weights are equal, too: the head is made last, so that the random
# numbers of the trunk are drawn first. {doc}`04_training` shows that they are. One arm differs in more than its head:
# `student_mse` is shown torchvision's grey instead of L, and has a start and a learning rate of its own in the recorded
# runs.

# %%
image = torch.full((1, 1, config.side, config.side), 50.0)
rows = {}
for arm in config.arms:
    net = make_network(config, HEADS[arm], seed=0)
    rows[arm] = {"output for one image": tuple(net(image).shape)}
    rows[arm] |= {
        part: sum(p.numel() for p in getattr(net, part).parameters())
        for part in ("trunk", "head")
    }
pd.DataFrame(rows).T

# %% [markdown]
# Two channels for $a$ and $b$, three for red, green and blue, or one for each of the 313 colours. The classifiers
# have a larger head, and with it a few more parameters. The trunk, where nearly all of them are, is one and the same.
#
# ## What the student paper changed
#
# | | the original {cite:p}`zhang2016colorful` | the student paper {cite:p}`psacharopoulos` | this book |
# |---|---|---|---|
# | input | L, one channel | torchvision's grey of the RGB image | L; for `student_mse` the same grey |
# | output | 313 scores at a quarter of the side | not stated, nor what the squared error is taken of | as in the table above |
# | layers | table above | "almost exactly" those, kernels or strides changed by one | table above, for all arms |
# | activation | ReLU | leaky ReLU | ReLU; leaky as an option |
# | decoding | annealed mean | left out | per arm, both temperatures shown |
# | rebalancing | in the loss | none | for each loss on ab one arm without, one with |
# | image | 256, crops of 176 | 64 | 64 |
#
# The changed kernels are explained in the paper by channels: MiniPlaces has three and the original, it says, four,
# red, green, blue and Y. Neither released network is like that. The one of 2016 takes one channel; the interactive
# one of {cite:t}`zhang2017real` takes four, which are L, the hints a and b, and a mask. Several remarks in the paper
# fit that second network better, so that the body really used may have been a mixture. We cannot know, and need not:
# what matters for the question is that *our* five arms share one body.
#
# ## What we found
#
# - The body is reproduced exactly: {glue:text}`trunk_and_head:,d` parameters at full width,
#   {glue:text}`with_the_layer_of_colours:,d` with the extras of the PyTorch version.
# - The recorded results use {glue:text}`our_parameters:,d` of them, at width {glue:text}`width:.3g` and
#   {glue:text}`side:d` pixels.
# - One output looks at {glue:text}`field_end:d` pixels a side. A small input lies wholly inside that field, and its
#   deepest layers read {glue:text}`padding_64:.0f` % zeros, against {glue:text}`padding_256:.0f` % at the size of the
#   original's images.
# - Arms differ in the last layer or in the weight of rare colours, and `student_mse` in its grey input, start and rate,
#   too; the body is one. Next, {doc}`03_losses`: what the last layer is asked for.
