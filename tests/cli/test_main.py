"""What holds for every command: codes, streams, start, and how it ends."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from skprune import __version__
from skprune.amount.curves import CURVES
from skprune.cli import main
from skprune.cli._parser import CURVE_NAMES

ROOT = Path(__file__).parents[2]
NEEDLESS = {"tensorflow", "keras", "cvxpy", "matplotlib", "sklearn", "scipy", "numpy", "cma"}


def test_help_loads_next_to_nothing_and_is_quick():
    code = (
        "import sys, time; start = time.perf_counter()\n"
        "from skprune.cli import main\n"
        "assert main(['--help']) == 0 and main(['select', '--help']) == 0\n"
        "print(time.perf_counter() - start, *{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seconds, *modules = done.stdout.splitlines()[-1].split()
    assert float(seconds) < 1
    assert not NEEDLESS & set(modules)


def test_the_installed_script_is_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, name = project["scripts"]["skprune"].split(":")
    assert getattr(import_module(module), name) is main


def test_version_and_help(skprune):
    assert skprune("--version").out == f"skprune {__version__}\n"
    assert "exit codes:" in skprune("--help").out
    for command in ("select", "combine", "amount", "report"):
        said = skprune(command, "--help")
        assert said.code == 0
        assert "exit codes:" in said.out
    assert "RUNS WHATEVER CODE" in skprune("report", "--help").out
    assert "what each member costs, for --max-cost\n" in skprune("select", "--help").out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "skprune: error: the following arguments are required: COMMAND"),
        (["prune"], "invalid choice: 'prune'"),
        (["select"], "skprune select: error: the following arguments are required: FILE"),
        (["select", "x", "--alpha", "2"], "--alpha: it must be a number in [0, 1]; got '2'"),
        (["select", "x", "--lam", "1"], "--lam: it must be a number in [0, 1); got '1'"),
        (["select", "x", "--threshold", "some"], "a number in [0, 1]; got 'some'"),
        (["select", "x", "--reweight", "nan"], "one of relaxed, equal, none; got 'nan'"),
        (["select", "x", "--max-members", "0"], "a whole number of at least 1; got '0'"),
        (["select", "x", "--max-mem", "3"], "unrecognized arguments: --max-mem"),
        (["select", "x", "--frontier", "f.bmp"], "its name must end in .png, .svg, .pdf"),
        (["select", "x", "--seed", "-1"], "a whole number of at least 0; got '-1'"),
        (
            ["amount", "x", "--min-accuracy", "-80"],
            "it must be a number above 0, and at most 100; got '-80'",
        ),
        (["amount", "x", "--max-size", "big"], "it must be a positive number; got 'big'"),
        (["amount", "x", "--time-curve", "quartic"], "invalid choice: 'quartic'"),
        (["report", "x", "--format", "csv"], "invalid choice: 'csv'"),
    ],
)
def test_wrong_usage_is_one_line(arguments, reason, skprune):
    said = skprune(*arguments)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert reason in said.err


def test_curves_by_name_are_those_of_the_library():
    assert tuple(CURVES) == CURVE_NAMES


def test_python_m_the_streams_and_what_is_loaded(pool):
    """Choosing loads neither Keras nor conic solvers nor figures."""
    path = pool(surplus=[1])
    command = [sys.executable, "-X", "importtime", "-m", "skprune"]
    options = ["select", str(path), "--tune", "--format", "json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["pool"]["members"] == 20
    lines = done.stderr.splitlines()
    said = [line for line in lines if not line.startswith("import time:")]
    assert said == [
        f"skprune select: warning: {path}: not used: surplus. Known keys are P, y, classes, names, "
        "costs and sample_weight."
    ]
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in lines}
    assert {"skprune", "sklearn"} <= loaded
    assert not loaded & {"tensorflow", "keras", "cvxpy", "matplotlib", "cma"}


def test_nobody_reads_on(pool):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stdout:
        command = [sys.executable, "-m", "skprune", "select", str(pool()), "--format", "json"]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk(pool, monkeypatch, capsys):
    path = pool()
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["select", str(path)]) == 1
    expected = "skprune select: error: standard output: No space left on device.\n"
    assert capsys.readouterr().err == expected


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_ctrl_c(tmp_path):
    fifo = tmp_path / "measurements.csv"  # which nobody ever writes to
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "skprune", "amount", str(fifo)]
    # Where this process ignores Ctrl-C, as a shell's background job does, its children would too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            time.sleep(0.2)
            for _ in range(200):  # it waits in open() when all is loaded
                if Path(f"/proc/{process.pid}/wchan").exists() and _waits(process.pid):
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (130, "", "")


def _waits(pid):
    # Opening a pipe that has no writer: in state S with no time used since the last look.
    def used():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return fields[0], fields[11:13]

    before = used()
    time.sleep(0.3)
    return before[0] == "S" and used() == before


def test_interrupted_within(monkeypatch, skprune, pool):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("skprune.cli._select.read_predictions", interrupted)
    said = skprune("select", pool())
    assert (said.code, said.out, said.err) == (130, "", "")


def test_an_error_of_ours_says_so(monkeypatch, skprune, pool):
    def broken(*_):
        raise ZeroDivisionError("nothing\nto divide by")

    monkeypatch.setattr("skprune.cli._select.read_predictions", broken)
    why = skprune("select", pool()).refused("select", code=1)
    assert "ZeroDivisionError: nothing to divide by (an error of skprune" in why
    assert "Traceback" in skprune("select", pool(), "--traceback").err

    def too_large(*_):
        raise MemoryError("1 PiB")

    monkeypatch.setattr("skprune.cli._select.read_predictions", too_large)
    assert "not enough memory. 1 PiB" in skprune("select", pool()).refused("select", code=1)


def test_output_is_whole_or_not_there(skprune, pool, tmp_path, monkeypatch):
    path, target = pool(), tmp_path / "kept.csv"
    said = skprune("select", path, "--format", "csv", "--output", target)
    assert (said.code, said.out, said.err) == (0, "", "")
    before = target.read_text()
    assert before == skprune("select", path, "--format", "csv").out

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    why = skprune("select", path, "--output", target).refused("select", code=1)
    assert f"--output {target}: No space left on device." in why
    assert target.read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept.csv", "predictions.npz"]


def test_places_that_take_no_output(skprune, pool, tmp_path):
    path = pool()
    for target, reason in [
        (tmp_path, "that is a folder"),
        (tmp_path / "none" / "kept.csv", "there is no folder"),
        (path, "that file is read"),
    ]:
        assert reason in skprune("select", path, "--output", target).refused("select")
    names = tmp_path / "names.png"
    names.write_text("a\n" * 20)
    why = skprune("select", path, "--names", names, "--frontier", names).refused("select")
    assert "--frontier" in why
    assert "that file is read" in why
    assert "got an empty one" in skprune("select", path, "--output", "").refused("select")


def test_one_name_for_two_results(skprune, pool, measured, tmp_path):
    both = tmp_path / "both.png"
    for command, file, option in [
        ("select", pool(), "--frontier"),
        ("amount", measured, "--figure"),
    ]:
        why = skprune(command, file, "--output", both, option, both).refused(command)
        assert "name the same file" in why
        assert not both.exists()


def test_letters_that_a_terminal_lacks(pool, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main(["select", str(pool(names=[f"träd{i}" for i in range(20)]))]) == 0
    assert b"tr\\xe4d" in written.getvalue()


def test_no_standard_output(monkeypatch, capsys, pool):
    path = pool()
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["select", str(path)]) == 1
    assert "there is no standard output; give --output." in capsys.readouterr().err
