"""The documentation does what it says: its code runs, its commands are those of CI, its links lead somewhere."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import tomllib
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"
PAGES = [README, *sorted(DOCS.glob("*.md")), ROOT / "samples" / "README.md"]
TEXTS = [*PAGES, ROOT / ".ci" / "run", ROOT / "constraints.txt", ROOT / "pyproject.toml", *sorted(DOCS.glob("*.py"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [README, DOCS / "python-api.md"], ids=lambda page: page.name)
def test_its_code_runs_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    cv2.imwrite(str(tmp_path / "scan.png"), cv2.imread(str(ROOT / "samples" / "cheque.jpg")))
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for number, code in enumerate(blocks(page, "python"), start=1):
        exec(compile(code, f"{page.name}, block {number}", "exec"), namespace)
    printed = capsys.readouterr().out
    with (ROOT / "samples" / "expected.csv").open(encoding="utf-8", newline="") as file:
        (row,) = (row for row in csv.DictReader(file) if row["document"] == "cheque.jpg")
    assert f"{row['field']} {row['text']}" in printed
    if page != README:
        assert "missing - missing.png" in printed
        assert (tmp_path / "checked.png").stat().st_size > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    files = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert [link for link in files if not (page.parent / link).exists()] == []


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in re.findall(r"\]\(([^)\s#]+\.md)", page.read_text(encoding="utf-8")):
            target = (page.parent / link).resolve()
            if target.is_relative_to(ROOT) and target not in reached:
                waiting.append(target)
    assert set(PAGES) <= reached


def test_continuous_integration_runs_the_two_commands_of_the_readme():
    commands = [block.strip() for block in blocks(README, "sh")]
    assert [len(command.splitlines()) for command in commands] == [1, 1]
    assert commands[0].endswith("digits run samples/")
    assert commands[1].endswith("-m pytest")
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()]
    assert [lines.count(command) for command in commands] == [1, 1]


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_place_on_one_machine_is_named(file):
    text = file.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert str(Path.home()) + "/" not in text
    assert re.findall(r"(?<![\w.~:/])/(?:home|root|Users|work|opt|mnt)/\S*", text) == []


def test_the_constraints_are_plain_and_cover_every_requirement():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        pin = Requirement(line)
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier))
        assert pin.url is None
        pins[canonicalize_name(pin.name)] = str(pin.specifier).removeprefix("==")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_the_network_page_says_what_the_card_says():
    generator = script("make_network_page")
    written = generator.PAGE.read_text(encoding="utf-8")
    card = json.loads(generator.CARD.read_text(encoding="utf-8"))
    assert written == generator.page(written, card), "run docs/make_network_page.py"
    assert all(checksum in written for checksum in card["sha256"].values())


def test_every_picture_of_a_stage_can_be_made_again(tmp_path):
    script("make_pictures").main(["--output", str(tmp_path)])
    made = {path.name: cv2.imread(str(path)) for path in tmp_path.iterdir()}
    kept = {path.name for path in IMAGES.iterdir()}
    shown = set(re.findall(r"\(images/([^)]+)\)", (DOCS / "how-it-works.md").read_text(encoding="utf-8")))
    assert set(made) == shown
    assert shown <= kept
    assert all(made[name].shape[1] <= 800 for name in made)


def test_the_pictures_are_small():
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < 400_000
