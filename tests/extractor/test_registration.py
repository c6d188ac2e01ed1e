from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.errors import DocumentError
from extractor.registration import LEAST_QUALITY, register
from extractor.registration_marks import find_blobs, find_crosses
from extractor.registration_probes import _correction
from extractor.registration_scan import scan_of, shrinking, transform
from extractor.registration_structure import draw, structure_of
from extractor.templates import load_template
from tests.extractor import drawn_form

WIDTH, HEIGHT, DPI = drawn_form.WIDTH, drawn_form.HEIGHT, drawn_form.DPI
TWO_PIXELS = 2 * DPI / 300
FIELDS = drawn_form.TEXT[drawn_form.TEXT.index("[[fields]]") :]
HEAD = f'version = 1\nname = "order"\npage = {{ width = {WIDTH}, height = {HEIGHT}, dpi = {DPI} }}\n'
CORNERS = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float64)


def views(most_turn: float = 15.0):
    """Homographies from the page to a scan that holds all of it, and the scan's size."""

    @st.composite
    def strategy(draw_):
        turn = draw_(st.sampled_from([0, 90, 180, 270])) + draw_(st.floats(-most_turn, most_turn))
        scale = draw_(st.floats(0.85, 1.8))
        tilt = np.array(draw_(st.lists(st.floats(-0.05, 0.05), min_size=8, max_size=8))).reshape(4, 2)
        angle = np.deg2rad(turn)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        seen = (CORNERS - CORNERS.mean(axis=0)) @ rotation.T * scale + tilt * scale * (WIDTH, HEIGHT)
        seen -= seen.min(axis=0) - 20
        size = tuple(int(value) for value in np.ceil(seen.max(axis=0) + 20))
        return cv2.getPerspectiveTransform(CORNERS.astype(np.float32), seen.astype(np.float32)), size

    return strategy()


def seen_from(page, homography, size, paper=225):
    scan = cv2.warpPerspective(page, homography, size, flags=cv2.INTER_AREA, borderValue=paper)
    return cv2.GaussianBlur(scan, (0, 0), 0.7)


def field_error(template, found, truth):
    """Greatest distance of a field's corner from its place, in template pixels."""
    boxes = np.array([field.box for field in template.fields])
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    corners = np.concatenate([low, high, np.column_stack((low[:, 0], high[:, 1]))])
    return np.linalg.norm(transform(np.linalg.inv(truth), transform(found, corners)) - corners, axis=1).max()


@pytest.fixture(scope="module")
def by_squares():
    return drawn_form.template()


@pytest.fixture(scope="module")
def by_reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("form")
    cv2.imwrite(str(folder / "blank.png"), drawn_form.blank())
    (folder / "form.toml").write_text(HEAD + 'reference = "blank.png"\n' + FIELDS)
    return load_template(folder / "form.toml")


@given(view=views())
@settings(max_examples=10, deadline=None)
def test_a_page_with_corner_squares_is_found_in_any_view(by_squares, view):
    homography, size = view
    found = register(seen_from(drawn_form.blank(), homography, size), by_squares)
    assert found.quality >= LEAST_QUALITY
    assert field_error(by_squares, found.homography, homography) < TWO_PIXELS


@given(view=views())
@settings(max_examples=10, deadline=None)
def test_a_page_is_found_by_its_reference_in_any_view(by_reference, view):
    homography, size = view
    found = register(seen_from(drawn_form.blank(), homography, size), by_reference)
    assert found.quality >= LEAST_QUALITY
    assert field_error(by_reference, found.homography, homography) < TWO_PIXELS


@pytest.mark.parametrize("kind", ["circle", "cross", "aruco"])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_every_kind_of_mark_is_followed_through_quarter_turns(kind, turn):
    places = [(40, 40), (1140, 40), (40, 900), (1140, 900)]
    marks = "".join(
        f'[[anchors]]\nkind = "{kind}"\nbox = [{x}, {y}, 60, 60]\n' + (f"id = {number}\n" if kind == "aruco" else "")
        for number, (x, y) in enumerate(places)
    )
    template = drawn_form.template(HEAD + marks + FIELDS)
    found = register(np.rot90(draw(template, template.fields), turn).copy(), template)
    assert found.method == ("aruco" if kind == "aruco" else "marks")
    corner = transform(found.homography, CORNERS[:1])[0]
    right, bottom = (WIDTH, HEIGHT) if turn % 2 == 0 else (HEIGHT, WIDTH)
    assert np.abs(corner - [(0, 0), (0, bottom), (right, bottom), (right, 0)][turn]).max() < 3


def test_the_loss_of_one_mark_is_made_up_for(by_squares):
    page = drawn_form.blank()[:, 130:]
    found = register(page, by_squares)
    truth = np.array([[1, 0, -130], [0, 1, 0], [0, 0, 1]], float)
    assert found.quality >= LEAST_QUALITY
    assert field_error(by_squares, found.homography, truth) < TWO_PIXELS


def test_a_fax_of_half_the_lines_is_found(by_squares):
    page = cv2.resize(drawn_form.blank(), (WIDTH, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    found = register(page, by_squares)
    assert found.quality >= LEAST_QUALITY
    assert field_error(by_squares, found.homography, np.diag([1.0, 0.5, 1.0])) < 2 * TWO_PIXELS


def test_a_shadow_and_colour_change_nothing(by_squares):
    page = drawn_form.blank()
    shade = np.linspace(1.0, 0.35, WIDTH)
    tinted = (page[..., None] * shade[None, :, None] * (0.8, 0.95, 1.0)).astype(np.uint8)
    found = register(tinted, by_squares)
    assert found.quality >= LEAST_QUALITY
    assert field_error(by_squares, found.homography, np.eye(3)) < TWO_PIXELS


@pytest.mark.parametrize("which", ["by_squares", "by_reference"])
def test_foreign_pages_are_told_apart(request, which):
    template = request.getfixturevalue(which)
    rng = np.random.default_rng(4)
    text = np.full((HEIGHT, WIDTH), 245, np.uint8)
    for row in range(30):
        cv2.putText(text, "no form but many words of text " * 2, (30, 40 + 32 * row), 0, 0.8, 30, 2, cv2.LINE_AA)
    marks_alone = np.full((HEIGHT, WIDTH), 247, np.uint8)
    for x in (40, 1160):
        for y in (40, 920):
            marks_alone[y : y + 40, x : x + 40] = 40
    for page in (
        np.full((HEIGHT, WIDTH), 250, np.uint8),
        np.zeros((HEIGHT, WIDTH), np.uint8),
        rng.integers(0, 255, (HEIGHT, WIDTH), np.uint8),
        text,
        marks_alone,
        np.full((2, 3), 9, np.uint8),
        np.full((1, 900), 200, np.uint8),
    ):
        assert register(page, template).quality < LEAST_QUALITY


def test_registration_gives_the_same_twice(by_reference):
    page = seen_from(drawn_form.blank(), np.array([[0.9, 0.1, 5], [-0.1, 0.9, 150], [0, 0, 1]]), (1250, 1100))
    first, second = register(page, by_reference), register(scan_of(page), by_reference)
    assert first.quality == second.quality
    assert np.array_equal(first.homography, second.homography)


def test_a_reference_that_is_gone_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "blank.png"), drawn_form.blank())
    (tmp_path / "form.toml").write_text(HEAD + 'reference = "blank.png"\n' + FIELDS)
    template = load_template(tmp_path / "form.toml")
    (tmp_path / "blank.png").unlink()
    with pytest.raises(DocumentError, match=r"blank\.png"):
        register(drawn_form.blank(), template)


def test_no_probe_of_a_reference_lies_where_people_write(by_reference):
    x, y = structure_of(by_reference).fine.points.T
    for field in by_reference.fields:
        left, top, width, height = field.box
        inside = (x > left + 4) & (x < left + width - 4) & (y > top + 4) & (y < top + height - 4)
        assert not inside.any()


@given(
    across=st.floats(0.3, 8),
    down=st.floats(0.3, 8),
    points=st.lists(st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)), min_size=1, max_size=5),
)
def test_shrinking_keeps_corners_of_pixels_on_corners(across, down, points):
    corners = np.array(points)
    assert np.allclose(transform(shrinking(across, down), corners - 0.5), corners * (across, down) - 0.5)


@given(
    values=st.lists(st.floats(-1, 1), min_size=8, max_size=8),
    outliers=st.integers(0, 60),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_a_small_homography_is_recovered_from_offsets_along_normals(values, outliers, seed):
    rng = np.random.default_rng(seed)
    moved = np.eye(3) + np.append(values, 0).reshape(3, 3) * [[2e-3, 2e-3, 3], [2e-3, 2e-3, 3], [1e-6, 1e-6, 0]]
    points = rng.uniform(0, 1000, (300, 2))
    angles = rng.uniform(0, 2 * np.pi, 300)
    normals = np.column_stack((np.cos(angles), np.sin(angles)))
    offsets = ((transform(moved, points) - points) * normals).sum(axis=1)
    offsets[:outliers] = rng.uniform(-30, 30, outliers)
    found = _correction(points, normals, offsets, np.ones(300), 1.0)
    assert np.abs(transform(found / found[2, 2], points) - transform(moved, points)).max() < 0.3


@given(angle=st.floats(0, 90), side=st.integers(14, 30), x=st.integers(60, 340), y=st.integers(60, 240))
@settings(max_examples=30, deadline=None)
def test_a_black_square_is_found_at_any_angle(angle, side, x, y):
    page = np.full((300, 400), 240, np.uint8)
    quad = cv2.boxPoints(((x, y), (side, side), angle))
    cv2.fillConvexPoly(page, np.rint(quad).astype(np.int32), 30)
    seen = find_blobs(page, side)
    assert len(seen) == 1
    assert np.abs(seen[0] - (x, y)).max() < 1.5


@given(angle=st.floats(0, 90), x=st.integers(60, 340), y=st.integers(60, 240))
@settings(max_examples=30, deadline=None)
def test_a_cross_is_found_at_any_angle(angle, x, y):
    page = np.full((300, 400), 240, np.uint8)
    for turn in (angle, angle + 90):
        move = 12 * np.array([np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))])
        start, end = np.rint(16 * (np.array((x, y)) + np.array([[-1], [1]]) * move)).astype(int).tolist()
        cv2.line(page, start, end, 30, 2, cv2.LINE_AA, 4)
    seen = find_crosses(page, 24)
    assert len(seen) == 1
    assert np.abs(seen[0] - (x, y)).max() < 1.5
