"""PSNR, PSNR inside a mask, and SSIM between two pictures, in float64.

Pictures are `(H, W, C)` arrays with values in [0, data_range]; data_range is always said, never guessed from
the data: 255 for uint8 pictures, 1.0 for floats in [0, 1].
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from moongate.errors import NumericsError
from moongate.metrics.rows import Measurement

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_K1 = 0.01
SSIM_K2 = 0.03


def psnr_db(image: ArrayLike, reference: ArrayLike, *, data_range: float) -> Measurement:
    """10 log10(data_range^2 / MSE) in dB over all pixels and channels; higher is better.

    Identical pictures have no finite PSNR: value None, status `inf`. Raises NumericsError when the shapes
    differ or the values leave [0, data_range].
    """
    a, b = _pair(image, reference, data_range)
    return _psnr_of_error((a - b) ** 2, data_range)


def masked_psnr_db(
    image: ArrayLike, reference: ArrayLike, mask: ArrayLike, *, data_range: float
) -> Measurement:
    """PSNR in dB over the pixels where `mask: (H, W)` is True, and over those only.

    Multiplying both pictures by the mask and dividing by all pixels instead would add 10 log10(1 / coverage)
    dB. An empty mask gives status `missing`. Raises NumericsError as `psnr_db` does, and when the mask does
    not fit.
    """
    a, b = _pair(image, reference, data_range)
    inside = np.asarray(mask)
    if inside.dtype != np.bool_ or inside.shape != a.shape[:2]:
        raise NumericsError(
            f"a mask of shape {inside.shape} and type {inside.dtype} does not fit a picture of {a.shape}",
            where="metrics.reconstruction",
            why="a mask says of each pixel whether it counts: (H, W), bool",
            fix="resize the mask to the picture and compare it with a threshold first",
        )
    if not inside.any():
        return Measurement.missing()
    return _psnr_of_error((a - b)[inside] ** 2, data_range)


def ssim(image: ArrayLike, reference: ArrayLike, *, data_range: float) -> Measurement:
    """Mean structural similarity, in [-1, 1]; higher is better.

    Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
    Similarity" (2004), eq. 13 and 17: Gaussian window 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, averaged
    over the positions where the whole window lies inside the picture, then over channels. A picture smaller
    than the window gives status `too_few`. Raises NumericsError as `psnr_db` does.
    """
    a, b = _pair(image, reference, data_range)
    if min(a.shape[:2]) < SSIM_WINDOW:
        return Measurement.too_few()
    mu_a, mu_b = _window_mean(a), _window_mean(b)
    var_a = _window_mean(a * a) - mu_a**2
    var_b = _window_mean(b * b) - mu_b**2
    cov = _window_mean(a * b) - mu_a * mu_b
    c1, c2 = (SSIM_K1 * data_range) ** 2, (SSIM_K2 * data_range) ** 2
    structure = (2 * cov + c2) / (var_a + var_b + c2)
    luminance = (2 * mu_a * mu_b + c1) / (mu_a**2 + mu_b**2 + c1)
    return Measurement.of(float((luminance * structure).mean()))


def _psnr_of_error(squared_error: NDArray[np.float64], data_range: float) -> Measurement:
    mse = float(squared_error.mean())
    return Measurement.of(np.inf if mse == 0.0 else 10.0 * np.log10(data_range**2 / mse))


def _window_mean(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian-weighted mean of `planes: (H, W, C)` at every full window: (H - 10, W - 10, C)."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    weights /= weights.sum()
    rows = sliding_window_view(planes, SSIM_WINDOW, axis=0) @ weights
    return sliding_window_view(rows, SSIM_WINDOW, axis=1) @ weights


def _pair(
    image: ArrayLike, reference: ArrayLike, data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(image, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if a.ndim != 3 or a.shape != b.shape or a.size == 0:
        raise NumericsError(
            f"pictures of shape {a.shape} and {b.shape} cannot be compared",
            where="metrics.reconstruction",
            why="both are (H, W, C) arrays of one size",
            fix="bring both to one size before comparing; a resize inside the metric would hide a loss",
        )
    low, high = np.minimum(a.min(), b.min()), np.maximum(a.max(), b.max())
    # A comparison with NaN is False, so this refuses NaN as well.
    if not (low >= 0 and high <= data_range and data_range > 0):
        raise NumericsError(
            f"values from {low} to {high} leave the range 0 to {data_range}",
            where="metrics.reconstruction",
            why="PSNR and SSIM are defined relative to the range of the data",
            fix="pass data_range=255 for uint8 pictures and 1.0 for floats in [0, 1]; clip decoded ones",
        )
    return a, b
