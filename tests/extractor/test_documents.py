from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from extractor.documents import Limits, count_pages, find_documents, load_page
from extractor.errors import DocumentError, UsageError

from . import image_files as make

GREY_RAMP = bytes(range(0, 240, 16))
INK_LEFT = np.repeat(np.repeat(np.array([[0, 255], [255, 255]], np.uint8), 16, 0), 24, 1)
"""32 high, 48 wide, black in the top left quarter: every orientation of it looks different."""


def load(folder: Path, content: bytes, page: int = 1, **options: int) -> np.ndarray:
    file = folder / "file"
    file.write_bytes(content)
    return load_page(file, page, **options)


def grey(image: np.ndarray) -> list[int]:
    """The values of a grey image of one row, whichever way it was loaded."""
    if image.ndim == 3:
        assert (image == image[..., :1]).all()
        image = image[..., 0]
    return image.ravel().tolist()


class TestFindDocuments:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ["b.png", "a.JPG", "sub/c.Tiff", "sub/d.pdf", "notes.txt", ".hidden.png", ".git/e.png", "z.jpeg"]:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    def test_walks_folders_in_name_order_and_takes_known_suffixes_only(self, folder: Path) -> None:
        found = [str(path.relative_to(folder)) for path in find_documents([folder])]
        assert found == ["a.JPG", "b.png", "sub/c.Tiff", "sub/d.pdf", "z.jpeg"]

    def test_a_named_file_is_taken_whatever_its_name(self, folder: Path) -> None:
        named = [folder / "notes.txt", folder / ".hidden.png"]
        assert list(find_documents(named)) == named

    def test_keeps_the_order_given_and_repeats_what_is_named_twice(self, folder: Path) -> None:
        named = [folder / "z.jpeg", folder / "sub", folder / "z.jpeg"]
        assert [path.name for path in find_documents(named)] == ["z.jpeg", "c.Tiff", "d.pdf", "z.jpeg"]

    def test_paths_begin_as_the_user_named_them(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        assert [str(path) for path in find_documents([Path("sub")])] == ["sub/c.Tiff", "sub/d.pdf"]

    def test_a_missing_path_is_refused_before_anything_is_read(self, folder: Path) -> None:
        with pytest.raises(UsageError, match=r"gone\.png does not exist"):
            find_documents([folder, folder / "gone.png"])

    def test_a_folder_without_images_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").touch()
        with pytest.raises(UsageError, match="no documents in the folder"):
            find_documents([tmp_path])

    def test_links_that_lead_in_circles_are_not_followed(self, folder: Path) -> None:
        (folder / "sub" / "loop").symlink_to(folder)
        assert len(list(find_documents([folder]))) == 5

    def test_a_link_to_nowhere_is_given_out_so_that_its_loss_is_seen(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").symlink_to(tmp_path / "nowhere.png")
        assert list(find_documents([tmp_path])) == [tmp_path / "a.png"]

    def test_two_files_of_one_name_in_two_folders_stay_apart(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.png").touch()
        assert list(find_documents([tmp_path])) == [tmp_path / "one" / "a.png", tmp_path / "two" / "a.png"]


def test_listing_and_counting_load_neither_opencv_nor_numpy(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(make.tiff([make.tiff_page(1, 1, 8, 1, b"\0")]))
    code = (
        "import sys; from pathlib import Path; from extractor.documents import count_pages, find_documents;"
        f"[count_pages(path) for path in find_documents([Path({str(tmp_path)!r})])];"
        "print({'cv2', 'numpy', 'pypdfium2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class TestPng:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            pytest.param(make.png(8, 1, 1, 0, [b"\xf0"]), [255] * 4 + [0] * 4, id="1 bit"),
            pytest.param(make.png(4, 1, 2, 0, [b"\x1b"]), [0, 85, 170, 255], id="2 bits"),
            pytest.param(make.png(2, 1, 4, 0, [b"\x0f"]), [0, 255], id="4 bits"),
            pytest.param(make.png(15, 1, 8, 0, [GREY_RAMP]), list(GREY_RAMP), id="8 bits"),
            pytest.param(make.png(2, 1, 16, 0, [b"\0\0\xff\xff"]), [0, 255], id="16 bits"),
            pytest.param(
                make.png(2, 1, 8, 3, [b"\0\1"], make.chunk(b"PLTE", bytes([9, 9, 9, 200, 200, 200]))),
                [9, 200],
                id="palette",
            ),
            pytest.param(make.png(3, 1, 8, 4, [bytes([0, 255, 0, 0, 0, 127])]), [0, 255, 128], id="grey and alpha"),
            pytest.param(
                make.png(2, 1, 8, 6, [bytes([0, 0, 0, 255, 0, 0, 0, 0])]), [0, 255], id="black ink on nothing"
            ),
            pytest.param(
                make.png(2, 1, 16, 6, [struct.pack(">8H", 0, 0, 0, 65535, 0, 0, 0, 0)]), [0, 255], id="16 bits, alpha"
            ),
        ],
    )
    def test_every_kind_comes_out_as_a_person_sees_it(
        self, tmp_path: Path, content: bytes, expected: list[int]
    ) -> None:
        image = load(tmp_path, content)
        assert image.dtype == np.uint8
        assert grey(image) == expected

    def test_colour_is_bgr(self, tmp_path: Path) -> None:
        assert load(tmp_path, make.png(1, 1, 8, 2, [bytes([1, 2, 3])])).tolist() == [[[3, 2, 1]]]

    @pytest.mark.parametrize(("bits", "brightest"), [(10, 1023), (12, 4095), (14, 16383), (16, 65535)])
    def test_a_scan_of_fewer_bits_in_sixteen_uses_the_whole_range(
        self, tmp_path: Path, bits: int, brightest: int
    ) -> None:
        row = struct.pack(">3H", 0, brightest // 2, brightest)
        assert grey(load(tmp_path, make.png(3, 1, 16, 0, [row]))) == [0, pytest.approx(127, abs=1), 255]

    def test_exif_turns_it(self, tmp_path: Path) -> None:
        rows = [bytes(row) for row in INK_LEFT]
        content = make.png(48, 32, 8, 0, rows, make.chunk(b"eXIf", make.exif(6, ">")))
        assert load(tmp_path, content).tolist() == np.rot90(INK_LEFT, -1).tolist()

    def test_a_flawed_colour_profile_is_no_matter(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        content = make.png(1, 1, 8, 0, [b"\x07"], make.chunk(b"iCCP", b"no profile"))
        assert grey(load(tmp_path, content)) == [7]
        assert capfd.readouterr().err == ""


EXIF_AS_SEEN = {
    1: INK_LEFT,
    2: np.fliplr(INK_LEFT),
    3: np.rot90(INK_LEFT, 2),
    4: np.flipud(INK_LEFT),
    5: INK_LEFT.T,
    6: np.rot90(INK_LEFT, -1),
    7: np.rot90(INK_LEFT, 2).T,
    8: np.rot90(INK_LEFT, 1),
}


class TestJpeg:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("orientation", EXIF_AS_SEEN)
    def test_exif_turns_it(self, tmp_path: Path, orientation: int, order: str) -> None:
        content = make.with_exif(make.jpeg(INK_LEFT), make.exif(orientation, order))
        image = load(tmp_path, content)
        assert image.shape == EXIF_AS_SEEN[orientation].shape
        assert np.abs(image.astype(int) - EXIF_AS_SEEN[orientation]).max() < 16

    @pytest.mark.parametrize(
        "block", [b"", b"II*\0", make.exif(0), make.exif(9), make.exif(6)[:14], b"II*\0\xff\xff\xff\xff", b"\xff" * 30]
    )
    def test_a_broken_exif_block_leaves_the_image_as_stored(self, tmp_path: Path, block: bytes) -> None:
        assert load(tmp_path, make.with_exif(make.jpeg(INK_LEFT), block)).shape == INK_LEFT.shape

    def test_cmyk_comes_out_in_its_colours(self, tmp_path: Path) -> None:
        planes = [np.full((16, 16), value, np.uint8) for value in (255, 0, 0, 0)]
        blue, green, red = load(tmp_path, make.cmyk_jpeg(planes))[8, 8].tolist()
        assert red < 40
        assert green > 150
        assert blue > 150

    def test_cmyk_paper_is_white_and_black_ink_black(self, tmp_path: Path) -> None:
        ink = np.zeros((16, 32), np.uint8)
        ink[:, :16] = 255
        none = np.zeros_like(ink)
        image = load(tmp_path, make.cmyk_jpeg([none, none, none, ink]))
        assert image[:, 2:14].max() < 12
        assert image[:, 18:30].min() > 243

    def test_bytes_after_the_end_are_no_matter(self, tmp_path: Path) -> None:
        assert load(tmp_path, make.jpeg(INK_LEFT) + b"\0" * 50).shape == INK_LEFT.shape


class TestTiff:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize(
        ("width", "bits", "photometric", "data", "expected"),
        [
            pytest.param(8, 1, 1, b"\xf0", [255] * 4 + [0] * 4, id="1 bit, 0 is black"),
            pytest.param(8, 1, 0, b"\xf0", [0] * 4 + [255] * 4, id="1 bit, 0 is white"),
            pytest.param(2, 4, 1, b"\x0f", [0, 255], id="4 bits"),
            pytest.param(2, 4, 0, b"\x0f", [255, 0], id="4 bits, 0 is white"),
            pytest.param(2, 8, 1, b"\x05\xff", [5, 255], id="8 bits"),
            pytest.param(2, 8, 0, b"\x05\xff", [250, 0], id="8 bits, 0 is white"),
        ],
    )
    def test_grey_of_every_depth(
        self, tmp_path: Path, order: str, width: int, bits: int, photometric: int, data: bytes, expected: list[int]
    ) -> None:
        assert grey(load(tmp_path, make.tiff([make.tiff_page(width, 1, bits, photometric, data)], order))) == expected

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_sixteen_bits_of_either_polarity(self, tmp_path: Path, order: str) -> None:
        data = struct.pack(order + "2H", 0, 65535)
        assert grey(load(tmp_path, make.tiff([make.tiff_page(2, 1, 16, 1, data)], order))) == [0, 255]
        assert grey(load(tmp_path, make.tiff([make.tiff_page(2, 1, 16, 0, data)], order))) == [255, 0]

    def test_palette(self, tmp_path: Path) -> None:
        colours = [65535, *[0] * 255, *[0] * 256, 0, 65535, *[0] * 254]
        content = make.tiff([make.tiff_page(2, 1, 8, 3, b"\0\1", t320=colours)])
        assert load(tmp_path, content).tolist() == [[[0, 0, 255], [255, 0, 0]]]

    def test_cmyk(self, tmp_path: Path) -> None:
        content = make.tiff([make.tiff_page(3, 1, 8, 5, bytes(4) + b"\0\0\0\xff" + b"\xff\0\0\0", 4)])
        assert load(tmp_path, content).tolist() == [[[255, 255, 255], [0, 0, 0], [255, 255, 0]]]

    @pytest.mark.parametrize("kind", [1, 2])
    def test_what_is_transparent_is_white(self, tmp_path: Path, kind: int) -> None:
        content = make.tiff([make.tiff_page(2, 1, 8, 2, b"\0\0\0\xff" + bytes(4), 4, t338=kind)])
        assert grey(load(tmp_path, content)) == [0, 255]

    def test_sixteen_bits_with_opacity(self, tmp_path: Path) -> None:
        data = struct.pack("<8H", 0, 0, 0, 65535, 0, 0, 0, 0)
        assert grey(load(tmp_path, make.tiff([make.tiff_page(2, 1, 16, 2, data, 4, t338=2)]))) == [0, 255]

    def test_a_fourth_channel_that_is_no_opacity_is_ignored(self, tmp_path: Path) -> None:
        content = make.tiff([make.tiff_page(1, 1, 8, 2, b"\1\2\3\0", 4, t338=0)])
        assert load(tmp_path, content).tolist() == [[[3, 2, 1]]]

    def test_separate_planes(self, tmp_path: Path) -> None:
        page = make.tiff_page(2, 1, 8, 2, b"\1\2\3\4\5\6", 3, t284=2, t273=[8, 10, 12], t279=[2, 2, 2])
        assert load(tmp_path, make.tiff([page])).tolist() == [[[5, 3, 1], [6, 4, 2]]]

    def test_fax_group_4(self, tmp_path: Path) -> None:
        # Horizontal mode, 4 white, 4 black, end of block (ITU-T T.6).
        code = "001" + "1011" + "011" + "000000000001" * 2
        data = int(code.ljust(48, "0"), 2).to_bytes(6, "big")
        rows = load(tmp_path, make.tiff([make.tiff_page(8, 1, 1, 0, data, t259=4)]))
        assert grey(rows) == [255] * 4 + [0] * 4

    @pytest.mark.parametrize("orientation", EXIF_AS_SEEN)
    def test_orientation_turns_it(self, tmp_path: Path, orientation: int) -> None:
        content = make.tiff([make.tiff_page(48, 32, 8, 1, INK_LEFT.tobytes(), t274=orientation)])
        assert load(tmp_path, content).tolist() == EXIF_AS_SEEN[orientation].tolist()

    def test_big_tiff(self, tmp_path: Path) -> None:
        assert grey(load(tmp_path, make.big_tiff(2, 1, b"\x05\xff"))) == [5, 255]

    @pytest.mark.parametrize("scheme", [1, 5, 8, 32773])
    def test_what_opencv_writes_in_several_pages(self, tmp_path: Path, scheme: int) -> None:
        pages = [np.full((40, 30, 3), value, np.uint8) for value in (10, 120, 230)]
        file = tmp_path / "pages.tif"
        assert cv2.imwritemulti(str(file), pages, [cv2.IMWRITE_TIFF_COMPRESSION, scheme])
        assert count_pages(file) == 3
        assert [int(load_page(file, page).mean()) for page in (3, 1, 2)] == [230, 10, 120]

    def test_thumbnails_are_no_pages(self, tmp_path: Path) -> None:
        file = tmp_path / "a.tif"
        page, thumbnail = make.tiff_page(2, 1, 8, 1, b"\x05\xff"), make.tiff_page(1, 1, 8, 1, b"\x09", t254=1)
        file.write_bytes(make.tiff([thumbnail, page, thumbnail]))
        assert count_pages(file) == 1
        assert grey(load_page(file, 1)) == [5, 255]

    def test_a_page_is_read_without_the_bytes_of_the_others(self, tmp_path: Path) -> None:
        first, second = make.tiff_page(2, 1, 8, 1, b"\x05\xff"), make.tiff_page(2, 1, 8, 1, b"??", t259=5)
        file = tmp_path / "a.tif"
        file.write_bytes(make.tiff([first, second, first]))
        assert grey(load_page(file, 1)) == grey(load_page(file, 3)) == [5, 255]


class TestPdf:
    def test_pages_are_drawn_at_the_resolution_asked_for(self, tmp_path: Path) -> None:
        file = tmp_path / "a.pdf"
        file.write_bytes(make.pdf([(72, 36, "0 0 36 36 re f"), (144, 72, "")]))
        assert count_pages(file) == 2
        first = load_page(file, 1, dpi=100)
        assert first.shape == (50, 100, 3)
        assert first[25, 25].tolist() == [0, 0, 0]
        assert first[25, 75].tolist() == [255, 255, 255]
        assert load_page(file, 2, dpi=72).shape == (72, 144, 3)

    def test_colour_is_bgr(self, tmp_path: Path) -> None:
        assert load(tmp_path, make.pdf([(9, 9, "1 0 0 rg 0 0 9 9 re f")]), dpi=72)[4, 4].tolist() == [0, 0, 255]

    def test_leading_bytes_before_the_mark_are_allowed(self, tmp_path: Path) -> None:
        assert load(tmp_path, b"\n" * 20 + make.pdf([(72, 72, "")]), dpi=72).shape == (72, 72, 3)


def test_content_decides_what_a_file_is(tmp_path: Path) -> None:
    file = tmp_path / "really-a-png.pdf"
    file.write_bytes(make.png(1, 1, 8, 0, [b"\x07"]))
    assert count_pages(file) == 1
    assert grey(load_page(file, 1)) == [7]


@pytest.mark.parametrize("name", [b"with space.png", b"a,b;c.png", b"line\nbreak.png", b"caf\xe9\xff.png", b"=1+1.png"])
def test_names_of_every_kind_are_found_and_loaded(tmp_path: Path, name: bytes) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    file.write_bytes(make.png(1, 1, 8, 0, [b"\x07"]))
    assert list(find_documents([tmp_path])) == [file]
    assert grey(load_page(file, 1)) == [7]


def test_the_default_limits_let_a0_at_300_dpi_through(tmp_path: Path) -> None:
    file = tmp_path / "a0.pdf"
    file.write_bytes(make.pdf([(2384, 3370, "")]))
    assert Limits().max_pixels >= 9933 * 14043
    assert load_page(file, 1, dpi=50).shape[0] == 2341


@pytest.mark.parametrize("page", [0, 2])
@pytest.mark.parametrize(
    "content",
    [
        make.png(1, 1, 8, 0, [b"\0"]),
        make.jpeg(INK_LEFT),
        make.tiff([make.tiff_page(1, 1, 8, 1, b"\0")]),
        make.pdf([(72, 72, "")]),
    ],
    ids=["png", "jpeg", "tiff", "pdf"],
)
def test_a_page_beyond_the_last_is_refused(tmp_path: Path, content: bytes, page: int) -> None:
    with pytest.raises(DocumentError, match=f"there is no page {page}; the file has 1") as caught:
        load(tmp_path, content, page)
    assert caught.value.code == "no_such_page"


def test_a_resolution_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 dpi"):
        load(tmp_path, make.pdf([(72, 72, "")]), dpi=0)
