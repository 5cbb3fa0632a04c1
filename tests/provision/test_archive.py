"""The same content is the same bytes; and what is damaged is not read."""

from __future__ import annotations

import io
import zipfile

import pytest

from picluster.provision import archive
from picluster.provision.wheels import PLAIN_TAG

FOLDER = "lamp-1.2.dist-info"
FILES = {
    "lamp/__init__.py": b"BRIGHT = True\n",
    "lamp/_fast.py": b"",
    "lamp/_fast.pxd": b"cdef int x\n",
    "lamp/_fast.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
    "lamp/a,b.txt": b"a name that CSV has to quote",
    f"{FOLDER}/METADATA": archive.metadata("lamp", "1.2", ">=3.11", ["ifaddr>=0.2"]),
    f"{FOLDER}/WHEEL": archive.wheel_file(["cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"]),
}
NAME = "lamp-1.2-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"


def test_what_is_packed_is_unpacked_again() -> None:
    wheel = archive.pack(FILES)
    assert archive.unpack(wheel.data) == FILES
    assert wheel.name == NAME


def test_the_order_in_which_files_are_told_does_not_count() -> None:
    assert archive.pack(dict(reversed(FILES.items()))).data == archive.pack(FILES).data


def test_what_an_installer_adds_does_not_count() -> None:
    added = {"lamp/__pycache__/__init__.cpython-311.pyc": b"x", f"{FOLDER}/INSTALLER": b"pip\n", f"{FOLDER}/REQUESTED": b""}
    assert archive.unpack(archive.pack(FILES | added).data) == FILES
    assert all(archive.is_of_installer(path) for path in added)
    assert not any(archive.is_of_installer(path) for path in FILES)


def test_the_metadata_and_its_record_come_last_and_name_everything() -> None:
    with zipfile.ZipFile(io.BytesIO(archive.pack(FILES).data)) as opened:
        names = opened.namelist()
        record = opened.read(f"{FOLDER}/RECORD").decode()
    assert names[-1] == f"{FOLDER}/RECORD"
    assert all(name.startswith(FOLDER) for name in names[-3:])
    assert len(record.splitlines()) == len(FILES) + 1
    assert f'"lamp/a,b.txt",sha256={archive.digest_of(FILES["lamp/a,b.txt"])},28' in record


def test_the_plain_form_keeps_the_source_alone_and_fits_everywhere() -> None:
    plain = archive.plain(FILES)
    assert archive.tags_of(plain) == (PLAIN_TAG,)
    assert archive.pack(plain).name == "lamp-1.2-py3-none-any.whl"
    assert [path for path in FILES if path not in plain] == ["lamp/_fast.pxd", "lamp/_fast.cpython-311-x86_64-linux-gnu.so"]


def rewritten(change: str, content: bytes | None) -> bytes:
    """The wheel with one file changed, or left out, and the RECORD as it was."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive.pack(FILES).data)) as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            if name != change:
                new.writestr(name, old.read(name))
        if content is not None:
            new.writestr(change, content)
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no wheel"),
        (b"PK\x03\x04 and then something else", "no wheel"),
        (archive.pack(FILES).data[:-200], "no wheel"),
        (rewritten("lamp/__init__.py", b"import os\n"), "lamp/__init__.py is not what its RECORD says"),
        (rewritten("lamp/more.py", b""), "lamp/more.py is not what its RECORD says"),
        (rewritten(f"{FOLDER}/RECORD", None), "RECORD"),
        (rewritten(f"{FOLDER}/WHEEL", None), "has no WHEEL"),
        (rewritten("other-1.dist-info/METADATA", b""), "2 folders"),
    ],
)
def test_what_is_damaged_or_changed_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        archive.unpack(data)
