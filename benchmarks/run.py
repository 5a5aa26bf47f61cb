"""Run all benchmarks and write docs/benchmarks.md (`make bench`).

python benchmarks/run.py [--cache cnns] [--race race.jsonl] [--images mnist.npz] [--pools pools]
    [--data FOLDER]

The race of selectors takes an hour or two, and AutoGluon, so it is run by itself (`race.py`);
--race takes its results into the page, and writes docs/race.csv.
--pools compares kinds of votes on the pools that pools.py has made there, --data ways to calibrate
forests on the data that it names.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from _common import machine
from amount import amount_section
from compression import compression_section
from demo import over_seeds
from grid import grid_section
from large_pools import large_pools
from networks import networks_section
from out_of_bag import out_of_bag_section
from program import path_against_ecos, statistics_against_a_product, zero_norm
from pruned_forest_speed import pruned_speed
from race import read, section, summary, write_csv
from regression import regression
from search import search_times
from serving import serving_section
from training import memory, training
from votes import VOTES, time_of_a_fit, votes_section

ROOT = Path(__file__).parent.parent

PAGE = """# Benchmarks

Written by `make bench`. Times are medians within one run on a shared machine: read the ratios.

Machine: {machine}.
{race}{votes}{out_of_bag}
## The whole path of the penalty

Every lambda at once, from the statistics, against 100 values of lambda solved one by one through
cvxpy with ECOS. Aim: at least 100 times faster.

{path}

## The zero norm

Local search for the best set of a given size, against trying all of them: pools of 12 members,
every size. "Exact" counts the cases in which no set is better.

{zero_norm}

## Statistics and path

From float32 predictions to the whole path, against one float32 matrix product of M x NC by NC x M,
which is the floor. Aim: within 3 times.

{statistics}

## Predictions that do not fit in memory

`EnsembleStatistics.from_blocks` on a pool made block by block. Aim: a peak under 2 GB.

{blocks}

## The whole choice

`SOCPEnsemblePrunerCV(voting="soft")` with its default grid, nested score included, on predictions
that are there already; "in products" is the share of its time spent in products of predictions and
in the passes over their results.

{search}

## Regression

Forests of 100 trees trained on half of the rows; a quarter to choose on, a quarter to test on;
means over five seeds, and the standard error of the difference.

{regression}

## The best pruning amount

{amount}

## Channels against zeros

Half of the channels removed, beside 80 % of the weights set to zero, of the same network.

{channels}

## Round numbers of channels

{rounding}

## Networks cut to limits: promised and delivered

{compression}

## Training an ensemble

`RandomCNNEnsembleClassifier` against a plain loop of Keras's `fit` over the same architectures,
passes, batches and validation rows, on digits, with as many threads as the ensemble trains members
at a time; each arm in a process of its own, by turns. "Member" is the mean test accuracy of a
member, "vote" that of all. Aim: at least 3 times faster for the small space, 1.8 times at the
paper's widths.

{training}

What an H200 made of it is in `gpu.md`.

Resident memory of one process that trains small networks one after the other:

{memory}

## A grid over a growing ensemble

300 networks, 25 candidates, five folds: what is not training. Aim: at most 5 % of it.

{grid}

## Pools beyond memory, and how the choice grows

Members in files, their predictions in another, read by block: never all in memory; soft votes. The
second table is of made predictions of 10 classes that lie on disk.

{large}

## The speed of what is kept

{pruned_speed}

## Serving

{serving}

## What `make demo` keeps and loses

24 random CNNs on scikit-learn's digits: 898 images to train on, 449 to prune on, 450 to test on
(one test image is 0.22 points); the pruner's defaults, at most 12 members. "lost" is in points of
accuracy. Aim, over ten seeds: never more than 0.25 points lost, at most half of the members.

{demo}
"""


def race_section(results: Path) -> str:
    frame = summary(read(results))
    write_csv(frame, ROOT / "docs")
    return "\n" + section(frame)


def in_a_process_of_its_own(name: str) -> str:
    """What a script prints: its peak of memory would be ours."""
    done = subprocess.run(
        [sys.executable, Path(__file__).parent / name], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n\n", 1)[1].strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, help="folder of trained CNNs, to go on from")
    parser.add_argument("--race", type=Path, help="results of race.py")
    parser.add_argument("--images", type=Path, help="an .npz such as Keras's mnist.npz")
    parser.add_argument("--pools", type=Path, help="folder of pools that pools.py has made")
    parser.add_argument("--data", type=Path, help="folder of data, as in pools.py")
    options = parser.parse_args()
    channels, rounding = networks_section(path=options.images, cache=options.cache)
    page = PAGE.format(
        machine=machine(),
        race=race_section(options.race) if options.race else "",
        votes=VOTES.format(time=time_of_a_fit(), tables=votes_section(options.pools))
        if options.pools
        else "",
        out_of_bag=out_of_bag_section(options.data) if options.data else "",
        path=path_against_ecos(),
        zero_norm=zero_norm(),
        statistics=statistics_against_a_product(),
        blocks=in_a_process_of_its_own("blocks.py"),
        search=search_times(),
        regression=regression(),
        amount=amount_section(),
        channels=channels,
        rounding=rounding,
        compression=compression_section(options.cache, options.images),
        training=training(seeds=5),
        memory=memory(),
        grid=grid_section(n_jobs=2),
        large=large_pools(),
        pruned_speed=pruned_speed(),
        serving=serving_section(options.cache),
        demo=over_seeds(cache=options.cache),
    )
    target = ROOT / "docs" / "benchmarks.md"
    target.write_text(page)
    print(page)
