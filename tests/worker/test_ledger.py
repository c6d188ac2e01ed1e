"""The ledger's promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import threading

import pytest

from extractor.errors import UnavailableError, UsageError
from extractor.readings import PageFailure, PageReading
from worker import ledger_schema
from worker.ledger import Ledger
from worker.owner import this_process
from worker.records import NewPage

CAP = 3


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    return (
        f"sqlite:///{tmp_path}/ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    )


@pytest.fixture
def ledger(url):
    with Ledger(url) as opened:
        yield opened


def new_job(ledger, pages=3, executor="queue", **values):
    job_id = ledger.jobs.create(name="", executor=executor, base="/data", options={}, network="n", **values)
    ledger.pages.add(job_id, [NewPage(f"{number}.png", 1) for number in range(pages)])
    ledger.jobs.activate(job_id, "key")
    return job_id, [page.id for page in ledger.pages.queued(job_id)]


def claim(ledger, job_id, ids, owner="elsewhere|1|2|3", lease=60.0, cap=CAP):
    return [page.id for page in ledger.pages.claim(job_id, ids, owner, lease, cap)]


def reading(text="first"):
    return PageReading(text, 1)


def failed():
    return PageReading("x", 1, error=PageFailure("c", "m"))


def states(ledger, job_id):
    return [page.state for page in ledger.pages.stream(job_id)]


def test_a_page_is_lent_to_one_owner_only(ledger):
    job_id, ids = new_job(ledger)
    taken = []

    def work(name):
        taken.append(claim(ledger, job_id, ids, name))

    threads = [threading.Thread(target=work, args=(f"host|1|{number}|0",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [[], [], [], ids]


def test_the_first_result_wins_and_a_late_one_is_dropped(ledger):
    job_id, ids = new_job(ledger, 1)
    claim(ledger, job_id, ids)
    assert ledger.pages.finish([(ids[0], reading("first"))]) == 1
    assert ledger.pages.finish([(ids[0], reading("second"))]) == 0
    assert claim(ledger, job_id, ids) == []
    assert [page.reading().document for page in ledger.pages.stream(job_id)] == ["first"]


def test_cancel_drops_results_that_come_later_and_keeps_earlier_ones(ledger):
    job_id, ids = new_job(ledger)
    claim(ledger, job_id, ids[:2])
    ledger.pages.finish([(ids[0], reading())])
    assert ledger.jobs.cancel(job_id) == 2
    assert ledger.pages.finish([(ids[1], reading())]) == 0
    assert claim(ledger, job_id, ids) == []
    assert not ledger.pages.is_mine(ids[1], "elsewhere|1|2|3")
    assert states(ledger, job_id) == ["done", "cancelled", "cancelled"]
    assert ledger.jobs.cancel(job_id) == 0
    assert ledger.jobs.is_finished(job_id)


def test_retry_takes_failed_pages_alone_or_all_and_never_done_ones(ledger):
    job_id, ids = new_job(ledger)
    claim(ledger, job_id, ids)
    ledger.pages.finish([(ids[0], reading()), (ids[1], failed())])
    ledger.jobs.cancel(job_id)
    assert ledger.jobs.retry(job_id, failed_only=True) == 1
    assert states(ledger, job_id) == ["done", "queued", "cancelled"]
    assert ledger.jobs.retry(job_id, failed_only=True) == 0
    assert ledger.jobs.retry(job_id, failed_only=False) == 1
    assert claim(ledger, job_id, ids) == ids[1:]


def test_a_page_whose_owner_is_lost_waits_again_until_the_cap_makes_it_poison(ledger):
    job_id, ids = new_job(ledger, 1)
    for delivery in range(1, CAP + 1):
        assert claim(ledger, job_id, ids, "gone") == ids
        back = ledger.pages.lose_owner("gone", CAP)
        assert [page.deliveries for page in back] == ([delivery] if delivery < CAP else [])
    assert states(ledger, job_id) == ["failed"]
    (page,) = ledger.pages.stream(job_id)
    assert page.reading().error.code == "poison"
    assert page.reading().document == "0.png"


def test_an_orderly_stop_does_not_count_as_a_delivery(ledger):
    job_id, ids = new_job(ledger, 1)
    for _ in range(CAP * 2):
        assert claim(ledger, job_id, ids, "polite") == ids
        assert ledger.pages.release("polite") == 1


def test_pages_delivered_before_travel_alone(ledger):
    job_id, ids = new_job(ledger, 4)
    assert claim(ledger, job_id, ids[:3], "gone") == ids[:3]
    ledger.pages.lose_owner("gone", CAP)
    assert claim(ledger, job_id, ids, "next") == ids[3:]
    assert claim(ledger, job_id, ids, "other") == ids[:1]
    assert claim(ledger, job_id, ids, "third") == ids[1:2]


def test_with_a_cap_of_one_no_page_pays_for_another(ledger):
    job_id, ids = new_job(ledger, 3)
    assert claim(ledger, job_id, ids, cap=1) == ids[:1]


def test_an_ended_lease_or_a_dead_owner_frees_a_page_and_a_living_owner_keeps_it(ledger):
    job_id, ids = new_job(ledger, 3)
    claim(ledger, job_id, ids[:1], "elsewhere|1|2|3", lease=-1)
    place = this_process().rsplit("|", 2)[0]
    claim(ledger, job_id, ids[1:2], f"{place}|999999999|1")
    claim(ledger, job_id, ids[2:], this_process())
    assert claim(ledger, job_id, ids, "next") == ids[:1]
    assert claim(ledger, job_id, ids, "next two") == ids[1:2]
    assert claim(ledger, job_id, ids, "next three") == []


def test_an_owner_that_could_not_store_its_pages_gets_them_again_uncounted(ledger):
    job_id, ids = new_job(ledger, 2)
    for _ in range(CAP * 2):
        assert claim(ledger, job_id, ids, "me") == ids


def test_expired_leases_are_found_for_queue_jobs_only(ledger):
    queue_job, queue_ids = new_job(ledger, 2)
    local_job, local_ids = new_job(ledger, 2, executor="local")
    claim(ledger, queue_job, queue_ids, lease=-1)
    claim(ledger, local_job, local_ids, lease=-1)
    assert [page.id for page in ledger.pages.lose_expired(CAP)] == queue_ids
    assert states(ledger, local_job) == ["running", "running"]
    assert len(ledger.pages.lose_job(local_job, CAP)) == 2


def test_finishing_renews_the_lease_of_pages_still_to_come(ledger):
    job_id, ids = new_job(ledger)
    claim(ledger, job_id, ids, "me", lease=-1)
    ledger.pages.finish([(ids[0], reading())], keep=ids[1:], owner="me", lease=60)
    assert ledger.pages.lose_expired(CAP) == []


def test_unsent_pages_are_those_no_message_can_be_under_way_for(ledger):
    job_id, ids = new_job(ledger)
    ledger.pages.mark_sent(ids[:1], 1000.0)
    ledger.pages.mark_sent(ids[1:2], 2000.0)
    later = 4e9

    def unsent(sent, queued=later):
        return [page.id for page in ledger.pages.unsent(sent_before=sent, queued_before=queued, limit=9)]

    assert unsent(1500) == [ids[2], ids[0]]
    assert unsent(2500) == [ids[2], ids[0], ids[1]]
    assert unsent(2500, queued=1.0) == []
    ledger.jobs.cancel(job_id)
    assert unsent(2500) == []


def test_names_that_are_no_utf8_come_back_byte_for_byte(ledger):
    name = os.fsdecode(b"caf\xe9 \xff,\n.png")
    job_id = ledger.jobs.create(name="", executor="local", base=os.fsdecode(b"/\xfe"), options={}, network="")
    ledger.pages.add(job_id, [NewPage(name, 1, failure=PageFailure("c", "m")), NewPage(name, 2)])
    assert ledger.jobs.get(job_id).base == os.fsdecode(b"/\xfe")
    assert [page.document for page in ledger.pages.stream(job_id)] == [name, name]
    assert next(ledger.pages.stream(job_id)).reading().document == name


def test_results_stream_in_the_order_of_submission_past_any_chunk(ledger):
    job_id, ids = new_job(ledger, 1203)
    ledger.pages.finish([(page_id, reading(str(page_id))) for page_id in reversed(ids[:40])])
    documents = [page.document for page in ledger.pages.stream(job_id)]
    assert documents == [f"{number}.png" for number in range(1203)]
    assert ledger.jobs.count(job_id).done == 40
    ledger.jobs.delete(job_id)
    assert list(ledger.pages.stream(job_id)) == []
    assert ledger.jobs.get(job_id) is None


def test_a_local_job_has_one_runner_and_a_dead_one_is_replaced(ledger):
    job_id, _ = new_job(ledger, executor="local")
    assert ledger.jobs.take(job_id)
    jobs = ledger_schema.jobs_table

    def runner(owner):
        with ledger.database.write() as connection:
            connection.execute(jobs.update().values(runner=owner, runner_until=4e9))

    runner("elsewhere|1|2|3")
    assert not ledger.jobs.take(job_id)
    place = this_process().rsplit("|", 2)[0]
    runner(f"{place}|{os.getppid()}|1")
    assert ledger.jobs.take(job_id)


def test_a_job_is_found_by_id_or_by_its_latest_name(ledger):
    first = ledger.jobs.create(name="n", executor="local", base="/", options={"dpi": 1}, network="")
    ledger.jobs.activate(first, "k")
    second = ledger.jobs.create(name="n", executor="local", base="/", options={}, network="")
    ledger.jobs.activate(second, "k")
    assert ledger.jobs.find(first).options == {"dpi": 1}
    assert ledger.jobs.find("n").id == second
    with pytest.raises(UsageError, match="no job"):
        ledger.jobs.find("")


def test_a_ledger_of_a_later_version_is_left_alone(ledger, url):
    with ledger.database.write() as connection:
        connection.execute(ledger_schema.schema_table.insert().values(version=99))
    with pytest.raises(UsageError, match="update"):
        Ledger(url)


def test_many_processes_may_open_a_new_ledger_at_once(url):
    errors = []

    def open_one():
        try:
            Ledger(url).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_sqlite_keeps_what_was_stored_through_a_power_cut(tmp_path):
    with Ledger(f"sqlite:///{tmp_path}/l") as ledger, ledger.database.write() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2
        with pytest.raises(sqlite3.OperationalError), sqlite3.connect(tmp_path / "l", timeout=0) as other:
            other.execute("begin immediate")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("postgresql://somebody:hush@127.0.0.1:1/x", "out of reach"),
        ("sqlite:////proc/nowhere/ledger", "cannot be made"),
    ],
)
def test_a_ledger_out_of_reach_is_one_line_without_its_password(url, word):
    with pytest.raises(UnavailableError, match=word) as caught:
        Ledger(url, 1.0)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_said_to_be_out_of_reach(tmp_path):
    (tmp_path / "l").write_bytes(b"not a database" * 100)
    with pytest.raises(UnavailableError, match="not a database"):
        Ledger(f"sqlite:///{tmp_path}/l")


@pytest.mark.parametrize("url", ["sqlite://", "mysql://h/d", "nonsense"])
def test_a_url_that_cannot_be_meant_is_a_usage_error(url):
    with pytest.raises(UsageError):
        Ledger(url)
