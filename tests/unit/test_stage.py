"""Writing a site beside its output and swapping it in: what stood there stays until all went well."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfjs_bundle.bundle import Bundle
from tfjs_bundle.errors import OutputError
from tfjs_bundle.site import stage
from tfjs_bundle.site.render import Site

NOTHING = Bundle("b", {}, {}, (), (), (), {})


def site(version: int = 1, size: int = 10) -> Site:
    return Site(
        {"bundle.json": b"{}", "index.html": b"version %d" % version, "model/w.bin": bytes(size)}, NOTHING
    )


def build(output: Path, version: int = 1, size: int = 10) -> None:
    with stage.staged(site(version, size), output) as staging:
        stage.write(staging, {"parity.json": b"parity %d" % version})
        stage.publish(staging, output)


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_site_is_written_and_nothing_is_left_beside_it(tmp_path):
    output = tmp_path / "not" / "yet" / "dist"
    build(output)
    assert set(contents(output)) == {"bundle.json", "index.html", "model/w.bin", "parity.json"}
    assert [path.name for path in output.parent.iterdir()] == ["dist"]


def test_others_may_read_what_was_published(tmp_path):
    build(tmp_path / "dist")
    assert (tmp_path / "dist").stat().st_mode & 0o055 == 0o055


def test_files_of_the_workspace_are_copied(tmp_path):
    shard = tmp_path / "shard"
    shard.write_bytes(b"weights")
    output = tmp_path / "dist"
    with stage.staged(Site({"bundle.json": b"{}", "model/a.bin": shard}, NOTHING), output) as staging:
        stage.publish(staging, output)
    assert (output / "model" / "a.bin").read_bytes() == b"weights"
    assert shard.exists()


def test_a_new_build_replaces_the_old_whole(tmp_path):
    output = tmp_path / "dist"
    build(output, 1)
    (output / "old.bin").write_bytes(b"of the first build")
    build(output, 2)
    assert contents(output)["index.html"] == b"version 2"
    assert "old.bin" not in contents(output)
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OutputError])
def test_whatever_goes_wrong_before_publishing_leaves_the_output_as_it_was(tmp_path, error):
    output = tmp_path / "dist"
    build(output, 1)
    before = contents(output)
    with pytest.raises(error), stage.staged(site(2), output):
        raise error("parity failed")
    assert contents(output) == before
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_between_the_two_renames_puts_the_output_back(tmp_path, monkeypatch, error):
    output = tmp_path / "dist"
    build(output, 1)
    before = contents(output)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.suffix == ".building":
            raise error("between the renames")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError if error is OSError else error), stage.staged(site(2), output) as staging:
        stage.publish(staging, output)
    assert contents(output) == before
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


def test_a_process_killed_between_the_two_renames_is_recovered_from(tmp_path):
    output = tmp_path / "dist"
    build(output, 1)
    before = contents(output)
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom tfjs_bundle.site import stage\n"
        "rename = Path.rename\n"
        "def killed(self, target):\n"
        "    if self.suffix == '.building':\n        os._exit(9)\n"
        "    return rename(self, target)\n"
        "output = Path(sys.argv[1])\n"
        "staging = output.with_name('.dist.x.building')\nstaging.mkdir()\n"
        "Path.rename = killed\nstage.publish(staging, output)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(output)], check=False).returncode == 9
    assert not output.exists()
    stage.check_output(output)
    assert contents(output) == before
    build(output, 2)
    assert contents(output)["index.html"] == b"version 2"


# --- refusals ------------------------------------------------------------------------------------------


def test_a_directory_that_is_no_bundle_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with (
        pytest.raises(OutputError, match="exists and is not a bundle") as refusal,
        stage.staged(site(), tmp_path),
    ):
        pass
    assert "-o" in refusal.value.cure
    assert contents(tmp_path) == {"thesis.tex": b"years of work"}


def test_a_bundle_json_of_another_tool_makes_no_bundle(tmp_path):
    (tmp_path / "bundle.json").write_text("{}")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="exists and is not a bundle"):
        stage.check_output(tmp_path)


def test_a_checkout_of_git_is_refused_though_it_is_a_bundle(tmp_path):
    build(tmp_path / "dist")
    (tmp_path / "dist" / ".git").mkdir()
    with pytest.raises(OutputError, match="is a checkout of git") as refusal:
        build(tmp_path / "dist", 2)
    assert "-o" in refusal.value.cure
    assert contents(tmp_path / "dist")["index.html"] == b"version 1"


def test_a_source_within_the_output_is_refused(tmp_path):
    (tmp_path / "dist").mkdir()
    (tmp_path / "distant.keras").touch()
    source = tmp_path / "dist" / "model.keras"
    source.touch()
    with pytest.raises(OutputError, match="which the build replaces as a whole") as refusal:
        stage.refuse_source_inside(source, tmp_path / "dist")
    assert str(source) in refusal.value.what
    stage.refuse_source_inside(tmp_path / "distant.keras", tmp_path / "dist")


def test_an_empty_directory_may_be_built_into(tmp_path):
    build(tmp_path)
    assert "bundle.json" in contents(tmp_path)


def test_a_file_is_refused(tmp_path):
    output = tmp_path / "dist"
    output.write_text("a file")
    with pytest.raises(OutputError, match="is a file"):
        stage.check_output(output)


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(OutputError, match="file cannot be written"):
        stage.check_output(tmp_path / "file" / "dist")


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    build(tmp_path / "real", 1)
    (tmp_path / "link").symlink_to("real")
    build(tmp_path / "link", 2)
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "real")["index.html"] == b"version 2"


@pytest.fixture
def nobody() -> Iterator[Path]:
    """Run without root's rights; yields a directory that everyone may enter."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.setresuid(65534, 65534, 0)
    yield directory
    if root:
        os.setresuid(0, 0, 0)
    for path in directory.iterdir():
        path.chmod(0o755)
    shutil.rmtree(directory)


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="this system has no such rights")
def test_a_read_only_directory_is_refused_before_any_work(nobody):
    if os.access(nobody, os.W_OK):
        nobody.chmod(0o555)
    with pytest.raises(OutputError, match="cannot be written") as refusal:
        stage.check_output(nobody / "new" / "dist")
    assert str(nobody) in refusal.value.what
    assert "-o" in refusal.value.cure


@pytest.mark.skipif(not hasattr(os, "setresuid") or os.geteuid() != 0, reason="only root can set this up")
def test_a_directory_that_may_not_be_entered_is_refused(nobody):
    os.setresuid(0, 0, 0)
    (nobody / "private").mkdir(mode=0o700)
    os.setresuid(65534, 65534, 0)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        stage.check_output(nobody / "private" / "dist")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 256 kB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(directory)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def test_a_full_disk_is_one_clear_message_and_leaves_the_output_as_it_was(small_disk):
    output = small_disk / "dist"
    build(output, 1)
    before = contents(output)
    with pytest.raises(OutputError, match="cannot be written: No space left on device") as refusal:
        build(output, 2, size=1 << 20)
    assert "Free some space" in refusal.value.cure
    assert contents(output) == before
    assert [path.name for path in small_disk.iterdir()] == ["dist"]


def test_a_full_device_is_one_clear_message(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "parity.json").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        stage.write(tmp_path, {"parity.json": b"report"})
