"""The figures of MINT's paper, made again from real explanations: ``python -m benchmarks study figures``.

`sources` chooses the pictures and classes, `subjects` explains them, `figures` draws them on a `sheet.Sheet`, and
`folder` writes the page.
"""
