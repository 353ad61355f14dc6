"""MINT: the method, in the order of the paper's sections.

Source: X. Cui, D. Wang, Z. J. Wang, "Multi-Scale Interpretation Model for Convolutional Neural Networks: Building
Trust Based on Hierarchical Interpretation", IEEE Transactions on Multimedia 21(9):2263-2276, 2019,
doi 10.1109/TMM.2019.2902099. Each choice that the paper leaves open is a parameter of :class:`MINT`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mint.attributor import InputError, explaining
from mint.explanation import Explanation, Scale, choose_coarse, choose_fine
from mint.features import Features, Pooling, default_layers, read_features, represent, upsample
from mint.perturbation import Sampling, Score, draw_states, masked_scores
from mint.superpixels import Segmentation, segment
from mint.surrogate import Solver, build_problem, solve


@dataclass(frozen=True)
class MINT:
    """Explain a class at two scales by perturbing super-pixels, with one gradient as the prior.

    Calling it gives one saliency map per image, as every :class:`~mint.attributor.Attributor` does;
    :meth:`explain` gives the whole :class:`~mint.explanation.Explanation` of one image. An explanation costs one
    forward and backward pass and ``samples`` forward passes.

    Attributes
    ----------
    samples : int
        K, the number of perturbed samples (the paper's 5000), the unperturbed image included.
    shallow_layer, deep_layer : str or None
        Names of the two modules that are read; None takes torchvision's conventions (VGG: the last ReLU before
        the first max-pool, and the last ReLU of ``features``; ResNet: ``relu`` and ``layer4``; Inception-V3:
        ``Conv2d_2b_3x3`` and ``Mixed_7c``). The paper does not name its layers.
    response : {"probability", "logit", "log-probability"}
        g, the score that is explained (the paper's Fig. 3 shows probabilities).
    derivative_of : {"logit", "probability", "log-probability"}
        The score whose derivative makes the saliency M; the logit's does not vanish where the network is sure.
    segmentation : Segmentation
        The choices of Section 2.
    sampling : {"coins", "uniform-cardinality", "antithetic", "hierarchical"}
        How states are drawn (the paper: uniformly at random, "coins").
    fill : float
        The baseline value of absent pixels, in the network's normalised input (the paper's zero, the mean colour).
    pooling : {"mean-one", "raw", "ones"}
        How pooled features are scaled ("raw" is the paper's text).
    proximity : float
        c in sigma^2 = c ||X||^2, Eq. 8's kernel width; 0.73 weighs a sample with half the energy removed by about
        one half.
    mu : float
        Weight of the fine scale in Eq. 17.
    alpha : float
        Strength of both L1 penalties, scale free, in [0, 1].
    intercept : bool
        Fit an unpenalised intercept (the paper has none).
    solver : {"admm", "cvxpy"}
        Algorithm 1, or an interior-point solver.
    abstain_below : float
        Choose no coarse super-pixel if no importance reaches this share of |g(X)|.
    minimal_importance : float
        Nor if none reaches this, in the score's units. Zero leaves the rule above alone; but where the probability
        of an absent class is nearly zero, importances that are minimal by any measure pass that rule, and a value
        of 0.05, say, makes MINT abstain as the paper's Fig. 8 does.
    coverage : float
        The chosen fine set holds this share of the positive importance.
    scale : {"fine", "coarse", "both"}
        Which importances make the single map (the paper defines none).
    seed : int
        Seed of the states' generator.
    batch_size : int or None
        Perturbed samples in one forward pass, found if None. It never changes a result.

    Examples
    --------
    >>> explanation = MINT(samples=1000).explain(model, image, target=281)  # doctest: +SKIP
    >>> explanation.chosen_coarse, explanation.u_f.argmax()  # doctest: +SKIP
    """

    samples: int = 5000
    shallow_layer: str | None = None
    deep_layer: str | None = None
    response: Score = "probability"
    derivative_of: Score = "logit"
    segmentation: Segmentation = field(default_factory=Segmentation)
    sampling: Sampling = "coins"
    fill: float = 0.0
    pooling: Pooling = "mean-one"
    proximity: float = 0.73
    mu: float = 1.0
    alpha: float = 0.02
    intercept: bool = False
    solver: Solver = "admm"
    abstain_below: float = 0.05
    minimal_importance: float = 0.0
    coverage: float = 0.9
    scale: Scale = "fine"
    seed: int = 0
    batch_size: int | None = None

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Compute one saliency map per image.

        Parameters and errors are those of :class:`~mint.attributor.Attributor`; see also :meth:`explain`.

        Returns
        -------
        Tensor
            (n, h, w) float32, ties broken by M (see :meth:`~mint.explanation.Explanation.saliency_map`).
        """
        with explaining(model, images, targets):
            explanations = [
                self._explain(model, image, int(target)) for image, target in zip(images, targets, strict=True)
            ]
        return torch.stack([explanation.saliency_map(self.scale) for explanation in explanations]).to(images.device)

    def explain(self, model: nn.Module, image: Tensor, target: int) -> Explanation:
        """Explain one class in one image.

        Parameters
        ----------
        model : nn.Module
            A classifier: images to (n, classes) logits.
        image : Tensor
            (c, h, w) floating point, normalised, with 1 or 3 channels.
        target : int
            The class.

        Returns
        -------
        Explanation
            Both scales' importances, what is shown of them, and everything they were computed from.

        Raises
        ------
        InputError
            If the image, the target, a layer's name or the network's answer cannot be used.
        """
        if not isinstance(image, Tensor) or image.ndim != 3:
            raise InputError("explain takes one image of shape (c, h, w); for a batch, call the MINT object itself.")
        with explaining(model, image[None], torch.tensor([target])):
            return self._explain(model, image, target)

    def pictures(self, model: nn.Module, image: Tensor, target: int) -> Mapping[str, NDArray[np.uint8]]:
        """Draw the coarse and the fine explanation of one image as (h, w, 3) uint8 pictures."""
        explanation = self.explain(model, image, target)
        return {"coarse": explanation.coarse_picture(image), "fine": explanation.fine_picture()}

    def _explain(self, model: nn.Module, image: Tensor, target: int) -> Explanation:
        size = (image.shape[-2], image.shape[-1])

        # 1  Class-discriminative saliency of the deep layer.
        features = self._read(model, image, target)
        saliency = upsample(class_saliency(features), size).double().cpu()

        # 2  Nested super-pixels.
        superpixels = segment(image, saliency, self.segmentation)
        fine, coarse, parent = superpixels.fine, superpixels.coarse, superpixels.parent
        p, q = int(coarse.max()) + 1, len(parent)

        # 3  Perturbed samples.
        states = draw_states(self.samples, parent, self.sampling, self.seed)
        fill = torch.full_like(image, self.fill)
        answers = masked_scores(
            model, image, fill, fine, states, target, score=self.response, batch_size=self.batch_size
        )

        # 4  Representations (Eqs. 3-6).
        a_c = represent(upsample(features.deep.sum(dim=0), size), coarse, p, self.pooling)
        shallow = upsample(features.shallow.sum(dim=0), size).double().cpu()
        a_f = represent(shallow, fine, q, self.pooling)

        # 5  Proximity (Eq. 8).
        proximity = proximity_weights(states, removed_energy(image - fill, fine, q), self.proximity)

        # 6, 7  The problem (Eqs. 17 and 21) and its solver (Algorithm 1).
        problem = build_problem(
            states, answers, proximity, parent, a_c, a_f, mu=self.mu, alpha=self.alpha, intercept=self.intercept
        )
        solution = solve(problem, self.solver)

        # 8  What is shown (Eqs. 43-44).
        answer = float(answers[0])
        return Explanation(
            target=target,
            answer=answer,
            superpixels=superpixels,
            saliency=saliency,
            feature=shallow,
            states=states,
            answers=answers,
            proximity=proximity,
            a_c=a_c,
            a_f=a_f,
            solution=solution,
            chosen_coarse=choose_coarse(solution.w_c * a_c, answer, self.abstain_below, self.minimal_importance),
            chosen_fine=choose_fine(solution.w_f * a_f, self.coverage),
        )

    def _read(self, model: nn.Module, image: Tensor, target: int) -> Features:
        shallow, deep = self.shallow_layer, self.deep_layer
        if shallow is None or deep is None:
            known_shallow, known_deep = default_layers(model)
            shallow, deep = shallow or known_shallow, deep or known_deep
        return read_features(model, image, target, shallow, deep, self.derivative_of)


def class_saliency(features: Features) -> Tensor:
    """Sum gradient times activation over the deep layer's channels: M(m, n), (h', w') (Section 1)."""
    return (features.gradient * features.deep).sum(dim=0)


def removed_energy(difference: Tensor, fine: Tensor, count: int) -> Tensor:
    """Sum ||X - fill||^2 inside each fine super-pixel: E_j, (count,) float64 (Section 5)."""
    energy = difference.detach().cpu().double().square().sum(dim=0).flatten()
    return torch.zeros(count, dtype=torch.float64).index_add_(0, fine.flatten(), energy)


def proximity_weights(states: Tensor, energy: Tensor, width: float) -> Tensor:
    """Weigh the samples by h(Z) = exp(-||X - Z||^2 / sigma^2) with sigma^2 = width ||X||^2, to a sum of 1 (Eq. 8).

    What a sample lacks of the image is the energy of its absent super-pixels, so no picture is needed.

    Parameters
    ----------
    states : Tensor
        (K, q) bool.
    energy : Tensor
        (q,), E_j.
    width : float
        c. Positive.

    Returns
    -------
    Tensor
        (K,) float64. All equal for an image without energy.
    """
    total = float(energy.sum())
    lacking = (~states).double() @ energy / total if total > 0 else torch.zeros(len(states), dtype=torch.float64)
    weights = torch.exp(-lacking / width)
    return weights / weights.sum()
