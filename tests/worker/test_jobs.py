from __future__ import annotations

import dataclasses

import pytest

from extractor.errors import UnavailableError, UsageError
from extractor.reader import ReadOptions
from worker import jobs
from worker.ledger import Ledger
from worker.records import Counts

from .conftest import draw_page


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path}/ledger") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "in"
    path.mkdir()
    for name in ("a", "b", "c"):
        draw_page(path / f"{name}.png", name)
    monkeypatch.chdir(tmp_path)
    return path


def submit(ledger, *paths, executor="queue", **options):
    chosen = jobs.JobOptions(**{key: options.pop(key) for key in ("layout", "dpi") if key in options})
    return jobs.submit(ledger, paths, chosen, executor=executor, **{"network": "n", **options})


def test_job_options_are_the_readers_options():
    ours = [(item.name, item.default) for item in dataclasses.fields(jobs.JobOptions)]
    theirs = [(item.name, item.default) for item in dataclasses.fields(ReadOptions)]
    assert ours == theirs


def test_the_same_input_options_and_network_are_the_same_queue_job(ledger, folder):
    first = submit(ledger, folder)
    again = submit(ledger, folder)
    assert again.is_earlier
    assert again.job.id == first.job.id
    assert len(ledger.jobs.latest(9)) == 1


@pytest.mark.parametrize("change", ["layout", "network", "content", "order", "again", "cancelled"])
def test_whatever_changes_the_results_makes_another_job(ledger, folder, change):
    first = submit(ledger, folder / "a.png", folder / "b.png")
    arguments, paths = {}, [folder / "a.png", folder / "b.png"]
    if change == "layout":
        arguments = {"layout": "line"}
    elif change == "network":
        arguments = {"network": "other"}
    elif change == "again":
        arguments = {"again": True}
    elif change == "order":
        paths.reverse()
    elif change == "cancelled":
        ledger.jobs.cancel(first.job.id)
    else:
        draw_page(folder / "a.png", "77")
    second = submit(ledger, *paths, **arguments)
    assert not second.is_earlier
    assert second.job.id != first.job.id


def test_a_finished_local_job_is_not_taken_up_again(ledger, folder):
    first = submit(ledger, folder, executor="local")
    ledger.jobs.cancel(first.job.id)
    ledger.jobs.retry(first.job.id, failed_only=False)
    ledger.jobs.let_go(first.job.id)
    assert submit(ledger, folder, executor="local").job.id == first.job.id
    ledger.pages.finish(
        [
            (page.id, page_reading)
            for page in ledger.pages.queued(first.job.id)
            for page_reading in [next(jobs.collect(ledger, first.job.id))]
        ]
    )
    assert ledger.jobs.is_finished(first.job.id)
    assert submit(ledger, folder, executor="local").job.id != first.job.id


def test_a_failed_submission_leaves_nothing_and_a_dead_submitters_remains_go(ledger, folder):
    with pytest.raises(UsageError):
        submit(ledger, folder, folder / "none.png")
    assert ledger.jobs.latest(9) == []
    orphan = ledger.jobs.create(name="", executor="local", base="/", options={}, network="")
    ledger.jobs.let_go(orphan)
    submit(ledger, folder)
    assert ledger.jobs.get(orphan) is None


def test_names_are_kept_as_given_and_bad_files_are_recorded_in_their_place(ledger, folder, monkeypatch):
    (folder / "aa.png").touch()
    monkeypatch.chdir(folder.parent)
    submission = submit(ledger, folder.relative_to(folder.parent))
    found = list(jobs.collect(ledger, submission.job.id))
    assert [reading.document for reading in found] == ["in/a.png", "in/aa.png", "in/b.png", "in/c.png"]
    assert [reading.error.code for reading in found] == ["waiting", "empty", "waiting", "waiting"]
    assert submission.counts == Counts(queued=3, failed=1)


def test_purge_takes_finished_jobs_and_never_others(ledger, folder):
    running = submit(ledger, folder).job
    finished = submit(ledger, folder / "a.png").job
    ledger.jobs.cancel(finished.id)
    assert [job.id for job in jobs.purgeable(ledger, 0)] == [finished.id]
    assert jobs.purgeable(ledger, 1) == []
    with pytest.raises(UsageError, match="not finished"):
        jobs.purge(ledger, running)
    jobs.purge(ledger, finished)
    assert [job.id for job in ledger.jobs.latest(9)] == [running.id]


def test_exit_codes_follow_from_the_counts():
    assert Counts(done=2).exit_code() == 0
    assert Counts(done=2, failed=1).exit_code() == 1
    assert Counts(done=2, queued=1).exit_code() == 1
    assert Counts(failed=1).exit_code() == 65
    assert Counts().exit_code() == 65


def test_watching_outlives_a_short_loss_of_the_ledger_and_not_a_long_one(ledger, folder):
    job = submit(ledger, folder / "a.png").job
    ledger.jobs.cancel(job.id)
    said = []
    count = ledger.jobs.count
    lost = iter([True, True, False])

    class Flickering:
        jobs = type("Rows", (), {"count": lambda _self, job_id: _flicker(job_id)})()

    def _flicker(job_id):
        if next(lost, True):
            raise UnavailableError("gone")
        return count(job_id)

    def watch(patience):
        return jobs.watch(
            Flickering(),
            job.id,
            lambda _counts: None,
            tick=lambda: None,
            trouble=said.append,
            interval=0,
            patience=patience,
        )

    assert watch(60).cancelled == 1
    assert len(said) == 1
    with pytest.raises(UnavailableError):
        watch(-1)
