"""What tests of several subpackages share."""

import gc
import os
import subprocess
import tempfile
from pathlib import Path

# Tests run side by side, one a processor: what is as small as theirs gains nothing by threads,
# which would wait for each other. OpenBLAS reads it when NumPy is imported.
for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from hypothesis.configuration import set_hypothesis_home_dir  # noqa: E402

from skprune.ensemble import _training  # noqa: E402

# A new worker imports TensorFlow; the next file that trains may be minutes off.
_training._IDLE_LIMIT = _training._IDLE_TIMEOUT = 600
_training._MAX_TASKS = 120

# Property tests draw the same examples every time, and leave nothing in the repository.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "skprune-hypothesis")
settings.register_profile(
    "skprune", derandomize=True, deadline=None, database=None, max_examples=40
)
settings.load_profile("skprune")


# Of TensorFlow's modules and thousands of tests nothing is garbage, and to look through them takes
# the collector half a second a time.
gc.disable()


def pytest_collection_finish():
    """What is there now stays until the end; what the tests make is looked through as ever."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """A failure that is expected needs no traceback: of scikit-learn's files, 0.2 s each."""
    for item in items:
        if item.get_closest_marker("xfail"):
            item.repr_failure = lambda failure: str(failure.value)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB, where the tests may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
