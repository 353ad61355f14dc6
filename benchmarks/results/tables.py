"""The tables of a run in little memory: names as categories, curves as Arrow lists; and how they are kept in Parquet.

What lies on disk has plain strings and lists, as any other reader of Parquet expects.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import union_categoricals

BATCH, ROW_GROUP = 65_536, 131_072
"""Rows that are read at a time, and that are written as a group: a reader has a few groups at hand."""
VALUES = "values"
FRACTIONS = "fractions"
"""The column of lists of which most are equal: they become categories, too."""


def named(numbers: np.ndarray, values: Sequence[Any]) -> pd.Categorical:
    """Make a column of values by their numbers; arrays among the values become tuples."""
    known = [tuple(value.tolist()) if isinstance(value, np.ndarray) else value for value in values]
    absent = [number for number, value in enumerate(known) if value is None]
    if absent:
        places = np.cumsum([value is not None for value in known]) - 1
        places[absent] = -1
        numbers, known = places[numbers], [value for value in known if value is not None]
    index = pd.Index(known, tupleize_cols=False) if known else pd.Index([], dtype=str)
    return pd.Categorical.from_codes(numbers.astype(np.int64), categories=index)


def lists_of(ends: np.ndarray, values: np.ndarray) -> pd.api.extensions.ExtensionArray:
    """Make a column of arrays that lie behind one another; the first is from ``ends[0]`` to ``ends[1]``, and so on."""
    return pd.array(
        pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(values)),
        dtype=pd.ArrowDtype(pa.large_list(pa.from_numpy_dtype(values.dtype))),
    )


def stacked(column: pd.Series) -> np.ndarray:
    """Stack a column of `lists_of` arrays that are equally long: (rows, length)."""
    lists = pa.chunked_array(column.array.__arrow_array__()).combine_chunks()
    return lists.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)  # type: ignore[no-any-return]


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables with the same columns below one another; categories stay categories."""
    columns: dict[str, Any] = {}
    for name in frames[0].columns:
        parts = [frame[name] for frame in frames]
        if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
            columns[name] = union_categoricals(parts)
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns)


def write_table(frame: pd.DataFrame, file: Path) -> None:
    """Write a table as Parquet."""
    columns = {name: _arrow(frame[name]) for name in frame.columns}
    table = pa.table(columns)
    # Scores and curves are most of it: their numbers byte by byte, first bytes first, take half to two thirds.
    curves = [name for name in table.column_names if name == VALUES and pa.types.is_list(table[name].type)]
    scores = [name for name in table.column_names if pa.types.is_float64(table[name].type)]
    pq.write_table(
        table,
        file,
        store_schema=False,  # Arrow's own types would make other readers see categories
        row_group_size=ROW_GROUP,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name not in (*curves, *scores)],
        use_byte_stream_split=[*scores, *(f"{name}.list.element" for name in curves)],
    )


def _arrow(column: pd.Series) -> Any:
    if column.name == FRACTIONS and isinstance(column.dtype, pd.CategoricalDtype):
        known = [np.array(each) for each in column.cat.categories]
        small = all((each.astype(np.float32) == each).all() for each in known)
        lists = pa.array(known, pa.list_(pa.float32() if small else pa.float64()))
        return lists.take(pa.array(column.cat.codes.to_numpy()))
    return pa.Array.from_pandas(column)


def read_table(file: Path) -> pd.DataFrame:
    """Read a table that `write_table`, or pandas, wrote."""
    with pq.ParquetFile(file) as stored:
        schema = stored.schema_arrow
    texts = [each.name for each in schema if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)]
    known: dict[bytes, np.ndarray] = {}
    batches, numbers = [], []
    with pq.ParquetFile(file, read_dictionary=texts, pre_buffer=False) as stored:
        for batch in stored.iter_batches(BATCH):
            if FRACTIONS in schema.names:
                numbers.append(_numbers(batch[FRACTIONS], known))
                batch = batch.drop_columns(FRACTIONS)
            batches.append(batch)
    if not batches:
        return pd.read_parquet(file)
    table = pa.Table.from_batches(batches).unify_dictionaries()
    frame = pd.DataFrame({name: _column(table[name]) for name in table.column_names})
    if numbers:
        frame[FRACTIONS] = named(np.concatenate(numbers), list(known.values()))
    del table, batches
    pa.default_memory_pool().release_unused()  # to the system
    ordered: pd.DataFrame = frame[schema.names]
    return ordered


def _numbers(lists: Any, known: dict[bytes, np.ndarray]) -> np.ndarray:
    """Give the arrays of a column their numbers among those known; new ones are added."""
    values, ends = lists.values.to_numpy(), lists.offsets.to_numpy()
    text, size = values.tobytes(), values.itemsize
    keys = [text[size * first : size * end] for first, end in pairwise(ends.tolist())]
    for key in dict.fromkeys(keys):
        known.setdefault(key, np.frombuffer(key, values.dtype))
    numbers = {key: number for number, key in enumerate(known)}
    return np.array([numbers[key] for key in keys], np.int32)


def _column(stored: pa.ChunkedArray) -> Any:
    if pa.types.is_list(stored.type) or pa.types.is_large_list(stored.type):
        return pd.array(stored, dtype=pd.ArrowDtype(stored.type))
    return stored.to_pandas()
