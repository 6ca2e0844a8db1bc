import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from moongate.errors import NumericsError
from moongate.metrics.reconstruction import masked_psnr_db, psnr_db, ssim


def picture(seed: int, height: int = 40, width: int = 33) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(seed))
    smooth = gaussian_filter(generator.uniform(size=(height, width, 3)), sigma=(2, 2, 0))
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def noisy(clean: np.ndarray, sigma: float, seed: int = 9) -> np.ndarray:
    return np.clip(clean + np.random.Generator(np.random.PCG64(seed)).normal(0, sigma, clean.shape), 0, 1)


def ssim_by_filtering(a: np.ndarray, b: np.ndarray, data_range: float) -> float:
    """Channel by channel with scipy's recursive separable filter, cropped to full windows."""
    channels = []
    for x, y in zip(np.moveaxis(a, 2, 0), np.moveaxis(b, 2, 0), strict=True):
        ux, uy, uxx, uyy, uxy = (
            gaussian_filter(plane.astype(np.float64), sigma=1.5, radius=5)[5:-5, 5:-5]
            for plane in (x, y, x * x, y * y, x * y)
        )
        c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
        top = (2 * ux * uy + c1) * (2 * (uxy - ux * uy) + c2)
        channels.append(top / ((ux**2 + uy**2 + c1) * (uxx - ux**2 + uyy - uy**2 + c2)))
    return float(np.mean(channels))


def test_psnr_of_a_constant_offset_has_its_closed_form() -> None:
    flat = np.full((12, 12, 3), 0.25)
    assert psnr_db(flat + 0.1, flat, data_range=1.0).value == pytest.approx(20.0, abs=1e-9)


def test_psnr_is_the_same_for_uint8_and_for_unit_floats() -> None:
    a, b = (np.round(picture(seed) * 255).astype(np.uint8) for seed in (1, 2))
    assert psnr_db(a, b, data_range=255).value == pytest.approx(
        psnr_db(a / 255, b / 255, data_range=1.0).value, abs=1e-9
    )


def test_identical_pictures_have_no_finite_psnr() -> None:
    found = psnr_db(picture(1), picture(1), data_range=1.0)
    assert (found.value, found.status) == (None, "inf")


@pytest.mark.parametrize("coverage", [0.9, 0.5, 0.1])
def test_masked_psnr_does_not_depend_on_how_much_the_mask_covers(coverage: float) -> None:
    clean = np.full((100, 100, 3), 0.5)
    shifted = clean + 0.1
    shifted[:, int(100 * coverage) :] = 0.9
    mask = np.zeros((100, 100), dtype=bool)
    mask[:, : int(100 * coverage)] = True
    assert masked_psnr_db(shifted, clean, mask, data_range=1.0).value == pytest.approx(20.0, abs=1e-9)
    multiplied = 10 * math.log10(1 / np.mean(((shifted - clean) * mask[..., None]) ** 2))
    assert multiplied == pytest.approx(20.0 + 10 * math.log10(1 / coverage), abs=1e-9)


def test_an_empty_mask_measures_nothing() -> None:
    found = masked_psnr_db(picture(1), picture(2), np.zeros((40, 33), dtype=bool), data_range=1.0)
    assert (found.value, found.status) == (None, "missing")


@pytest.mark.parametrize("data_range", [1.0, 255.0])
@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.4])
def test_ssim_agrees_with_a_filter_based_implementation(sigma: float, data_range: float) -> None:
    clean = picture(3)
    a, b = noisy(clean, sigma) * data_range, clean * data_range
    found = ssim(a, b, data_range=data_range).value
    assert found == pytest.approx(ssim_by_filtering(a, b, data_range), abs=1e-10)
    assert found < 1


def test_ssim_of_identical_pictures_is_one_and_of_a_negative_is_below_zero() -> None:
    clean = picture(4)
    assert ssim(clean, clean, data_range=1.0).value == pytest.approx(1.0, abs=1e-12)
    assert ssim(1 - clean, clean, data_range=1.0).value < 0


def test_ssim_of_two_flat_pictures_has_its_closed_form() -> None:
    a, b = np.full((16, 16, 3), 0.4), np.full((16, 16, 3), 0.6)
    expected = (2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4)
    assert ssim(a, b, data_range=1.0).value == pytest.approx(expected, abs=1e-12)


def test_a_picture_smaller_than_the_window_has_no_ssim() -> None:
    small = np.zeros((10, 64, 3))
    assert ssim(small, small, data_range=1.0).status == "too_few"


@pytest.mark.parametrize("measure", [psnr_db, ssim])
def test_values_outside_the_stated_range_are_refused(measure) -> None:
    with pytest.raises(NumericsError, match="255"):
        measure(picture(1) * 255, picture(2) * 255, data_range=1.0)
    with pytest.raises(NumericsError):
        measure(np.full((16, 16, 3), np.nan), picture(2, 16, 16), data_range=1.0)


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(NumericsError, match="one size"):
        psnr_db(picture(1), picture(1, 40, 40), data_range=1.0)


def test_a_mask_of_numbers_is_refused() -> None:
    with pytest.raises(NumericsError, match="bool"):
        masked_psnr_db(picture(1), picture(2), np.ones((40, 33)), data_range=1.0)
