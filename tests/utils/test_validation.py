"""The two parameters of the program."""

import numpy as np
import pytest

from skprune.utils import check_alpha, check_lam


@pytest.mark.parametrize("check", [check_alpha, check_lam])
@pytest.mark.parametrize("value", [0, 0.0, 0.25, np.float32(0.5), np.int64(0), np.float64(0.9)])
def test_numbers_in_range_come_back_as_floats(check, value):
    assert type(check(value)) is float
    assert check(value) == value


@pytest.mark.parametrize("check", [check_alpha, check_lam])
@pytest.mark.parametrize("value", [True, False, np.bool_(1), "0.5", None, [0.5], 0.5j, np.ones(1)])
def test_what_is_no_number_is_a_type_error(check, value):
    with pytest.raises(TypeError, match="must be a number"):
        check(value)


@pytest.mark.parametrize("check", [check_alpha, check_lam])
@pytest.mark.parametrize("value", [-1e-300, -1, 1.0000001, np.nan, np.inf, -np.inf])
def test_numbers_out_of_range_are_a_value_error(check, value):
    with pytest.raises(ValueError, match=r"must (lie|be finite)"):
        check(value)


def test_one_is_an_alpha_and_not_a_lam():
    assert check_alpha(1) == 1
    with pytest.raises(ValueError, match="Any lam below 1 keeps at least one member"):
        check_lam(1)
    assert check_lam(np.nextafter(1, 0)) < 1


def test_an_absolute_lam_has_no_upper_bound_but_infinity():
    assert check_lam(1e6, upper=np.inf) == 1e6
    with pytest.raises(ValueError, match="finite"):
        check_lam(np.inf, upper=np.inf)
