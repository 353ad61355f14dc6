"""The figures of MINT's paper, made again from real explanations: ``python -m benchmarks figures``.

What is explained stands in `sources`, how it is explained in `subjects`; each figure is a function in `pipeline`,
`segmentation`, `samples` or `panels`, drawn on a `drawing.Sheet`; `folder` writes them with their index.
"""
