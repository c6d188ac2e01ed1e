"""Templates from the command line to the results, here and on other machines."""

from __future__ import annotations

import csv
import io
import json

import cv2
import pytest

from extractor.errors import DocumentError, UsageError
from extractor.templates import TemplateError
from tests.extractor.drawn_form import TEXT, blank, filled
from worker.forms import JobTemplates, read_templates
from worker.jobs import JobOptions, collect, submit
from worker.ledger import Ledger
from worker.pages import PageProcessor, network_sha256
from worker.settings import load_settings
from worker.storage import Storage

from .conftest import draw_page, readings


@pytest.fixture
def forms(digits):
    """A template, a page that is its form, and one that is not."""
    folder = digits.folder
    (folder / "order.toml").write_text(TEXT)
    cv2.imwrite(str(folder / "order.png"), filled())
    draw_page(folder / "other.png")
    return folder


def test_a_form_is_read_into_a_wide_table(digits, forms):
    out = digits("run", "order.png", "other.png", "--template", "order.toml", "--format", "wide", code=1)
    good, bad = csv.DictReader(io.StringIO(out))
    assert (good["document"], good["form"], good["customer"], good["total"]) == ("order.png", "order", "407263", "365")
    assert good["votes_r1c1"] == "5"
    assert bad["status"] == "failed: registration"


def test_a_refused_page_is_drawn_all_the_same(digits, forms):
    digits("run", "other.png", "order.png", "--template", "order.toml", "--overlays", "drawn", code=1)
    assert sorted(path.name for path in (forms / "drawn").iterdir()) == ["000001-other-1.png", "000002-order-1.png"]


def test_a_bad_template_stops_the_command_before_anything_is_recorded(digits, forms):
    (forms / "order.toml").write_text(TEXT.replace("digits = 6", "digit = 6"))
    digits("run", "order.png", "--template", "order.toml", code=2)
    assert "order.toml, line 13: unknown key 'digit' (did you mean digits?)" in digits.messages
    with digits.ledger() as ledger:
        assert ledger.jobs.latest(5) == []


def test_a_template_is_checked_and_previewed(digits, forms):
    assert "12 fields, 1 rules" in digits("template", "check", "order.toml")
    (forms / "bad.toml").write_text(TEXT.replace("digits = 6", "digit = 6").replace("cells = 6", "cels = 6"))
    digits("template", "check", "order.toml", "bad.toml", code=2)
    assert "line 13: unknown key 'digit'" in digits.messages
    assert "line 17: unknown key 'cels'" in digits.messages
    assert digits("template", "preview", "order.toml", "order.png") == "order-preview.png\n"
    assert cv2.imread(str(forms / "order-preview.png")).shape == (1000, 1240, 3)
    digits("template", "preview", "order.toml", "other.png", "--output", "no.png", code=1)
    assert "does not fit" in digits.messages


def test_an_impossible_constraint_is_found_by_the_check(digits, forms):
    (forms / "order.toml").write_text(TEXT.replace("digits = 6", "digits = 2\nrange = [100, 200]"))
    digits("template", "check", "order.toml", code=2)
    assert "no number satisfies all that customer asks for" in digits.messages


def test_a_job_carries_its_templates_to_whoever_reads_it(tmp_path, environment):
    """The template, its codes and the place they lay in are gone before the first page is read."""
    (tmp_path / "codes.txt").write_text("407263\n")
    template = tmp_path / "order.toml"
    template.write_text(TEXT.replace("digits = 6", 'digits = 6\ncodes = "codes.txt"'))
    cv2.imwrite(str(tmp_path / "order.png"), filled())
    settings = load_settings()
    with Ledger(settings.ledger_url) as ledger:
        processor = PageProcessor(ledger, settings, None)
        options = JobOptions(templates=read_templates([template]))
        network = network_sha256(settings)
        job = submit(ledger, [tmp_path / "order.png"], options, executor="queue", network=network).job
        template.unlink()
        (tmp_path / "codes.txt").unlink()
        processor.process(job.id, [page.id for page in ledger.pages.queued(job.id)])
        (reading,) = collect(ledger, job.id)
    assert reading.form.template == "order"
    assert reading.fields[0].text == "407263"


def test_jobs_with_other_templates_are_other_jobs(tmp_path, environment):
    draw_page(tmp_path / "page.png")
    for name, text in (("a", TEXT), ("b", TEXT), ("c", TEXT.replace("digits = 6", "digits = 7"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "order.toml").write_text(text)
    with Ledger(load_settings().ledger_url) as ledger:

        def job(*names: str) -> str:
            options = JobOptions(templates=read_templates([tmp_path / name / "order.toml" for name in names]))
            return submit(ledger, [tmp_path / "page.png"], options, executor="queue", network="n").job.id

        assert job("a") == job("b")
        assert job("c") != job("a")
        assert job() not in (job("a"), job("c"))


def test_templates_are_told_apart_by_their_names(tmp_path):
    (tmp_path / "a.toml").write_text(TEXT)
    (tmp_path / "b.toml").write_text(TEXT.replace("digits = 6", "digits = 7"))
    with pytest.raises(UsageError, match="both describe the form 'order'"):
        read_templates([tmp_path / "a.toml", tmp_path / "b.toml"])
    with pytest.raises(TemplateError, match=r"none\.toml cannot be read: No such file"):
        read_templates([tmp_path / "none.toml"])


def test_a_reference_scan_outside_the_folders_of_a_worker_is_not_opened(tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "blank.png"), blank())
    (tmp_path / "order.toml").write_text('reference = "blank.png"\n' + TEXT)
    options = json.loads(json.dumps(JobOptions(templates=read_templates([tmp_path / "order.toml"])).to_dict()))
    assert JobTemplates(Storage([tmp_path])).of("job", options)[0].reference_image().shape == (1000, 1240)
    with pytest.raises(DocumentError) as error:
        JobTemplates(Storage([tmp_path / "in"])).of("job", options)
    assert error.value.code == "outside_roots"


def test_the_status_of_a_job_names_its_templates_only(digits, forms):
    digits("run", "order.png", "--template", "order.toml", "--format", "jsonl")
    (page,) = readings(digits("results", digits.only_job(), "--format", "jsonl"))
    assert page["form"]["template"] == "order"
    assert json.loads(digits("status", digits.only_job(), "--format", "json"))["options"]["templates"] == ["order.toml"]
