from __future__ import annotations

import pytest

from extractor import documents
from extractor.errors import UnavailableError
from worker import jobs
from worker.ledger import Ledger
from worker.pages import PageProcessor, Tally, network_sha256
from worker.records import Counts
from worker.settings import load_settings

from .conftest import draw_page


@pytest.fixture
def folder(tmp_path, environment):
    path = tmp_path / "in"
    path.mkdir()
    environment.chdir(path)
    return path


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path}/ledger") as opened:
        yield opened


def submit(ledger, *paths, network=None):
    submission = jobs.submit(
        ledger, paths, jobs.JobOptions(), executor="queue", network=network or network_sha256(load_settings())
    )
    job_id = submission.job.id
    return job_id, [page.id for page in ledger.pages.queued(job_id)]


def read(ledger, job_id, ids, roots):
    return PageProcessor(ledger, load_settings(), roots).process(job_id, ids)


def codes(ledger, job_id):
    return [reading.error and reading.error.code for reading in jobs.collect(ledger, job_id)]


def test_pages_are_read_once_however_often_they_are_asked_for(ledger, folder):
    for name in "abc":
        draw_page(folder / f"{name}.png", "12")
    job_id, ids = submit(ledger, folder)
    processor = PageProcessor(ledger, load_settings(), [folder])
    assert processor.process(job_id, ids) == Tally(done=3)
    before = list(ledger.pages.stream(job_id))
    assert processor.process(job_id, ids) == Tally()
    assert list(ledger.pages.stream(job_id)) == before


def test_a_file_that_vanished_after_submission_fails_alone(ledger, folder):
    draw_page(folder / "a.png")
    draw_page(folder / "b.png")
    job_id, ids = submit(ledger, folder)
    (folder / "a.png").unlink()
    assert read(ledger, job_id, ids, [folder]) == Tally(done=1, failed=1)
    assert codes(ledger, job_id) == ["missing", None]


def test_documents_outside_the_roots_are_refused_even_through_a_link(ledger, folder, tmp_path, caplog):
    outside = draw_page(tmp_path / "outside.png")
    (folder / "link.png").symlink_to(outside)
    draw_page(folder / "inside.png")
    job_id, ids = submit(ledger, folder / "inside.png", folder / "link.png", folder / ".." / "outside.png")
    read(ledger, job_id, ids, [folder])
    assert codes(ledger, job_id) == [None, "outside_roots", "outside_roots"]
    assert "outside.png" not in caplog.text


def test_a_folder_whose_name_begins_like_a_root_is_not_inside(ledger, folder, tmp_path):
    (tmp_path / "in-side").mkdir()
    job_id, ids = submit(ledger, draw_page(tmp_path / "in-side" / "x.png"))
    read(ledger, job_id, ids, [folder])
    assert codes(ledger, job_id) == ["outside_roots"]


def test_a_job_of_another_network_is_not_read_with_this_one(ledger, folder):
    job_id, ids = submit(ledger, draw_page(folder / "a.png"), network="f" * 64)
    read(ledger, job_id, ids, None)
    assert codes(ledger, job_id) == ["network"]


def test_pages_of_another_job_or_of_none_are_not_touched(ledger, folder, caplog):
    job_id, ids = submit(ledger, draw_page(folder / "a.png"))
    other, _ = submit(ledger, draw_page(folder / "b.png"))
    assert read(ledger, other, ids, None) == Tally()
    assert read(ledger, "0" * 12, ids, None) == Tally()
    assert "refused" in caplog.text
    assert codes(ledger, job_id) == ["waiting"]


def test_a_ledger_lost_between_reading_and_storing_costs_no_second_reading(ledger, folder, monkeypatch):
    for name in "abc":
        draw_page(folder / f"{name}.png", "12")
    job_id, ids = submit(ledger, folder)
    processor = PageProcessor(ledger, load_settings(), [folder])
    opened = []
    load_page, finish = documents.load_page, ledger.pages.finish
    monkeypatch.setattr(
        documents, "load_page", lambda path, *a, **k: opened.append(path.name) or load_page(path, *a, **k)
    )

    def out_of_reach(results, **_options):
        if results:
            raise UnavailableError("the ledger is out of reach")

    monkeypatch.setattr(ledger.pages, "finish", out_of_reach)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            processor.process(job_id, ids)
    monkeypatch.setattr(ledger.pages, "finish", finish)
    processor.process(job_id, ids)
    assert sorted(opened) == ["a.png", "b.png", "c.png"]
    assert ledger.jobs.count(job_id) == Counts(done=3)
    assert codes(ledger, job_id) == [None] * 3


@pytest.mark.parametrize(("before", "expected"), [(0, Tally(given_back=3)), (1, Tally(done=1, given_back=2))])
def test_a_process_told_to_stop_gives_back_what_it_has_not_begun(ledger, folder, before, expected):
    for name in "abc":
        draw_page(folder / f"{name}.png", "12")
    job_id, ids = submit(ledger, folder)
    answers = iter([False] * before)
    processor = PageProcessor(ledger, load_settings(), [folder], lambda: next(answers, True))
    assert processor.process(job_id, ids) == expected
    assert [page.deliveries for page in ledger.pages.queued(job_id)] == [0] * expected.given_back
    assert ledger.jobs.count(job_id) == Counts(queued=expected.given_back, done=expected.done)
