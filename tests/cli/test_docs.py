"""What docs/cli.md shows is what the commands say."""

import re
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def blocks(*kinds):
    return re.findall(rf"```({'|'.join(kinds)})\n(.*?)```", PAGE, re.DOTALL)


def test_the_page(tmp_path, monkeypatch, skprune, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    codes = []
    for kind, body in blocks("python", "text", "console"):
        if kind == "text":
            if body.startswith("amount,"):
                Path("measurements.csv").write_text(body)
        elif kind == "python":
            exec(compile(body, "cli.md", "exec"), names)
            if "kept.csv" in body:  # voting by it scores what was said of it
                accuracy = f"{float(capsys.readouterr().out.split()[1]):.4f}"
                assert accuracy in skprune("select", "predictions.npz", "--max-members", 3).out
        else:
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
                said = skprune(*shlex.split(command)[1:])
                assert_alike(said.out + said.err, shown)
                codes.append(said.code)
    assert codes == [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 2, 2, 2]


def assert_alike(said, shown):
    """The same words, and numbers that other processors may round otherwise."""
    said, shown = re.split(r"[\s,]+", said), re.split(r"[\s,]+", shown)
    assert len(said) == len(shown)
    for one, other in zip(said, shown, strict=True):
        try:
            assert float(one.rstrip("%,")) == pytest.approx(float(other.rstrip("%,")), rel=0.02)
        except ValueError:
            assert one == other


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler of C")
def test_a_file_that_c_has_written(tmp_path, skprune):
    ((_, code),) = blocks("c")
    (tmp_path / "write.c").write_text(code)
    subprocess.run(["cc", "-Wall", "-Werror", "-o", "write", "write.c"], cwd=tmp_path, check=True)
    subprocess.run(["./write"], cwd=tmp_path, check=True)
    with zipfile.ZipFile(tmp_path / "predictions.npz", "w") as archive:
        for name in ("P.npy", "y.npy"):
            archive.write(tmp_path / name, name)
    arrays = np.load(tmp_path / "predictions.npz")
    assert arrays["P"].shape == (2, 3, 2)
    assert arrays["P"][1, 2].tolist() == [np.float32(0.3), np.float32(0.7)]
    assert arrays["y"].tolist() == [0, 1, 1]
    assert skprune("select", tmp_path / "predictions.npz").code == 0


def test_exit_codes_are_those_of_the_help(skprune):
    listed = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert listed == re.findall(r"^  (\d+)  ", skprune("--help").out, re.MULTILINE)
