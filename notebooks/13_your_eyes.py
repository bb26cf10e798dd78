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
# # Many readers' eyes
#
# One reader's twenty answers to {doc}`/book/your-eyes` say little about five systems. **How often do people take a
# colorization for the photograph, what do several readers' answers together allow to say of it, and does the eye choose
# the settings that the measure would?**
#
# Put the files that readers saved into a folder and name it as the parameter `answers`:
#
#     colorize run 13_your_eyes -p answers FOLDER

# %% tags=["parameters", "hide-input"]
profile = "evening"  # nothing is trained here: the same for every profile
data = ""
seeds = []
arms = ["student_mse", "l2", "l2_rebal", "ce", "ce_rebal"]
settings = {}
answers = ""  # a folder of JSON files from the page; none: simulated readers

# %% tags=["hide-input"]
from myst_nb import glue

from colorize_lib import load_colorizer
from colorize_lib.book import eyes, figures, readers
from colorize_lib.config import load_config

# refuses what is not possible, and is not used
load_config(profile, data=data, seeds=seeds, arms=arms, **settings)
simulated = not answers
found = readers.simulated_answers() if simulated else eyes.read_answers(answers)
run = found.run or load_colorizer("ce").passport["run"]

# %% tags=["hide-input"]
warning = "NOBODY HAS LOOKED AT ANYTHING HERE. No folder of answers was given, "
warning += "so these readers are simulated, with rates that we made up. All "
warning += "numbers below try out the method and say nothing about images."
real = "Answers of readers, from the files in the folder given."
glue("source", warning if simulated else real, display=False)
glue("kind", "simulated" if simulated else "real", display=False)
glue("readers", found.readers, display=False)
glue("pairs", len(found.pairs), display=False)
glue("choices", len(found.choices), display=False)
left_out = [f"{n} ({why})" for why, n in found.left_out.items() if n]
glue("left_out", ", ".join(left_out) or "none", display=False)

# %% [markdown]
# ```{admonition} Where these numbers come from
# :class: warning
# {glue:text}`source:s`
# ```
#
# {glue:text}`readers:d` {glue:text}`kind:s` readers, {glue:text}`pairs:d` counted pairs, {glue:text}`choices:d`
# choices between sheets; pairs left out: {glue:text}`left_out:s`. Pairs count if they were shown for one second, in a
# reader's first round, after the practice. A file that the page cannot have written is refused, with its name and the
# field; so is one that is there twice, and files of different networks.
#
# ## How often the eye is deceived
#
# The measure is that of {cite:t}`zhang2016colorful`: the share of pairs in which the painted image was taken for the
# true one. At a half, nobody can tell.
#
# **Two intervals, for two questions.** *Every pair by itself* is Wilson's interval: it counts each answer as one throw
# of a coin. It is right for one reader and these photographs. But one reader is sharper than another, and one photograph
# harder than another, so answers come in bundles; twenty of one reader tell less than one each of twenty. *Readers
# and photographs* treats both as drawn at random, crossed, as this book treats seeds and photographs everywhere else: it
# finds the variance between readers and between photographs, asks how many independent answers would vary as much, and
# gives Wilson's interval of so many with Student's t. It speaks of readers and photographs in general and is the one to
# quote.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-deceived", "caption": "The share of painted images taken for the true one, by system, the least deceiving first. Left with each answer counted by itself, right with readers and photographs at random, which is wider where they differ. At the dotted line painted and true images would be told apart no better than by a coin."}, "image": {"alt": "Two panels with a dot and an interval for each of five systems; the intervals of the right panel are wider"}}
shares = eyes.deception(found.pairs)
titles = {"pairs": "every pair by itself", "readers": "readers and photographs"}
panels = {title: shares[kind] for kind, title in titles.items()}
figures.plot_intervals(panels, dict.fromkeys(panels, 0.5))

# %% tags=["hide-input"]
counted = found.pairs.groupby("system").wrong.agg(["size", "sum"])
counted = counted.reindex(list(shares["readers"])).rename_axis(None)
counted.columns = ["pairs", "taken for true"]
told = [f"{interval:.2f}" for interval in shares["readers"].values()]
counted.assign(share=told)

# %% [markdown]
# ## Do the intervals hold what they promise?
#
# **They are tried where the truth is known.** Simulated readers have known rates, and readers and photographs differ.
# Each row below stands for many studies with so many readers. A cell is the share of intervals, over studies and
# systems, that hold the known rate; $95\,\%$ is what both promise.

# %% tags=["hide-input"]
covered = readers.coverage()
glue("few", int(covered.index[0]), display=False)
glue("many", int(covered.index[-1]), display=False)
glue("few_readers", float(covered.readers.iloc[0]), display=False)
glue("many_pairs", float(covered.pairs.iloc[-1]), display=False)
glue("many_readers", float(covered.readers.iloc[-1]), display=False)
rates = [f"{system} {rate:g}" for system, rate in readers.RATES.items()]
glue("rates", ", ".join(rates), display=False)
within = readers.within(shares["readers"]) if simulated else "not asked"
glue("held", within, display=False)
rows = [f"{n} readers" for n in covered.index]
covered.set_axis(rows).rename(columns=titles).round(2)

# %% [markdown]
# With {glue:text}`many:d` readers, *every pair by itself* holds the known rate in {glue:text}`many_pairs:.2f` of the
# cases: more answers about the same few photographs make it narrow around a number that other photographs would not
# give. *Readers and photographs* does in {glue:text}`many_readers:.2f`. With {glue:text}`few:d` readers it does in
# {glue:text}`few_readers:.2f`, being wider than it need be: so few readers cannot show how much readers differ.
#
# The known rates were {glue:text}`rates:s`. Of the intervals in {numref}`fig-deceived`, those for readers and
# photographs that hold them: {glue:text}`held:s`.
#
# ## Tuning by eye
#
# Readers chose between contact sheets of the same photographs in two settings of the dials. In the model of Bradley and
# Terry each setting has a worth, and a setting is chosen with the probability of its worth over the sum of both. The
# *strength* below is the chance to be chosen beside an average setting, given by all choices together: a setting
# that met strong ones is not punished for it.

# %% tags=["hide-input"]
auc = eyes.recorded_auc(run)
ranked = eyes.preferences(found.choices, auc)
agreed = eyes.agreement(found.choices, auc)
glue("favourite", next(iter(ranked.index), "none"), display=False)
best = ranked.AuC.dropna().sort_values().index
glue("best_auc", best[-1] if len(best) else "not recorded", display=False)
glue("agreed", f"{agreed:.2f}", display=False)
ranked.round(3)

# %% [markdown]
# A setting is written as its temperature and, behind `~`, its lambda where there is a tilt. The eye's favourite is
# {glue:text}`favourite:s`, that of AuC among the same settings {glue:text}`best_auc:s`. **The share of choices that went
# to the setting with the higher AuC:** {glue:text}`agreed:s`, with readers at random. The photographs of the sheets are fixed, so this speaks of them. If the eye saw what AuC
# measures, nearly all choices would agree; at a half it goes by something else, and below a half against it. That is
# the evidence that {ref}`claim H20 <claim-h20>` waits for, and the claim stays open until there is enough of it.
#
# ## What we found
#
# - **Source.** Of the {glue:text}`readers:d` readers here, all are {glue:text}`kind:s`. {glue:text}`source:s`
# - **Method.** With many readers, intervals that count every answer by itself hold the known rate in
#   {glue:text}`many_pairs:.2f` of simulated cases, those for readers and photographs in {glue:text}`many_readers:.2f`.
# - **Tuning by eye.** Choices that agree with AuC: {glue:text}`agreed:s`.
