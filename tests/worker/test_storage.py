from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.documents import Limits, load_page
from extractor.errors import DocumentError, UsageError
from worker import jobs
from worker.ledger import Ledger
from worker.pages import PageProcessor, Tally, network_sha256
from worker.records import is_url
from worker.settings import load_settings
from worker.storage import Storage, find

from .conftest import draw_page, readings


@pytest.fixture
def bucket(tmp_path):
    """A file system in memory with a few documents; nobody else's is in it."""
    system = fsspec.filesystem("memory")
    system.rm("/bucket", recursive=True) if system.exists("/bucket") else None
    for name in ("b.png", "a.png", "sub/c.PNG", ".hidden.png", "sub/.part/d.png", "notes.txt"):
        system.pipe(f"/bucket/{name}", draw_page(tmp_path / "page.png", "12").read_bytes())
    yield system
    system.rm("/bucket", recursive=True)


def test_a_folder_behind_a_url_is_walked_as_one_on_disk_is(bucket, tmp_path):
    folder = tmp_path / "bucket"
    bucket.get("/bucket/", str(folder), recursive=True)
    on_disk = [name.removeprefix(str(folder)) for name in find([folder])]
    assert [name.removeprefix("memory://bucket") for name in find(["memory://bucket"])] == on_disk
    assert list(find([folder.as_uri()])) == [f"{folder.as_uri()}{name}" for name in on_disk]
    assert on_disk == ["/a.png", "/b.png", "/sub/c.PNG"]


def test_what_is_not_there_is_said_at_once(bucket):
    for url, words in (
        ("memory://bucket/none", "not there"),
        ("nothing://x/y.png", "not known"),
    ):
        with pytest.raises(UsageError, match=words):
            find([url])
    bucket.pipe("/bucket/empty/notes.txt", b"")
    with pytest.raises(UsageError, match="no documents"):
        find(["memory://bucket/empty"])


def test_a_job_of_urls_gives_what_the_same_files_give(bucket, tmp_path, environment):
    folder = tmp_path / "bucket"
    bucket.get("/bucket/", str(folder), recursive=True)
    bucket.pipe("/bucket/bad.png", b"nothing")
    (folder / "bad.png").write_bytes(b"nothing")
    environment.chdir(tmp_path)
    results = []
    with Ledger(f"sqlite:///{tmp_path}/ledger") as ledger:
        for place, root in (("memory://bucket", "memory://bucket"), (folder.as_uri(), folder), (folder, folder)):
            network = network_sha256(load_settings())
            job = jobs.submit(ledger, [place], jobs.JobOptions(), executor="queue", network=network).job
            ids = [page.id for page in ledger.pages.queued(job.id)]
            assert PageProcessor(ledger, load_settings(), [root]).process(job.id, ids) == Tally(done=3)
            found = [page.to_dict() for page in jobs.collect(ledger, job.id)]
            for page in found:
                if page["error"]:
                    page["error"]["message"] = page["error"]["message"].replace(page["document"], "x")
                page["document"] = page["document"].removeprefix(str(place))
            results.append(found)
    assert results[0] == results[1] == results[2]
    assert [bool(page["error"]) for page in results[0]] == [False, False, True, False]


def test_a_remote_document_is_copied_once_for_all_its_pages_and_again_when_it_changed(bucket, tmp_path):
    storage = Storage(["memory://bucket"])
    with storage.local("", "memory://bucket/a.png") as first:
        assert load_page(first, 1).shape[0] == 48
        opened = os.fstat(int(first.name)).st_ino
    with storage.local("", "memory://bucket/a.png") as again:
        assert os.fstat(int(again.name)).st_ino == opened
    bucket.pipe("/bucket/a.png", draw_page(tmp_path / "long.png", "123456").read_bytes())
    with storage.local("", "memory://bucket/a.png") as changed:
        assert load_page(changed, 1).shape[1] == 40 + 26 * 6
    storage.close()


def test_nothing_of_a_copy_stays_in_the_temporary_folder(bucket, tmp_path, environment):
    environment.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    with Storage().local("", "memory://bucket/a.png"):
        assert set(tmp_path.iterdir()) == before


def refusal(storage, document) -> str:
    with pytest.raises(DocumentError) as caught, storage.local("/", document):
        pass
    return caught.value.code


def test_only_places_under_the_roots_are_opened(bucket, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    outside = draw_page(tmp_path / "outside.png")
    (root / "link.png").symlink_to(outside)
    bucket.pipe("/bucket-2/a.png", outside.read_bytes())
    storage = Storage([root, "memory://bucket/sub"])
    for document in (
        "memory://bucket/a.png",
        "memory://bucket-2/a.png",
        "memory://bucket/sub/../a.png",
        "memory://bucket/sub/%2e%2e/a.png",
        "simplecache::memory://bucket/sub/c.PNG",
        outside.as_uri(),
        (root / "link.png").as_uri(),
        f"file://{root}/../outside.png",
        str(root / "link.png"),
        "/dev/fd/0",
    ):
        assert refusal(storage, document) in ("outside_roots", "unreadable", "missing"), document
    assert refusal(storage, "memory://bucket/a.png") == "outside_roots"
    assert refusal(storage, (root / "link.png").as_uri()) == "outside_roots"
    assert refusal(storage, "/dev/fd/0") == "outside_roots"
    with storage.local("", "memory://bucket/sub/c.PNG") as path:
        assert path.stat().st_size > 0
    assert refusal(Storage([root]), "memory://bucket/sub/c.PNG") == "outside_roots"
    bucket.rm("/bucket-2", recursive=True)


def test_a_remote_document_may_not_be_larger_than_a_local_one(bucket):
    assert refusal(Storage(limits=Limits(max_bytes=10)), "memory://bucket/a.png") == "too_many_bytes"


def test_a_url_with_a_password_is_refused_and_not_repeated():
    for url in ("s3://key:hush-hush@bucket/a.png", "https://h/a.png?token=hush-hush"):
        with pytest.raises(UsageError) as caught:
            find([url])
        assert "hush" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_name_is_a_path_or_a_url_and_never_a_crash(name):
    if not is_url(name) and "\0" not in name:
        with Storage().local("/base", name) as path:
            assert isinstance(path, Path)


def test_the_command_line_takes_urls_as_they_are_written(digits, scans):
    expected = readings(digits("run", "scans/page-00.png", "--format", "jsonl"))
    url = f"file://{scans}/page-00.png"
    found = readings(digits("run", url, "--format", "jsonl", "--overlays", "drawn"))
    assert found[0]["document"] == url
    assert found[0]["fields"] == expected[0]["fields"]
    assert len(list((digits.folder / "drawn").iterdir())) == 1
    digits("run", "memory://nothing/here.png", code=2)
    assert "not there" in digits.messages
