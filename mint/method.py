"""MINT: the method, in the order of the paper's sections.

Source: X. Cui, D. Wang, Z. J. Wang, "Multi-Scale Interpretation Model for Convolutional Neural Networks: Building
Trust Based on Hierarchical Interpretation", IEEE Transactions on Multimedia 21(9):2263-2276, 2019,
doi 10.1109/TMM.2019.2902099. Each choice that the paper leaves open is a parameter of :class:`MINT`.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mint.captum_style import BoundAttribution, as_classes
from mint.contract import InputError, explaining
from mint.explanation import Cost, Explanation, Scale, choose_coarse, choose_fine
from mint.features import Features, Pooling, read_features, represent, upsample
from mint.fidelity import split_half_agreement
from mint.layers import with_layers
from mint.parameters import require_batch_size, require_count, require_number, require_word
from mint.perturbation import Fill, Sampling, Score, baseline_image, draw_states, masked_scores
from mint.superpixels import Segmentation, segment, to_picture
from mint.surrogate import Constraint, Fit, Solver

Prior = Literal["elementwise", "grad-cam"]
_WORDS: Mapping[str, tuple[str, ...]] = {
    "response": get_args(Score),
    "derivative_of": get_args(Score),
    "prior": get_args(Prior),
    "sampling": get_args(Sampling),
    "pooling": get_args(Pooling),
    "constraint": get_args(Constraint),
    "solver": get_args(Solver),
    "scale": get_args(Scale),
}


@dataclass(frozen=True)
class MINT:
    """Explain a class at two scales by perturbing super-pixels, with one gradient as the prior.

    Calling it gives one saliency map per image, as every :class:`~mint.contract.Attributor` does;
    :meth:`explain` gives the whole :class:`~mint.explanation.Explanation` of one image. An explanation costs one
    forward and backward pass and ``samples`` forward passes.

    Attributes
    ----------
    samples : int or "auto"
        K, the number of perturbed samples (the paper's 5000), the unperturbed image included; or draw them in
        rounds of 100 until the fine importances have settled.
    settled_at : float
        With "auto": stop when the fine importances found from two halves of the samples agree this well, see
        :func:`~mint.fidelity.split_half_agreement`.
    most_samples : int
        With "auto": stop at this many anyway.
    shallow_layer, deep_layer : str or None
        Names of the two modules that are read; None finds them by one more forward pass, in any convolutional
        classifier, see :func:`~mint.layers.find_layers` (VGG: the last ReLU before the first max-pool, and the last
        ReLU of ``features``; ResNet: ``relu`` and ``layer4``). The paper does not name its layers.
    response : {"probability", "logit", "log-probability"}
        g, the score that is explained (the paper's Fig. 3 shows probabilities).
    derivative_of : {"logit", "probability", "log-probability"}
        The score whose derivative makes the saliency M; the logit's does not vanish where the network is sure.
    prior : {"elementwise", "grad-cam"}
        How gradient and activation make M: multiplied element by element (Section 1), or with each channel's
        gradient averaged first, as Grad-CAM does.
    segmentation : Segmentation
        The choices of Section 2.
    sampling : {"coins", "uniform-cardinality", "antithetic", "hierarchical"}
        How states are drawn (the paper: uniformly at random, "coins").
    fill : float, "blur" or "super-pixel mean"
        The baseline value of absent pixels, in the network's normalised input (the paper's zero, the mean colour);
        see :func:`~mint.perturbation.baseline_image`.
    pooling : {"mean-one", "raw", "ones"}
        How pooled features are scaled ("raw" is the paper's text).
    proximity : float
        c in sigma^2 = c ||X||^2, Eq. 8's kernel width; 0.73 weighs a sample with half the energy removed by about
        one half. With another ``fill`` than zero, X is the image minus the fill, so that the weight still goes from 1
        to exp(-1 / c) as all of the image is removed.
    mu : float
        Weight of the fine scale in Eq. 17.
    alpha : float
        Strength of both L1 penalties, scale free, in [0, 1] (the paper names no value; what others do is
        measured in results/ablations).
    intercept : bool
        Fit an unpenalised intercept (the paper has none).
    constraint : {"hard", "soft", "off"}
        The inter-scale constraint w_f T = w_c: the paper's, a penalty, or none; see
        :func:`~mint.surrogate.build_problem`.
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

    samples: int | Literal["auto"] = 5000
    settled_at: float = 0.9
    most_samples: int = 5000
    shallow_layer: str | None = None
    deep_layer: str | None = None
    response: Score = "probability"
    derivative_of: Score = "logit"
    prior: Prior = "elementwise"
    segmentation: Segmentation = field(default_factory=Segmentation)
    sampling: Sampling = "coins"
    fill: Fill = 0.0
    pooling: Pooling = "mean-one"
    proximity: float = 0.73
    mu: float = 1.0
    alpha: float = 0.02
    intercept: bool = False
    constraint: Constraint = "hard"
    solver: Solver = "admm"
    abstain_below: float = 0.05
    minimal_importance: float = 0.0
    coverage: float = 0.9
    scale: Scale = "fine"
    seed: int = 0
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            require_word(name, getattr(self, name), words)
        if self.samples != "auto":
            require_count("samples, where it is not 'auto',", self.samples, 2)
        require_count("most_samples", self.most_samples, 2)
        require_number("settled_at", self.settled_at, -1)
        require_number("proximity", self.proximity, 0, beyond=True)
        require_number("alpha", self.alpha, 0, 1)
        require_number("coverage", self.coverage, 0, 1, beyond=True)
        for name in ("mu", "abstain_below", "minimal_importance"):
            require_number(name, getattr(self, name), 0)
        require_batch_size(self.batch_size)

    @classmethod
    def paper(cls, samples: int = 5000) -> "MINT":
        """Read the paper literally wherever it says something; the rest are the defaults.

        That is: coins, the probability explained and differentiated, raw pooled features, a hard constraint.
        """
        return cls(
            samples=samples,
            response="probability",
            derivative_of="probability",
            prior="elementwise",
            sampling="coins",
            fill=0.0,
            pooling="raw",
            intercept=False,
            constraint="hard",
            scale="fine",
        )

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Compute one saliency map per image.

        Parameters and errors are those of :class:`~mint.contract.Attributor`; see also :meth:`explain`.

        Returns
        -------
        Tensor
            (n, h, w) float32, ties broken by M (see :meth:`~mint.explanation.Explanation.saliency_map`).
        """
        with explaining(model, images, targets):
            named = with_layers(self, model, images[0])
            maps = [
                named._explain(model, image, [int(target)])[0].saliency_map(self.scale)
                for image, target in zip(images, targets, strict=True)
            ]
        return torch.stack(maps).to(images.device)

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
        classes = as_classes(target)
        if len(classes) > 1:
            raise InputError("explain takes one target; for several, call explain_classes.")
        return self.explain_classes(model, image, classes)[0]

    def explain_classes(
        self, model: nn.Module, image: Tensor, targets: Sequence[int] | Tensor, *, shared: bool = False
    ) -> tuple[Explanation, ...]:
        """Explain several classes in one image.

        Parameters
        ----------
        model, image
            As in :meth:`explain`.
        targets : sequence of int, or Tensor
            The classes.
        shared : bool
            False follows the paper: everything anew for each class. True cuts the image once, with a foreground for
            each class, and puts one set of samples to the network for all classes: K forward passes instead of K for
            each class.

        Returns
        -------
        tuple of Explanation
            One for each class, in their order. With ``shared``, :attr:`Explanation.cost` is that of all together.

        Raises
        ------
        InputError
            As :meth:`explain`, and if there is no target.
        """
        if not isinstance(image, Tensor) or image.ndim != 3:
            raise InputError("explain takes one image of shape (c, h, w); for a batch, call the MINT object itself.")
        classes = as_classes(targets)
        if not len(classes):
            raise InputError("explain_classes needs at least one target.")
        with explaining(model, image.expand(len(classes), *image.shape), classes):
            named = with_layers(self, model, image)
            if shared:
                return named._explain(model, image, classes.tolist())
            return tuple(named._explain(model, image, [target])[0] for target in classes.tolist())

    def for_model(self, model: nn.Module) -> BoundAttribution:
        """Bind a network, for calls as of Captum's methods: ``MINT().for_model(model).attribute(inputs, target=3)``."""
        return BoundAttribution(self, model)

    def pictures(self, model: nn.Module, image: Tensor, target: int) -> Mapping[str, NDArray[np.uint8]]:
        """Draw the coarse and the fine explanation of one image as (h, w, 3) uint8 pictures."""
        explanation = self.explain(model, image, target)
        return {"coarse": explanation.coarse_picture(), "fine": explanation.fine_picture()}

    def _explain(self, model: nn.Module, image: Tensor, targets: Sequence[int]) -> tuple[Explanation, ...]:
        began = time.perf_counter()
        size = (image.shape[-2], image.shape[-1])

        # 1  Class-discriminative saliency of the deep layer.
        features = [self._read(model, image, target) for target in targets]
        saliencies = torch.stack([upsample(class_saliency(each, self.prior), size) for each in features])
        saliencies = saliencies.double().cpu()

        # 2  Nested super-pixels.
        partitions = segment(image, saliencies, self.segmentation)
        fine, coarse, parent = partitions[0].fine, partitions[0].coarse, partitions[0].parent
        p, q = int(coarse.max()) + 1, len(parent)

        # 3  Perturbed samples; they are put to the network below, in rounds where their number is not fixed.
        most = self.most_samples if self.samples == "auto" else self.samples
        states = draw_states(most, parent, self.sampling, self.seed)
        absent = baseline_image(image, fine, self.fill)

        # 4  Representations (Eqs. 3-6). The paper's features come after a ReLU; those read before one are rectified.
        a_c = represent(upsample(features[0].deep.clamp(min=0).sum(dim=0), size), coarse, p, self.pooling)
        shallow = upsample(features[0].shallow.clamp(min=0).sum(dim=0), size).double().cpu()
        a_f = represent(shallow, fine, q, self.pooling)

        # 5  Proximity (Eq. 8).
        proximity = proximity_kernel(states, removed_energy(image - absent, fine, q), self.proximity)

        # 6, 7  The problem (Eqs. 17 and 21) and its solver (Algorithm 1).
        fit = Fit(self.mu, self.alpha, self.intercept, self.constraint, self.solver)
        ask = partial(masked_scores, model, image, absent, fine)
        ask = partial(ask, target=targets, score=self.response, batch_size=self.batch_size)
        answers = torch.empty((0, len(targets)), dtype=torch.float64)
        for known in range(_ROUND, most, _ROUND) if self.samples == "auto" else ():
            answers = torch.cat([answers, ask(states[len(answers) : known])])
            settled = [
                split_half_agreement(fit, states[:known], column, proximity[:known], parent, a_c, a_f)
                for column in answers.T
            ]
            if min(settled) >= self.settled_at:
                states, proximity = states[:known], proximity[:known]
                break
        answers = torch.cat([answers, ask(states[len(answers) :])])
        proximity = proximity / proximity.sum()
        solutions = [fit(states, column, proximity, parent, a_c, a_f) for column in answers.T]

        # 8  What is shown (Eqs. 43-44).
        cost = Cost(len(targets) + len(states), len(targets), time.perf_counter() - began)
        picture = to_picture(image)
        explanations = []
        for i, (target, solution) in enumerate(zip(targets, solutions, strict=True)):
            answer = float(answers[0, i])
            chosen_coarse, abstention = choose_coarse(
                solution.w_c * a_c, answer, self.abstain_below, self.minimal_importance
            )
            explanations.append(
                Explanation(
                    target=int(target),
                    answer=answer,
                    picture=picture,
                    superpixels=partitions[i],
                    saliency=saliencies[i],
                    feature=shallow,
                    states=states,
                    answers=answers[:, i],
                    proximity=proximity,
                    a_c=a_c,
                    a_f=a_f,
                    fit=fit,
                    solution=solution,
                    chosen_coarse=chosen_coarse,
                    abstention=abstention,
                    chosen_fine=choose_fine(solution.w_f * a_f, self.coverage),
                    cost=cost,
                    parameters=dataclasses.asdict(self),
                )
            )
        return tuple(explanations)

    def _read(self, model: nn.Module, image: Tensor, target: int) -> Features:
        assert self.shallow_layer is not None
        assert self.deep_layer is not None
        return read_features(model, image, target, self.shallow_layer, self.deep_layer, self.derivative_of)


_ROUND = 100


def class_saliency(features: Features, prior: Prior = "elementwise") -> Tensor:
    """Join gradient and activation of the deep layer and sum over its channels: M(m, n), (h', w') (Section 1)."""
    return (_PRIORS[prior](features.gradient) * features.deep).sum(dim=0)


_PRIORS: dict[str, Callable[[Tensor], Tensor]] = {
    "elementwise": lambda gradient: gradient,
    "grad-cam": lambda gradient: gradient.mean(dim=(1, 2), keepdim=True),
}


def removed_energy(difference: Tensor, fine: Tensor, count: int) -> Tensor:
    """Sum ||X - fill||^2 inside each fine super-pixel: E_j, (count,) float64 (Section 5)."""
    energy = difference.detach().cpu().double().square().sum(dim=0).flatten()
    return torch.zeros(count, dtype=torch.float64).index_add_(0, fine.flatten(), energy)


def proximity_kernel(states: Tensor, energy: Tensor, width: float) -> Tensor:
    """Weigh the samples by h(Z) = exp(-||X - Z||^2 / sigma^2) with sigma^2 = width ||X - fill||^2 (Eq. 8).

    The paper's fill is zero, and its sigma free. What a sample lacks of the image is the energy of its absent
    super-pixels, so no picture is needed.

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
        (K,) float64 in (0, 1]. All 1 for an image without energy.
    """
    total = float(energy.sum())
    lacking = (~states).double() @ energy / total if total > 0 else torch.zeros(len(states), dtype=torch.float64)
    return torch.exp(-lacking / width)
