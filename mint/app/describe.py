"""An explanation in a few lines of text."""

from mint.explanation import Explanation
from mint.superpixels import centres, shares

STRONGEST = 5  # fine super-pixels that are listed

_WORTHLESS = (
    "          not better than a constant on samples held out: do not read these importances (more --samples may help)"
)


def describe(explanation: Explanation, device: str = "") -> list[str]:
    """Say in a few lines what an explanation found and how.

    Parameters
    ----------
    explanation : Explanation
        What is described.
    device : str
        What it was computed on, if that is to be said.

    Returns
    -------
    list of str
        The score, the coarse choice, the strongest fine super-pixels (their importance, share of the picture, and
        centre in pixels of the network's input), the fidelity, and what it took.
    """
    parts, fidelity, parameters = explanation.superpixels, explanation.fidelity, explanation.parameters
    u_c, u_f = explanation.u_c, explanation.u_f
    layers = " and ".join(parameters["layers"] or ())
    read = f"layers {layers}" if layers else "no layers, as no gradient leads to any"
    if explanation.chosen_coarse is None:
        coarse = f"none of {len(u_c)} regions: {explanation.abstention}"
    else:
        share = float(shares(parts.coarse)[explanation.chosen_coarse])
        importance = float(u_c[explanation.chosen_coarse])
        coarse = f"one of {len(u_c)} regions, {share:.0%} of the picture, importance {importance:.3g}"
    sizes, places = shares(parts.fine), centres(parts.fine)
    rows = [
        f"  {float(u_f[i]):10.3g}  {float(sizes[i]):6.1%}  ({places[i, 0]:.0f}, {places[i, 1]:.0f})"
        for i in explanation.chosen_fine[:STRONGEST]
    ]
    held = f" hold {parameters['shown']['coverage']:.0%} of the positive importance; the strongest:" if rows else ""
    return [
        f"g(X)      {explanation.answer:.4g}, the {parameters['response']}",
        f"coarse    {coarse}",
        f"fine      {len(explanation.chosen_fine)} of {len(u_f)} super-pixels{held}",
        *(["  importance   share  centre (x, y)", *rows] if rows else []),
        f"fidelity  R^2 {fidelity.coarse:.2f} coarse, {fidelity.fine:.2f} fine; on samples held out "
        f"{fidelity.coarse_held_out:.2f} and {fidelity.fine_held_out:.2f}",
        *([] if fidelity.fine_held_out >= 0 else [_WORTHLESS]),
        f"made by   {_ROUTES[parts.route]}; {read}; "
        f"{len(explanation.states)} samples, seed {parameters['seed']}; {explanation.cost.seconds:.1f} s"
        f"{device and f' on {device}'}",
    ]


_ROUTES = {
    "grabcut": "GrabCut",
    "threshold": "a threshold on the saliency, where GrabCut failed",
    "slic": "SLIC alone, the saliency having no positive value",
}
