from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.batches import MAX_PAGES, batch_limit, batched, weight_of
from worker.records import QueuedPage

pages = st.lists(
    st.builds(
        QueuedPage,
        id=st.integers(1, 99),
        job_id=st.sampled_from("ab"),
        weight=st.integers(1, 32),
        deliveries=st.sampled_from([0, 0, 0, 1, 2]),
    )
)


@given(pages, st.integers(1, MAX_PAGES))
def test_batches_keep_every_page_in_order_and_mix_no_jobs(waiting, limit):
    batches = list(batched(waiting, limit))
    assert [page for batch in batches for page in batch] == waiting
    for batch in batches:
        assert 1 <= len(batch) <= limit
        assert len({page.job_id for page in batch}) == 1
        if len(batch) > 1:
            assert all(page.deliveries == 0 for page in batch)
            assert sum(page.weight for page in batch) <= 32


@given(st.integers(0, 2**40), st.integers(0, 10_000))
def test_weight_grows_with_the_bytes_of_a_page_within_bounds(size, count):
    assert 1 <= weight_of(size, count) <= 32
    assert weight_of(size, count) <= weight_of(size + 4096, count)


def test_small_crops_travel_together_and_sheets_alone():
    crops = [QueuedPage(number, "j", weight_of(1000, 1), 0) for number in range(64)]
    sheets = [QueuedPage(number, "j", weight_of(400_000, 1), 0) for number in range(3)]
    assert [len(batch) for batch in batched(crops, MAX_PAGES)] == [32, 32]
    assert [len(batch) for batch in batched(sheets, MAX_PAGES)] == [1, 1, 1]


@given(st.integers(0, 10**6), st.integers(1, 200))
def test_the_limit_lets_a_job_fall_into_enough_parts(count, parts):
    limit = batch_limit(count, parts)
    assert 1 <= limit <= MAX_PAGES
    assert limit == 1 or count // limit >= parts
