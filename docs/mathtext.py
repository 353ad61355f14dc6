"""A Sphinx extension that draws formulas by matplotlib, into the page: no LaTeX, no script, nothing from the network."""

import html
import io
import re
from typing import Any

import matplotlib as mpl
from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image
from sphinx.application import Sphinx

POINTS = 12
MARK = "#123456"  # a colour that stands for the text's own, which is light on a dark page


def draw(tex: str) -> str:
    """Draw a formula as an SVG element as large as the text around it."""
    file = io.BytesIO()
    formula = " ".join(tex.split())
    style: Any = {"mathtext.fontset": "cm", "savefig.transparent": True, "svg.hashsalt": "mathtext"}
    with mpl.rc_context(style):
        depth = math_to_image(
            f"${formula}$", file, prop=FontProperties(size=POINTS), format="svg", color=MARK
        )
    svg = file.getvalue().decode().replace(MARK, "currentColor")
    size = {
        side: float(points) / POINTS
        for side, points in re.findall(r' (width|height)="([\d.]+)pt"', svg)
    }
    (view,) = re.findall(r'viewBox="([^"]+)"', svg)
    drawing = svg[svg.index("<g ") : svg.rindex("</svg>")]
    shape = f"width:{size['width']:.3f}em;height:{size['height']:.3f}em;vertical-align:{-depth / POINTS:.3f}em"
    label = html.escape(formula, quote=True)
    opening = f'<svg role="img" aria-label="{label}" style="{shape}" viewBox="{view}"'
    return f'{opening} xmlns:xlink="http://www.w3.org/1999/xlink">{drawing}</svg>'


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(draw(node.astext()))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{draw(node.astext())}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer to Sphinx as ``html_math_renderer = "mathtext"``."""
    app.add_html_math_renderer("mathtext", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
