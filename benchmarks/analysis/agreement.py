"""Agreement: how far the scores of two runs are apart, score by score."""

import numpy as np
import pandas as pd

PLACE = ["dataset", "network", "metric", "method", "control", "case"]
"""What a score is of."""
AGREEMENT = ("dataset", "network", "metric", "shared", "median", "largest", "method", "control", "case")


def side_by_side(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Set the scores of two runs side by side.

    Parameters
    ----------
    one, other : pandas.DataFrame
        The scores of records.

    Returns
    -------
    pandas.DataFrame
        A row for each score that either has: `PLACE`; ``in``, which is "both", "one" or "other"; ``settings``, True
        where the metrics are set otherwise, so that their scores do not compare; and ``difference``, its absolute
        value: infinite where the metric applies to the case in one run only, NaN where there is nothing to compare.
    """
    left, right = (each[[*PLACE, "metric_id", "score"]].astype(dict.fromkeys(PLACE, object)) for each in (one, other))
    table = left.merge(right, how="outer", on=PLACE, suffixes=("", " of the other"), indicator="in")
    table["in"] = table["in"].map({"both": "both", "left_only": "one", "right_only": "other"}).astype(str)
    first, second = table["score"], table["score of the other"]
    apart = (first - second).abs().mask(first.isna() & second.isna(), 0.0).fillna(np.inf)
    same = table["metric_id"].astype(str) == table["metric_id of the other"].astype(str)
    both = table["in"] == "both"
    return table[[*PLACE, "in"]].assign(settings=both & ~same, difference=apart.where(both & same))


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Sum up what `side_by_side` returns.

    Returns
    -------
    pandas.DataFrame
        `AGREEMENT`: a row for each data set, network and metric that both runs have with one setting: how many scores
        they share, the ``median`` and the ``largest`` difference, and where that is.
    """
    shared = table[table["difference"].notna()]
    groups = shared.groupby(["dataset", "network", "metric"], sort=False)["difference"]
    summed = groups.agg(shared="size", median="median", largest="max", worst="idxmax").reset_index()
    where = shared.loc[summed["worst"], ["method", "control", "case"]].reset_index(drop=True)
    return pd.concat([summed, where], axis=1)[list(AGREEMENT)]
