"""How fast the suite is beside bare forward passes and its peers: ``python -m benchmarks study speed``.

``contestants`` are the suite's own and Captum's, ``peers`` the tools of ``--peers``; ``rounds`` times them in turn;
``precisions`` compares what each precision gains; ``command`` reads the options and writes the page.
"""
