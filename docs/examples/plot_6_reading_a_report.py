"""
Reading a report
================

A run ends in a table with many numbers. Which of the differences are real, and which would another set of pictures turn
around? This page reads the committed results of the plan ``quick``, made by ``python -m benchmarks run --plan quick``.
"""

# %%
# The tables are files
# --------------------
#
# ``results/quick`` has the report as ``README.md`` and, once a run has made it, as ``index.html``. It opens with a verdict,
# one figure and one table; all else is folded away below them. ``python -m benchmarks report --all`` makes one page of all results, with a table of
# methods by data set and network. What is in a report is also in ``tables``, as CSV:
# ``scores.csv`` has the means with their 95 % intervals.

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import mint

TABLES = Path(mint.__file__).parents[1] / "results" / "quick" / "tables"
scores = pd.read_csv(TABLES / "scores.csv").query("metric == 'insertion'")
scores.pivot(index="method", columns="network", values="mean").round(3).sort_values(
    "scenes-vgg", ascending=False
)

# %%
# 1. Look at the intervals
# ------------------------
#
# The interval says where the mean would lie on other pictures of the same kind. Gray marks are the *nulls*: methods that
# know nothing of the network. A method whose interval does not clear them has shown nothing under this metric.

nulls = ("random", "centre", "sobel", "constant")
networks = list(scores["network"].unique())
figure, axes = plt.subplots(
    1, len(networks), figsize=(8, 3.2), sharex=True, sharey=True, layout="constrained"
)
for axis, network in zip(axes, networks, strict=True):
    rows = scores[scores["network"] == network].iloc[::-1]
    for row in rows.itertuples():
        colour = "0.6" if row.method in nulls else "C0"
        axis.plot(
            [row.low, row.high],
            [row.method, row.method],
            color=colour,
            linewidth=3,
            solid_capstyle="round",
        )
        axis.plot(row.mean, row.method, "o", color=colour)
    axis.set(title=network, xlabel="insertion, higher is better")

# %%
# 2. Ask which differences are supported
# --------------------------------------
#
# Two intervals that overlap do not mean that two methods are alike, because both were measured on the same pictures.
# The test is paired, picture by picture, and its p is corrected for the number of pairs in the column (Holm). A difference
# with a corrected p below .05 is called *supported*. ``needed`` is how many pictures would show a difference as large as
# this one, in four cases of five.

pairs = pd.read_csv(TABLES / "comparisons.csv").query(
    "metric == 'insertion' and not null and network == 'scenes-vgg'"
)
pairs["supported"] = pairs["p_holm"] < 0.05
pairs[["first", "second", "difference", "low", "high", "p_holm", "supported", "needed"]].round(3)

# %%
# 3. Ask whether the metric can be trusted here
# ---------------------------------------------
#
# ``reliability.csv`` says how well single pictures agree on the order of the methods (``alpha``: 1 is perfect, 0 is
# chance; below .667 conclude nothing from one picture), and how well the order on one half of the pictures repeats
# on the other half (``halves``).

card = pd.read_csv(TABLES / "reliability.csv").query("network == 'scenes-vgg' and subset == 'all'")
card = card[
    ~card["metric"].isin(["gini", "tied-pixels"])
]  # they describe a map and do not judge it
card[["metric", "pictures", "alpha", "halves"]].round(2)

# %%
# 4. Look at the pictures
# -----------------------
#
# ``index.html`` shows every picture with every method's map, its scores and its curves; a number leads to the pictures
# on which it is best and worst. A mean may come from two failures, and only the pictures show that.
#
# What a metric cannot tell, however narrow its interval, is on the page of the metrics.
