"""A stamp tells one state of a file from another."""

import os

from retclip.file_stamp import stamp_of


def test_a_change_that_keeps_size_and_time_changes_the_stamp(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"12345")
    before, status = stamp_of(file), file.stat()
    file.write_bytes(b"54321")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = stamp_of(file)
    assert (after.size, after.modified_ns) == (before.size, before.modified_ns) and after != before
    assert stamp_of(file.with_name("none")) is None
