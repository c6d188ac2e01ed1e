from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import pytest

from worker import memory
from worker.settings import load_settings

from .conftest import draw_page, readings


def huge_png(path, width, height):
    """A real and whole page, white, of a few hundred kilobytes."""
    row = zlib.compressobj(9)
    data = b"".join(row.compress(b"\0" + b"\xff" * width) for _ in range(height)) + row.flush()

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def huge_tiff(path, width, height):
    """The same as TIFF, Deflate, one strip."""
    squeeze = zlib.compressobj(9)
    data = b"".join(squeeze.compress(b"\xff" * width) for _ in range(height)) + squeeze.flush()
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 4, height), (279, 4, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    offset = 8 + len(data) + len(data) % 2
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", offset) + data + bytes(len(data) % 2) + directory)


@pytest.mark.parametrize("command", ["run", "worker"])
def test_a_page_too_large_for_the_memory_fails_alone_before_it_is_decoded(digits, request, command):
    folder = digits.folder / "in"
    folder.mkdir()
    huge_png(folder / "huge.png", 12_000, 12_000)
    huge_tiff(folder / "huge.tif", 12_000, 12_000)
    draw_page(folder / "small.png")
    digits.environment.setenv("DIGITS_PAGE_MEMORY_MB", "1024")
    if command == "run":
        job = digits.only_job() if digits("run", "in", code=1) else ""
    else:
        digits.environment.setenv("DIGITS_BROKER_URL", request.getfixturevalue("redis_server").url)
        digits.start_worker()
        job = digits("submit", "in").strip()
        digits("watch", job, code=1)
    lines = readings(digits("results", job, "--format", "jsonl", code=1))
    errors = {line["document"]: line["error"] for line in lines}
    assert errors.pop("in/small.png") is None
    for error in errors.values():
        assert error["code"] == "memory"
        assert "12,000 x 12,000 pixels and needs 3,296 MiB of memory; the limit is 1,024" in error["message"]
    with digits.ledger() as ledger, ledger.database.read() as connection:
        assert connection.exec_driver_sql("select max(deliveries) from digits_pages").scalar() == 1


def in_a_process(code, **variables):
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


ROOT = memory.__file__.rpartition("/worker/")[0]
ALLOCATIONS = {
    "numpy": "numpy.ones((6000, 2**20), numpy.uint8)",
    "OpenCV": "cv2.resize(numpy.zeros((9, 9), numpy.uint8), (80_000, 80_000))",
    "Python": "bytearray(6 * 2**30)",
}


@pytest.mark.parametrize("where", ALLOCATIONS)
def test_behind_the_estimate_an_allocation_that_is_too_large_fails_and_is_known_for_what_it_is(where):
    result = in_a_process(
        "import cv2, numpy\n"
        "from worker.memory import is_out_of_memory, limit_data\n"
        "from worker.settings import Settings\n"
        "limit_data(Settings(page_memory_mb=512))\n"
        f"try:\n    {ALLOCATIONS[where]}\n"
        "except Exception as error:\n    print(is_out_of_memory(error))\n"
        "numpy.ones(200 * 2**20, numpy.uint8)\n"
    )
    assert (result.stdout, result.returncode) == ("True\n", 0), result.stderr


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    import cv2
    import numpy as np

    with pytest.raises(cv2.error) as caught:
        cv2.resize(np.zeros((0, 0), np.uint8), (1, 1))
    assert not memory.is_out_of_memory(caught.value)
    assert not memory.is_out_of_memory(ValueError("Insufficient memory"))


@pytest.mark.parametrize("version", [1, 2])
def test_a_containers_limit_counts_where_it_is_less_than_the_machines_memory(monkeypatch, tmp_path, version):
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    physical = memory.available_mb()
    if version == 1:
        (tmp_path / "memory").mkdir()
        (tmp_path / "memory" / "memory.limit_in_bytes").write_text("536870912\n")
    else:
        (tmp_path / "memory.max").write_text("536870912\n")
    assert memory.available_mb() == 512 < physical
    if version == 2:
        (tmp_path / "memory.max").write_text("max\n")
        assert memory.available_mb() == physical


def test_without_a_setting_a_page_may_have_most_of_the_memory_there_is(environment):
    assert memory.page_memory_mb(load_settings()) == pytest.approx(0.8 * memory.available_mb())
    environment.setenv("DIGITS_PAGE_MEMORY_MB", "300")
    assert memory.page_memory_mb(load_settings()) == 300
    assert memory.page_limits(load_settings()).max_memory == 300 * 2**20
