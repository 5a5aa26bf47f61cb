"""The published forms and printed results of the notebook "mvcnn-results-reg-fit"."""

import numpy as np

# Its accuracy curve is missing; this logistic reproduces all three outputs that it printed.
LIMIT, STEEPNESS, MIDPOINT = 100.77107369, 5.12622478, 0.70644452
SIZE = (480.4, -427.4)
TIME = (1.020, -1.417, 3.677, -3.275)

RANKING = {
    0: 1.0,
    10: 0.7142857142857143,
    6: 0.4166666666666667,
    7: 0.35714285714285715,
    1: 0.2631578947368421,
    3: 0.2631578947368421,
    9: 0.23809523809523808,
    5: 0.2173913043478261,
    8: 0.2,
    2: 0.18518518518518517,
    4: 0.1666666666666666,
    11: 0.15151515151515152,
}
NORMALIZED = {
    0: 1.0,
    10: 0.663265306122449,
    6: 0.3125,
    7: 0.24234693877551025,
    1: 0.13157894736842107,
    3: 0.13157894736842107,
    9: 0.10204081632653061,
    5: 0.07763975155279505,
    8: 0.057142857142857176,
    2: 0.039682539682539666,
    4: 0.017857142857142846,
    11: 0.0,
}


def accuracy(p):
    return LIMIT / (1 + np.exp(STEEPNESS * (np.asarray(p) - MIDPOINT)))


def time(p):
    return np.polynomial.polynomial.polyval(np.asarray(p), TIME)


def size(p):
    return np.polynomial.polynomial.polyval(np.asarray(p), SIZE)


def measured(p):
    return np.column_stack([accuracy(p), time(p), size(p)])


def reward(p, min_accuracy, max_size):
    """The notebook's total, one amount at a time, in plain Python."""
    a, t, s = float(accuracy(p)), float(time(p)), float(size(p))
    total = 100 * np.exp(-(abs(a - min_accuracy) ** 1.5) / (2 * 4**2))
    total += 100 * np.exp(-(t**2) / (2 * 0.8**2))
    if s > max_size:
        total += 100 * np.exp(-(abs(s - max_size) ** 2) / (10 * 2**2))
    elif s == max_size:
        total += 100
    else:
        total += 100 + max_size / s
    if a >= min_accuracy and s <= max_size:
        total += 2 * (a - min_accuracy) + (max_size - s) / 2
    return float(total + 10 * p)
