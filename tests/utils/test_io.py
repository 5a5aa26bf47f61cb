"""Files that are whole or not there."""

import os
import stat
import threading

import pytest

from skprune.utils import atomic_write


def write(path, content=b"new"):
    with atomic_write(path) as file:
        file.write(content)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_as_open_makes_it(tmp_path):
    write(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert mode(tmp_path / "a") == mode(tmp_path / "b")


def test_a_private_file_stays_private(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o600)
    write(path)
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600


def test_a_link_is_followed(tmp_path):
    (tmp_path / "v3").write_bytes(b"old")
    (tmp_path / "current").symlink_to("v3")
    write(tmp_path / "current")
    assert (tmp_path / "current").is_symlink()
    assert (tmp_path / "v3").read_bytes() == b"new"


def test_paths_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("a", b"b", tmp_path / "c", "d" * 250):
        write(path)
    assert sorted(map(len, os.listdir())) == [1, 1, 1, 250]


def test_nothing_is_left_of_what_failed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def stop():
        with atomic_write(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_errors_name_the_path_that_was_given(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write(tmp_path / "nowhere" / "a")
    assert error.value.filename == str(tmp_path / "nowhere" / "a")
    with pytest.raises(IsADirectoryError, match="folder of that name"):
        write(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_is_no_file_is_written_to_and_stays(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    with atomic_write(path) as file:
        file.write(b"all of it")
    reader.join(10)
    assert read == [b"all of it"]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == [path]
