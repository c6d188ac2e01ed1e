"""The ledger's promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import Counter

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.errors import UnavailableError, UsageError
from extractor.readings import PageFailure, PageReading
from worker import ledger_schema
from worker.ledger import Ledger
from worker.owner import this_process
from worker.records import Counts, NewPage

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
    """Return each page's state, and hold the counters of the job to them."""
    found = [page.state for page in ledger.pages.stream(job_id)]
    assert ledger.jobs.count(job_id) == Counts(**Counter(found))
    return found


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
    later = 4e9

    def unsent(sent, queued=later):
        ledger.pages.mark_sent(ids[:1], 1000.0)
        ledger.pages.mark_sent(ids[1:2], 2000.0)
        ledger.pages.mark_sent(ids[2:], 0.0)
        taken = ledger.pages.take_unsent(sent_before=sent, queued_before=queued, moment=later, limit=9)
        return [page.id for page in taken]

    assert unsent(1500) == [ids[2], ids[0]]
    assert unsent(2500) == [ids[2], ids[0], ids[1]]
    assert unsent(2500, queued=1.0) == []
    ledger.jobs.cancel(job_id)
    assert unsent(2500) == []


def test_of_several_who_send_again_one_alone_sends_each_page(ledger, url):
    _, ids = new_job(ledger, 40)
    together = threading.Barrier(4)
    taken = []

    def send_again():
        with Ledger(url) as mine:
            together.wait()
            while pages := mine.pages.take_unsent(sent_before=1.0, queued_before=4e9, moment=5.0, limit=7):
                taken.extend(page.id for page in pages)

    threads = [threading.Thread(target=send_again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids


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


_ACTS = (
    "claim",
    "claim",
    "done",
    "failed",
    "release",
    "lose owner",
    "lose all",
    "expire",
    "cancel",
    "retry",
    "retry failed",
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_ACTS), st.integers(0, 1), st.lists(st.integers(0, 5), max_size=6), st.booleans()),
        max_size=30,
    )
)
def test_the_counters_say_what_the_pages_say_whatever_is_done(tmp_path_factory, acts):
    with Ledger(f"sqlite:///{tmp_path_factory.mktemp('counts')}/l") as ledger:
        jobs = [new_job(ledger, 6) for _ in range(2)]
        bad = [NewPage("bad", 1, failure=PageFailure("c", "m"))]
        for job_id, _ in jobs:
            ledger.pages.add(job_id, bad)
        for act, which, numbers, other in acts:
            job_id, ids = jobs[which]
            chosen = [ids[number] for number in numbers]
            owner = "one" if other else "two"
            if act == "claim":
                claim(ledger, job_id, chosen, owner, lease=-1 if len(numbers) > 4 else 60)
            elif act in ("done", "failed"):
                ledger.pages.finish([(page_id, reading() if act == "done" else failed()) for page_id in chosen])
            elif act == "release":
                ledger.pages.release(owner)
            elif act == "lose owner":
                ledger.pages.lose_owner(owner, CAP)
            elif act == "lose all":
                ledger.pages.lose_job(job_id, CAP)
            elif act == "expire":
                ledger.pages.lose_expired(CAP)
            elif act == "cancel":
                ledger.jobs.cancel(job_id)
            else:
                ledger.jobs.retry(job_id, failed_only=act == "retry failed")
            for counted, _ in jobs:
                assert len(states(ledger, counted)) == 7
                assert ledger.jobs.count(counted).total == 7


def test_counters_of_a_ledger_made_by_the_first_version_are_filled_in(ledger, url):
    job_id, ids = new_job(ledger, 4)
    empty, _ = new_job(ledger, 0)
    claim(ledger, job_id, ids[:2])
    ledger.pages.finish([(ids[0], reading())])
    with ledger.database.write() as connection:
        connection.execute(sa.schema.DropTable(ledger_schema.counts_table))
        connection.execute(ledger_schema.schema_table.update().values(version=1))
    with Ledger(url) as updated:
        assert updated.jobs.count(job_id) == Counts(done=1, running=1, queued=2)
        assert updated.jobs.count(empty) == Counts()
        ledger.pages.finish([(ids[1], failed())])
        assert states(updated, job_id) == ["done", "failed", "queued", "queued"]
    with Ledger(url) as again:
        assert again.jobs.count(job_id).failed == 1


def test_cancelling_while_workers_take_and_store_pages_leaves_none_waiting(ledger, url):
    job_id, ids = new_job(ledger, 60)
    started = threading.Barrier(4)

    def work(number):
        with Ledger(url) as mine:
            started.wait()
            for first in range(0, 60, 6):
                taken = claim(mine, job_id, ids[first : first + 6], f"host|1|{number}|0")
                mine.pages.mark_sent(list(reversed(ids[first : first + 12])), 1.0)
                mine.pages.finish([(page_id, reading()) for page_id in taken[:3]], keep=taken[3:], owner="x")
                mine.pages.release(f"host|1|{number}|0")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    started.wait()
    ledger.jobs.cancel(job_id)
    for thread in threads:
        thread.join()
    assert set(states(ledger, job_id)) <= {"done", "cancelled"}


def test_a_job_whose_pages_are_still_being_recorded_is_left_alone(ledger):
    job_id = ledger.jobs.create(name="", executor="queue", base="/", options={}, network="")
    ledger.pages.add(job_id, [NewPage("a", 1)])
    ledger.pages.add(job_id, [NewPage("b", 1, failure=PageFailure("c", "m"))])
    for act in (ledger.jobs.cancel, lambda job: ledger.jobs.retry(job, failed_only=True)):
        with pytest.raises(UsageError, match="still being recorded"):
            act(job_id)
    assert states(ledger, job_id) == ["queued", "failed"]


def test_looking_at_jobs_reads_no_pages(ledger):
    """The statements that `status`, `jobs`, `watch` and a waiting command repeat touch one row a job."""
    job_id, _ = new_job(ledger, 50)
    seen = []
    engine = ledger.database._engine
    sa.event.listen(engine, "before_cursor_execute", lambda *details: seen.append(details[2]))
    ledger.jobs.count(job_id)
    ledger.jobs.counts([job.id for job in ledger.jobs.latest(20)])
    assert not any("digits_pages" in statement for statement in seen)


@pytest.mark.parametrize("asked", ["claim", "queued", "is_finished", "unsent", "oldest", "owners"])
def test_what_is_asked_again_and_again_uses_an_index(tmp_path, asked):
    with Ledger(f"sqlite:///{tmp_path}/l") as ledger:
        job_id, ids = new_job(ledger, 3)
        seen = []
        sa.event.listen(
            ledger.database._engine, "before_cursor_execute", lambda *details: seen.append((details[2], details[3]))
        )
        {
            "claim": lambda: claim(ledger, job_id, ids),
            "queued": lambda: ledger.pages.queued(job_id),
            "is_finished": lambda: ledger.jobs.is_finished(job_id),
            "unsent": lambda: ledger.pages.take_unsent(sent_before=9e9, queued_before=9e9, moment=1.0, limit=10),
            "oldest": ledger.pages.oldest_waiting,
            "owners": ledger.pages.owners,
        }[asked]()
        queries = [(text, values) for text, values in seen if text.startswith(("SELECT", "UPDATE"))]
        assert queries
        with sqlite3.connect(tmp_path / "l") as connection:
            plans = [
                row[3] for text, values in queries for row in connection.execute(f"explain query plan {text}", values)
            ]
        assert [plan for plan in plans if plan.startswith("SCAN digits_pages") and "INDEX" not in plan] == []


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

    threads = [threading.Thread(target=open_one) for _ in range(12)]
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
