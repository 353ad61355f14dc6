"""A picture in colours, made of a network's normalised input, for what cuts pictures by their colours."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def to_picture(image: Tensor) -> NDArray[np.uint8]:
    """Make an (h, w, 3) picture from a normalised image, by stretching its range to 0..255.

    Colour segmentation needs a picture, but a method is given only the normalised image. All channels are stretched
    alike. The usual normalisations scale the three channels nearly alike, too, so the contrasts between colours stay.
    Of an image with other than 1 or 3 channels, the three principal components of its pixels are the channels.
    """
    values = image.detach().cpu().double().numpy().transpose(1, 2, 0)
    if image.shape[0] not in (1, 3):
        values = _principal_components(values)
    low, high = values.min(), values.max()
    stretched = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return np.ascontiguousarray(np.broadcast_to(np.rint(stretched), (*values.shape[:2], 3)).astype(np.uint8))


def _principal_components(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project pixels, (h, w, c), on their three principal components, (h, w, 3); where c is 2, the third is 0."""
    centred = values - values.mean(axis=(0, 1))
    pixels = centred.reshape(-1, values.shape[2])
    directions = np.linalg.eigh(pixels.T @ pixels)[1][:, ::-1][:, :3]
    # An eigenvector's sign is arbitrary; its largest entry is made positive, so that pictures repeat.
    directions = directions * np.sign(directions[np.abs(directions).argmax(axis=0), range(directions.shape[1])])
    components = centred @ directions
    return np.pad(components, ((0, 0), (0, 0), (0, 3 - components.shape[2])))
