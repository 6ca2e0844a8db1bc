import math

import pytest

from moongate.errors import NumericsError
from moongate.metrics.rows import Measurement, MetricRow


def test_an_infinite_measurement_is_stored_as_an_absent_value_with_its_reason() -> None:
    assert Measurement.of(math.inf) == Measurement(None, "inf")


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_measurement_that_went_wrong_is_refused(value: float) -> None:
    with pytest.raises(NumericsError):
        Measurement.of(value)


def test_a_row_cannot_carry_a_value_and_a_reason_for_having_none() -> None:
    with pytest.raises(NumericsError, match="too_few"):
        MetricRow(metric="psnr", model="base", item_id="a", value=1.0, status="too_few")
