"""MINT: the method, in the order of the paper's sections.

Source: X. Cui, D. Wang, Z. J. Wang, "Multi-Scale Interpretation Model for Convolutional Neural Networks: Building
Trust Based on Hierarchical Interpretation", IEEE Transactions on Multimedia 21(9):2263-2276, 2019,
doi 10.1109/TMM.2019.2902099. Each choice that the paper leaves open is a parameter of :class:`MINT`.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mint.ahead import finish_behind, work_ahead
from mint.captum_style import BoundAttribution, as_classes
from mint.contract import explaining
from mint.display import Display, Scale
from mint.explanation import Cost, Explanation
from mint.features import Features, Pooling, Prior, class_saliency, read_features, represent, upsample
from mint.fidelity import UntilSettled, vary
from mint.layers import layers_or_none
from mint.parameters import InputError, require_batch_size, require_count, require_number, require_seed, require_word
from mint.perturbation import (
    Fill,
    Sampling,
    baseline_image,
    draw_states,
    masked_answers,
    proximity_kernel,
    removed_energy,
    require_fill,
)
from mint.picture import to_picture
from mint.problem import Samples
from mint.scores import Score, require_score, score_name
from mint.superpixels import Segmentation, SuperPixels, segment
from mint.surrogate import Surrogate

SAME_ANSWERS = "all samples have the same answer: the network does not depend on what is in this picture"
_WORDS: Mapping[str, tuple[str, ...]] = {
    "prior": get_args(Prior),
    "sampling": get_args(Sampling),
    "pooling": get_args(Pooling),
}


@dataclass(frozen=True)
class MINT:
    """Explain a class at two scales by perturbing super-pixels, with one gradient as the prior.

    Calling it gives one saliency map per image, as every :class:`~mint.contract.Attributor` does;
    :meth:`explain` gives the whole :class:`~mint.explanation.Explanation` of one image. An explanation costs one
    forward and backward pass and ``samples`` forward passes.

    Attributes
    ----------
    samples : int or UntilSettled
        K, the number of perturbed samples (the paper's 5000), the unperturbed image included; or the rule by which
        samples are drawn until the fine importances have settled.
    layers : tuple of str, or None
        The names of the two modules that are read: a shallow and a deep one. None finds them by one more forward pass,
        in convolutional networks and vision transformers, see :func:`~mint.layers.find_layers` (VGG: the last ReLU
        before the first max-pool, and the last ReLU of ``features``; ResNet: ``relu`` and ``layer4``; ViT: the first
        block and the last but one). The paper does not name its layers.
    response : {"probability", "logit", "log-probability", "sigmoid"} or callable
        g, the score that is explained (the paper's Fig. 3 shows probabilities); or a function from the network's
        answers, (n, outputs), to scores, (n, classes). A network with one output needs "sigmoid" or "logit"; its two
        classes are the output and its opposite.
    derivative_of : {"logit", "probability", "log-probability", "sigmoid"} or callable
        The score whose derivative makes the saliency M; the logit's does not vanish where the network is sure.
    prior : {"elementwise", "grad-cam"}
        How gradient and activation make M: multiplied element by element (Section 1), or with each channel's
        gradient averaged first, as Grad-CAM does.
    segmentation : Segmentation
        The choices of Section 2.
    sampling : {"coins", "uniform-cardinality", "antithetic", "hierarchical"}
        How states are drawn (the paper: uniformly at random, "coins").
    fill : float, "mean", "blur" or "super-pixel mean"
        The baseline value of absent pixels, in the network's normalised input (the paper's zero, the mean colour);
        see :func:`~mint.perturbation.baseline_image`.
    pooling : {"mean-one", "raw", "ones"}
        How pooled features are scaled ("raw" is the paper's text).
    proximity : float
        c in sigma^2 = c ||X||^2, the width of Eq. 8's kernel. With 0.73, a sample from which half of the energy was
        removed has a weight of about one half. If ``fill`` is not zero, X is the image minus the fill; so the weight
        always falls from 1 for the whole image to exp(-1 / c) for none of it.
    surrogate : Surrogate
        How the surrogate is fitted: the choices of Sections 6 and 7.
    shown : Display
        What is shown of the importances: the choices of Section 8.
    seed : int
        Seed of the states' generator.
    batch_size : int or None
        Perturbed samples in one forward pass, found if None. It never changes a result.

    Examples
    --------
    >>> explanation = MINT(samples=1000).explain(model, image, target=281)  # doctest: +SKIP
    >>> explanation.chosen_coarse, explanation.u_f.argmax()  # doctest: +SKIP
    """

    samples: int | UntilSettled = 5000
    layers: tuple[str, str] | None = None
    response: Score = "probability"
    derivative_of: Score = "logit"
    prior: Prior = "elementwise"
    segmentation: Segmentation = field(default_factory=Segmentation)
    sampling: Sampling = "coins"
    fill: Fill = 0.0
    pooling: Pooling = "mean-one"
    proximity: float = 0.73
    surrogate: Surrogate = field(default_factory=Surrogate)
    shown: Display = field(default_factory=Display)
    seed: int = 0
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            require_word(name, getattr(self, name), words)
        require_score("response", self.response)
        require_score("derivative_of", self.derivative_of)
        if not isinstance(self.samples, UntilSettled):
            require_count("samples", self.samples, 2)
        pair = isinstance(self.layers, tuple) and len(self.layers) == 2 and all(isinstance(e, str) for e in self.layers)
        if self.layers is not None and not pair:
            raise InputError(
                f"layers is a pair of names, the shallow and the deep layer, or None, not {self.layers!r}."
            )
        for name, kind in (("segmentation", Segmentation), ("surrogate", Surrogate), ("shown", Display)):
            if not isinstance(getattr(self, name), kind):
                raise InputError(f"{name} is a {kind.__name__}, not {getattr(self, name)!r}.")
        if not isinstance(self.proximity, float | np.floating) or self.proximity != math.inf:  # all samples alike
            require_number("proximity", self.proximity, 1e-6, 1e12)
        require_seed("seed", self.seed)
        require_fill(self.fill)
        require_batch_size(self.batch_size)

    @classmethod
    def paper(cls, samples: int = 5000) -> "MINT":
        """Make the literal reading of the paper: what it says where it says something, and the defaults elsewhere.

        The paper says: coins, the probability explained and differentiated, raw pooled features, a hard constraint.
        """
        return cls(
            samples=samples,
            response="probability",
            derivative_of="probability",
            prior="elementwise",
            sampling="coins",
            fill=0.0,
            pooling="raw",
            surrogate=Surrogate(intercept=False, constraint="hard"),
            shown=Display(scale="fine"),
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
            named = self._with_layers(model, images[0])
            pairs = [(image, [target]) for image, target in zip(images, targets.tolist(), strict=True)]
            with closing(work_ahead(pairs, partial(named._read, model), named._cut, images.device)) as cuts:
                asked = (named._ask(model, *pair, cut) for pair, cut in zip(pairs, cuts, strict=True))
                maps = finish_behind((partial(_mapped, each, self.shown.scale) for each in asked), images.device)
        return torch.stack(maps).to(images.device)

    def explain(self, model: nn.Module, image: Tensor, target: int) -> Explanation:
        """Explain one class in one image.

        Parameters
        ----------
        model : nn.Module
            A classifier: images to (n, classes) logits.
        image : Tensor
            (c, h, w) floating point, normalised.
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
            False follows the paper: everything is done again for each class. True cuts the image once, with a
            foreground for each class, and puts one set of samples to the network for all classes. That takes K forward
            passes in all, instead of K for each class.

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
            named = self._with_layers(model, image)
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

    def _with_layers(self, model: nn.Module, image: Tensor) -> "MINT":
        """Name the layers; leave them out, and say so, where no gradient leads to any."""
        return self if self.layers else dataclasses.replace(self, layers=layers_or_none(model, image))

    def _explain(self, model: nn.Module, image: Tensor, targets: Sequence[int]) -> tuple[Explanation, ...]:
        pair = image, targets
        return self._ask(model, *pair, self._cut(pair, self._read(model, pair)))()

    def _read(self, model: nn.Module, pair: tuple[Tensor, Sequence[int]]) -> tuple[Tensor, float]:
        """Ask the network for all that is read of its layers; also return when that began."""
        began = time.perf_counter()
        image, targets = pair
        size = (image.shape[-2], image.shape[-1])

        # 1  Class-discriminative saliency of the deep layer.
        if self.layers is None:
            # No gradient: M is zero, so that SLIC alone cuts the picture, and all features are alike.
            one = torch.ones((1, 1, 1), dtype=image.dtype, device=image.device)
            features = [Features(one, torch.zeros_like(one), one)] * len(targets)
        else:
            shallow_layer, deep_layer = self.layers
            read = partial(read_features, model, image, derivative_of=self.derivative_of)
            features = [read(target, deep_layer, shallow_layer) for target in targets]
        saliencies = [upsample(class_saliency(each, self.prior), size) for each in features]

        # The layers' features come after a ReLU in the paper; those read before one are rectified.
        deep, shallow = features[0].deep, features[0].shallow
        assert shallow is not None
        sums = [upsample(each.clamp(min=0).sum(dim=0), size) for each in (deep, shallow)]
        # All of it goes to the host in one copy.
        return torch.stack([*image.detach(), *sums, *saliencies]), time.perf_counter() - began

    def _cut(self, pair: tuple[Tensor, Sequence[int]], read: tuple[Tensor, float]) -> "_Cut":
        """Do what the host can do before the network is asked again."""
        began = time.perf_counter()
        image, channels = pair[0], len(pair[0])
        planes = read[0].double().cpu()
        pixels, saliencies = planes[:channels], planes[channels + 2 :]
        # 2  Nested super-pixels.
        partitions = segment(pixels, saliencies, self.segmentation, image.device)
        seconds = read[1] + time.perf_counter() - began
        return _Cut(to_picture(pixels), saliencies, planes[channels], planes[channels + 1], partitions, seconds)

    def _ask(self, model: nn.Module, image: Tensor, targets: Sequence[int], cut: "_Cut") -> "_Explain":
        """Put the samples to the network; what is returned waits for its answers, and explains."""
        began = time.perf_counter()
        fine, parent = cut.partitions[0].fine, cut.partitions[0].parent

        # 3  Perturbed samples, and the network's answers; in rounds where the number of samples is not fixed.
        known = self.samples.most if isinstance(self.samples, UntilSettled) else self.samples
        states = draw_states(known, parent, self.sampling, self.seed)
        absent = baseline_image(image, fine, self.fill)
        ask = partial(masked_answers, model, image, absent, fine)
        ask = partial(ask, target=targets, score=self.response, batch_size=self.batch_size)
        describe = partial(self._describe, image, absent, cut, states)
        if isinstance(self.samples, UntilSettled):
            unasked = describe(torch.empty((0, len(targets)), dtype=torch.float64))
            taken = self.samples.take(self.surrogate, unasked, lambda states: ask(states).read())
            return partial(self._solve, targets, cut, lambda: taken, began)
        answers = ask(states)
        return partial(self._solve, targets, cut, lambda: describe(answers.read()), began)

    def _describe(self, image: Tensor, absent: Tensor, cut: "_Cut", states: Tensor, answers: Tensor) -> Samples:
        """Describe the samples to the surrogate."""
        fine, coarse, parent = cut.partitions[0].fine, cut.partitions[0].coarse, cut.partitions[0].parent

        # 4  Representations (Eqs. 3-6).
        a_c = represent(cut.deep, coarse, int(coarse.max()) + 1, self.pooling)
        a_f = represent(cut.shallow, fine, len(parent), self.pooling)

        # 5  Proximity (Eq. 8).
        proximity = proximity_kernel(states, removed_energy(image - absent, fine, len(parent)), self.proximity)
        return Samples(states, answers, proximity, parent, a_c, a_f)

    def _solve(
        self, targets: Sequence[int], cut: "_Cut", described: Callable[[], Samples], began: float
    ) -> tuple[Explanation, ...]:
        """Explain each class; ``began`` is when the network was asked."""
        # 6, 7  The problem (Eqs. 17 and 21) and its solver (Algorithm 1).
        samples = described()
        samples = dataclasses.replace(samples, proximity=samples.proximity / samples.proximity.sum())
        answers, a_c, a_f = samples.answers, samples.a_c, samples.a_f
        solutions = [self.surrogate(dataclasses.replace(samples, answers=column)) for column in answers.T]

        # 8  What is shown (Eqs. 43-44).
        gradients = len(targets) if self.layers is not None else 0
        cost = Cost(gradients + len(answers), gradients, cut.seconds + time.perf_counter() - began)
        explanations = []
        for i, (target, solution) in enumerate(zip(targets, solutions, strict=True)):
            answer = float(answers[0, i])
            chosen_coarse, abstention = self.shown.choose_coarse(solution.w_c * a_c, answer)
            chosen_fine = self.shown.choose_fine(solution.w_f * a_f)
            if not vary(answers[:, i]):
                chosen_coarse, abstention, chosen_fine = None, SAME_ANSWERS, ()
            explanations.append(
                Explanation(
                    target=int(target),
                    answer=answer,
                    picture=cut.picture,
                    superpixels=cut.partitions[i],
                    saliency=cut.saliencies[i],
                    feature=cut.shallow,
                    states=samples.states,
                    answers=answers[:, i],
                    proximity=samples.proximity,
                    a_c=a_c,
                    a_f=a_f,
                    surrogate=self.surrogate,
                    solution=solution,
                    chosen_coarse=chosen_coarse,
                    abstention=abstention,
                    chosen_fine=chosen_fine,
                    cost=cost,
                    parameters=dataclasses.asdict(self)
                    | {"response": score_name(self.response), "derivative_of": score_name(self.derivative_of)},
                )
            )
        return tuple(explanations)


@dataclass(frozen=True, eq=False)
class _Cut:
    """What is known of a picture before the network is asked about perturbed samples; all of it is on the host."""

    picture: NDArray[np.uint8]
    saliencies: Tensor  # (classes, h, w)
    deep: Tensor  # (h, w), the deep layer's features
    shallow: Tensor
    partitions: tuple[SuperPixels, ...]  # one for each class
    seconds: float  # that it took


_Explain = Callable[[], tuple[Explanation, ...]]


def _mapped(explain: _Explain, scale: Scale) -> Tensor:
    return explain()[0].saliency_map(scale)
