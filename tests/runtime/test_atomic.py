"""Files are the old ones or the new ones, never half of either."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.atomic import SLOTS, replacing, temporary_name
from runtime.errors import WhichdanceError


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new.txt"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert temporary.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_stay(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    path.chmod(0o640)
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_new_files_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "file.txt"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("target.txt")
    with replacing(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new"


def test_devices_are_written_to_and_not_replaced():
    with replacing("/dev/null") as temporary:
        temporary.write_text("gone")
    assert Path("/dev/null").is_char_device()


def test_places_that_cannot_be_written_to_are_named(tmp_path):
    with (
        pytest.raises(WhichdanceError, match=r"nowhere/file\.txt: cannot be written"),
        replacing(tmp_path / "nowhere" / "file.txt"),
    ):
        pass
    with pytest.raises(WhichdanceError, match="is a folder"), replacing(tmp_path):
        pass


KILLED = """
import os, signal, sys
from runtime.atomic import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _kill_while_writing(path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, path]).returncode == -signal.SIGKILL


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    _kill_while_writing(path)
    assert path.read_text() == "old"


def test_what_it_left_is_removed_by_who_writes_the_same_target_next(tmp_path):
    path, other = tmp_path / "file.txt", tmp_path / "other.txt"
    for _ in range(2):
        _kill_while_writing(path)
        assert len(list(tmp_path.iterdir())) == 1
    with replacing(other) as temporary:
        temporary.write_text("other")
    assert len(list(tmp_path.iterdir())) == 2  # another target's is not touched
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"file.txt": "new", "other.txt": "other"}


def test_two_may_write_a_new_file_at_once(tmp_path):
    path = tmp_path / "file.txt"
    with replacing(path) as first:
        first.write_text("first")
        with replacing(path) as second:
            second.write_text("second")
            assert first.read_text() == "first"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_change_by_another_program_is_not_overwritten(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    changed = pytest.raises(WhichdanceError, match=r"file\.txt: another program changed it meanwhile")
    with changed, replacing(path) as temporary:
        temporary.write_text("ours")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_planted_links_are_not_written_through(tmp_path):
    """Whoever guesses the temporary names can plant links there to what belongs to us."""
    victim, path = tmp_path / "victim.txt", tmp_path / "file.txt"
    victim.write_text("precious")
    for slot in range(SLOTS):
        (tmp_path / temporary_name("file.txt", slot)).symlink_to(victim)
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert (victim.read_text(), path.read_text()) == ("precious", "new")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root plays two users")
@pytest.mark.parametrize("of_the_folder", [False, True])
def test_links_of_other_users_lead_to_their_own_files_only(tmp_path, of_the_folder):
    (tmp_path / "ours").mkdir()
    victim = tmp_path / "ours" / "file.txt"
    victim.write_text("precious")
    if of_the_folder:
        link, path = tmp_path / "link", tmp_path / "link" / "file.txt"
        link.symlink_to(victim.parent)
    else:
        link = path = tmp_path / "link.txt"
        link.symlink_to(victim)
    os.lchown(link, 12345, 12345)
    with pytest.raises(WhichdanceError, match="symbolic link of another user"), replacing(path) as temporary:
        temporary.write_text("evil")
    assert victim.read_text() == "precious"
    os.chown(victim, 12345, 12345)
    with replacing(path) as temporary:
        temporary.write_text("their own")
    assert victim.read_text() == "their own"


def test_a_full_disk_is_named(tmp_path):
    program = (
        "import resource, sys\n"
        "from runtime.atomic import replacing\n"
        "from runtime.errors import WhichdanceError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with replacing(sys.argv[1]) as temporary:\n"
        "        temporary.write_bytes(bytes(5000))\n"
        "except WhichdanceError as error:\n"
        "    print(error)\n"
    )
    path = tmp_path / "file.txt"
    result = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert result.stdout == f"{path}: cannot be written (File too large)\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [b"a" * 251 + b".txt", "ä".encode() * 127, b"\xff" * 251 + b".txt"])
def test_names_as_long_as_they_can_be(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.name.startswith(".")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_private_files_are_for_their_owner(tmp_path):
    path = tmp_path / "settings.json"
    with replacing(path, private=True) as temporary:
        temporary.write_text("{}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows what is flushed")
def test_file_and_folder_are_flushed_before_and_after_the_name(tmp_path):
    if subprocess.run(["strace", "true"], capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    program = "import sys\nfrom runtime.atomic import replacing\nwith replacing(sys.argv[1]):\n    pass"
    trace = tmp_path / "trace"
    (tmp_path / "folder").mkdir()
    command = ["strace", "-y", "-e", "trace=fsync,rename", "-o", trace, sys.executable, "-c", program]
    subprocess.run([*command, tmp_path / "folder" / "file.txt"], check=True)
    calls = [line for line in trace.read_text().splitlines() if line.startswith(("fsync", "rename"))]
    assert [call.split("(")[0] for call in calls] == ["fsync", "rename", "fsync"]
    assert calls[2].split("<")[1].startswith(f"{tmp_path}/folder>")
