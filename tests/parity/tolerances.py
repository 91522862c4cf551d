"""How far an engine may be from the golden figures, absolute, and why."""

# fp32 throughout; only the order of sums differs.
PYTORCH = 1e-5
# The saved bank is fp16, and another engine sums in yet another order.
BUNDLE = 1e-4


def assert_close(actual, expected, tolerance: float, what: str = "") -> None:
    import numpy as np

    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: {actual.shape}, expected {expected.shape}"
    assert np.isfinite(actual).all(), f"{what} is not finite"
    worst = float(np.abs(actual - expected).max())
    assert worst <= tolerance, f"{what} differs by {worst:.2e}, allowed {tolerance:.0e}"
