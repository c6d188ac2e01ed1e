"""Files that cannot be read: each fails with one clear line and its code, says nothing on stderr, and never crashes."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extractor.documents import Limits, count_pages, find_documents, load_page
from extractor.errors import DocumentError

from . import image_files as make

DOCUMENTED = set(
    re.findall(
        r"^\| `(\w+)`", (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE
    )
)
NOISE = np.random.default_rng(5).integers(0, 255, (120, 90), np.uint8)
NOISE_JPEG = make.jpeg(NOISE)
NOISE_PNG = make.png(90, 120, 8, 0, [bytes(row) for row in NOISE])
PAGE = make.tiff_page(2, 1, 8, 1, b"\x05\xff")
HALF_JPEG = NOISE_JPEG[: len(NOISE_JPEG) // 2]
SMALL_LIMITS = Limits(max_pixels=2_000_000, max_bytes=50_000, max_pages=3)


def failure(path: Path, page: int = 1, **options: object) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        load_page(path, page, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.isprintable()
    assert caught.value.code in DOCUMENTED
    assert path.name.isprintable() is False or path.name in text
    return caught.value


def corrupted(data: bytes, start: float, length: int) -> bytes:
    at = int(len(data) * start)
    return data[:at] + bytes(255 - byte for byte in data[at : at + length]) + data[at + length :]


def one_page_tiff(*page: Any, **tags: Any) -> bytes:
    return make.tiff([make.tiff_page(*page, **tags)])


def tiff_with_link(target: int) -> bytes:
    data = bytearray(make.tiff([PAGE]))
    data[-4:] = target.to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        pytest.param(b"", "empty", "the file is empty", id="empty"),
        pytest.param(b"Dear Sir,\n", "unsupported", "not an image or PDF", id="text"),
        pytest.param(b"\0\0\0\x18ftypheic" + bytes(20), "unsupported", "HEIC", id="heic"),
        pytest.param(b"GIF89a" + bytes(20), "unsupported", "GIF", id="gif"),
        pytest.param(HALF_JPEG, "truncated", "before its image is complete", id="half a JPEG"),
        pytest.param(NOISE_JPEG[:-2], "truncated", "", id="JPEG without its end mark"),
        pytest.param(HALF_JPEG + bytes(5000), "truncated", "", id="JPEG padded with zeros"),
        pytest.param(HALF_JPEG + b"\xff\xd9", "truncated", "", id="JPEG with an early end mark"),
        pytest.param(NOISE_JPEG[:100], "truncated", "", id="JPEG cut within its header"),
        pytest.param(corrupted(NOISE_JPEG, 0.5, 60), "damaged", "damaged", id="JPEG with other bytes in the middle"),
        pytest.param(NOISE_JPEG[:2] + b"\xff\xd9", "damaged", "no image", id="JPEG without an image"),
        pytest.param(NOISE_PNG[: len(NOISE_PNG) // 2], "truncated", "before its image is complete", id="half a PNG"),
        pytest.param(NOISE_PNG[:-3], "truncated", "", id="PNG without its last bytes"),
        pytest.param(NOISE_PNG[:20], "truncated", "within its header", id="PNG cut within its header"),
        pytest.param(corrupted(NOISE_PNG, 0.5, 1), "damaged", "checksum", id="PNG with a wrong byte"),
        pytest.param(make.png(90, 120, 8, 0, [b"\0" * 90]), "damaged", "", id="PNG with too few rows"),
        pytest.param(make.png(0, 5, 8, 0, [b""]), "damaged", "header", id="PNG of no width"),
        pytest.param(make.png_promising(40_000, 40_000), "too_large", "40,000 x 40,000 pixels", id="PNG bomb"),
        pytest.param(make.tiff([PAGE])[:6], "truncated", "", id="TIFF cut within its header"),
        pytest.param(make.tiff([PAGE])[:-20], "damaged", "directory", id="TIFF cut within its directory"),
        pytest.param(one_page_tiff(40_000, 40_000, 1, 1, b""), "too_large", "40,000", id="TIFF bomb"),
        pytest.param(one_page_tiff(2, 1, 8, 1, b"", t279=10**9), "truncated", "", id="TIFF strip past end"),
        pytest.param(
            one_page_tiff(2, 1, 8, 1, b"", t273=[8] * 9, t279=[99] * 9), "damaged", "on top", id="TIFF strips piled up"
        ),
        pytest.param(one_page_tiff(2, 1, 32, 1, bytes(8), t339=3), "unsupported", "32 bits", id="TIFF of floats"),
        pytest.param(
            one_page_tiff(2, 1, 16, 2, bytes(12), 3, t284=2), "unsupported", "planes", id="TIFF of 16-bit planes"
        ),
        pytest.param(
            one_page_tiff(2, 1, 8, 1, bytes(2), t259=50000), "unsupported", "compression", id="TIFF in Zstandard"
        ),
        pytest.param(one_page_tiff(2, 1, 8, 1, b"??", t259=5), "damaged", "", id="TIFF with bad LZW data"),
        pytest.param(one_page_tiff(8, 99, 1, 1, b"\x36\xd8", t259=4), "truncated", "", id="TIFF with half a fax"),
        pytest.param(b"II*\0\0\0\0\0", "no_pages", "no pages", id="TIFF of 0 pages"),
        pytest.param(make.pdf([]), "no_pages", "no pages", id="PDF of 0 pages"),
        pytest.param(make.pdf_with_password(), "encrypted", "password", id="PDF with a password"),
        pytest.param(b"%PDF-1.7\nnothing else", "damaged", "cannot be opened", id="PDF that is only a mark"),
        pytest.param(make.pdf([(20_000, 20_000, "")]), "too_large", "6,944 million", id="PDF page of seven metres"),
    ],
)
def test_broken_content_has_its_line_and_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, code: str, says: str
) -> None:
    file = tmp_path / "scan.png"
    file.write_bytes(content)
    error = failure(file)
    assert error.code == code
    assert says in error.message
    assert capfd.readouterr() == ("", "")


def test_the_resolution_that_the_message_advises_does_work(tmp_path: Path) -> None:
    file = tmp_path / "large.pdf"
    file.write_bytes(make.pdf([(20_000, 20_000, "")]))
    advised = re.search(r"read it at (\d+) dpi", failure(file, limits=SMALL_LIMITS).hint)
    assert advised is not None
    assert load_page(file, 1, dpi=int(advised[1]), limits=SMALL_LIMITS).size <= 3 * SMALL_LIMITS.max_pixels * 1.01


def test_a_single_pixel_is_an_image(tmp_path: Path) -> None:
    file = tmp_path / "dot.png"
    file.write_bytes(make.png(1, 1, 8, 0, [b"\x80"]))
    assert load_page(file, 1).tolist() == [[128]]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(tiff_with_link(10**6), id="directory past the end"),
        pytest.param(tiff_with_link(9), id="directory in the middle of pixels"),
        pytest.param(tiff_with_link(int.from_bytes(make.tiff([PAGE])[4:8], "little")), id="loop"),
        pytest.param(make.tiff([PAGE, make.tiff_page(2, 1, 8, 1, b"??", t259=5)]), id="bad pixel data"),
        pytest.param(make.tiff([PAGE, make.tiff_page(2, 1, 8, 1, b"", t273=10**6, t279=2)]), id="strip past the end"),
    ],
)
def test_a_tiff_with_a_broken_second_page_gives_its_first(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "two.tif"
    file.write_bytes(content)
    assert count_pages(file) == 2
    assert load_page(file, 1).tolist() == [[5, 255]]
    error = failure(file, 2)
    assert error.code in ("damaged", "truncated")
    assert "two.tif, page 2:" in error.message


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(NOISE_PNG)
    (found,) = find_documents([file])
    file.unlink()
    assert failure(found).code == "missing"


def test_a_folder_that_vanishes_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")
    assert failure(tmp_path / "folder" / "a.png").code == "missing"


@pytest.mark.parametrize("read", [count_pages, lambda path: load_page(path, 1)])
def test_a_file_closed_to_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(NOISE_PNG)
    file.chmod(0)
    if os.access(file, os.R_OK):  # the superuser may read everything, so the system's refusal is acted out

        def refuse(self: Path, mode: str = "r") -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DocumentError, match="no permission") as caught:
        read(file)
    assert caught.value.code == "unreadable"


def test_a_closed_subfolder_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(NOISE_PNG)
    closed = tmp_path / "closed"
    closed.mkdir()
    list_folder = os.scandir

    def refuse(path: Path) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied")
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(find_documents([tmp_path])) == [tmp_path / "a.png", closed]
    assert failure(closed).code == "unreadable"


def test_a_folder_given_as_a_file(tmp_path: Path) -> None:
    assert failure(tmp_path).code == "not_a_file"


def test_a_pipe_does_not_make_us_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert failure(tmp_path / "pipe.png").code == "not_a_file"


def test_sockets_and_devices(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert failure(tmp_path / "s").code == "not_a_file"
    assert failure(Path("/dev/zero")).code == "not_a_file"


def test_a_link_that_leads_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    assert failure(tmp_path / "a.png").code == "unreadable"


def test_names_that_are_no_text_appear_as_escapes(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\nb\xff\x1b[31m.png"))
    file.touch()
    assert r"a\nb\xff\x1b[31m.png: the file is empty" in str(failure(file))


class TestLimits:
    def test_bytes(self, tmp_path: Path) -> None:
        file = tmp_path / "a.png"
        file.write_bytes(NOISE_PNG + bytes(50_000))
        assert failure(file, limits=SMALL_LIMITS).code == "too_many_bytes"
        with pytest.raises(DocumentError, match="limit"):
            count_pages(file, SMALL_LIMITS)

    @pytest.mark.parametrize("content", [make.tiff([PAGE] * 4), make.pdf([(72, 72, "")] * 4)], ids=["tiff", "pdf"])
    def test_pages(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "a"
        file.write_bytes(content)
        with pytest.raises(DocumentError, match="more than 3 pages") as caught:
            count_pages(file, SMALL_LIMITS)
        assert caught.value.code == "too_many_pages"

    def test_pixels_of_a_jpeg(self, tmp_path: Path) -> None:
        file = tmp_path / "a.jpg"
        file.write_bytes(make.jpeg(np.zeros((1500, 1500), np.uint8)))
        assert failure(file, limits=SMALL_LIMITS).code == "too_large"


VALID_FILES = {
    "png": NOISE_PNG,
    "jpeg": make.with_exif(make.jpeg(NOISE[:24, :24]), make.exif(6)),
    "tiff": make.tiff([PAGE, make.tiff_page(8, 2, 1, 0, b"\xf0\x0f", t274=6)]),
    "big tiff": make.big_tiff(2, 1, b"\x05\xff"),
    "pdf": make.pdf([(20, 20, "0 0 9 9 re f")]),
}


def load_or_refuse(path: Path, content: bytes) -> None:
    """Nothing but pages or a `DocumentError` of one printable line may come of any content."""
    path.write_bytes(content)
    errors: list[DocumentError] = []
    with collect(errors):
        for page in range(1, min(count_pages(path, SMALL_LIMITS), 3) + 1):
            with collect(errors):
                assert load_page(path, page, dpi=36, limits=SMALL_LIMITS).dtype == np.uint8
    assert all(str(error).isprintable() and error.code in DOCUMENTED for error in errors)


@contextmanager
def collect(errors: list[DocumentError]) -> Iterator[None]:
    try:
        yield
    except DocumentError as error:
        errors.append(error)


FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZED
@given(mark=st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0+", b"%PDF-"]), rest=st.binary())
def test_arbitrary_bytes_behind_a_mark(tmp_path: Path, mark: bytes, rest: bytes) -> None:
    load_or_refuse(tmp_path / "a", mark + rest)


@FUZZED
@given(kind=st.sampled_from(sorted(VALID_FILES)), share=st.floats(0, 1))
def test_any_truncation(tmp_path: Path, kind: str, share: float) -> None:
    content = VALID_FILES[kind]
    load_or_refuse(tmp_path / "a", content[: int(len(content) * share)])


@FUZZED
@given(kind=st.sampled_from(sorted(VALID_FILES)), flips=st.lists(st.floats(0, 1, exclude_max=True), max_size=8))
def test_any_flipped_bits(tmp_path: Path, kind: str, flips: list[float]) -> None:
    content = bytearray(VALID_FILES[kind])
    for flip in flips:
        bit = int(flip * 8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
    load_or_refuse(tmp_path / "a", bytes(content))
