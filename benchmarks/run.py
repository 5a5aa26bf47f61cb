"""Run all benchmarks and write docs/benchmarks.md (`make bench`).

python benchmarks/run.py [--cache cnns]
"""

import argparse
from pathlib import Path

from _common import machine
from demo import over_seeds
from program import path_against_ecos, statistics_against_a_product

PAGE = """# Benchmarks

Written by `make bench`. Times are medians within one run on a shared machine: read the ratios.

Machine: {machine}.

## The whole path of the penalty

Every lambda at once, from the statistics, against 100 values of lambda solved one by one through
cvxpy with ECOS. Aim: at least 100 times faster.

{path}

## Statistics and path

From float32 predictions to the whole path, against one float32 matrix product of M x NC by NC x M,
which is the floor. Aim: within 3 times.

{statistics}

## What `make demo` keeps and loses

24 random CNNs on scikit-learn's digits: 898 images to train on, 449 to prune on, 450 to test on
(one test image is 0.22 points). Aim: at most 30 % of the members, no more than 0.2 points lost in
the mean.

{demo}
"""

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, help="folder of trained CNNs, to go on from")
    options = parser.parse_args()
    page = PAGE.format(
        machine=machine(),
        path=path_against_ecos(),
        statistics=statistics_against_a_product(),
        demo=over_seeds(cache=options.cache),
    )
    target = Path(__file__).parent.parent / "docs" / "benchmarks.md"
    target.write_text(page)
    print(page)
