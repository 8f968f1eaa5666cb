"""The cache on disk: what was stored comes back, and nothing else does."""

from __future__ import annotations

import errno
import os
import threading

import pytest

import minijax as mj
from minijax.lower import cache

KEY = cache.key_of(["some text", "some processor"])
CODE = bytes(range(256)) * 40
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes are POSIX")


@pytest.fixture(autouse=True)
def place(tmp_path):
    before = mj.config.minijax_cache_dir
    mj.config.update("minijax_cache_dir", str(tmp_path / "kernels"))
    yield tmp_path / "kernels"
    mj.config.update("minijax_cache_dir", before)


def entry(place):
    (found,) = place.glob("*.o")
    return found


def test_what_was_stored_comes_back(place):
    assert cache.load(KEY) is None
    cache.store(KEY, CODE)
    assert cache.load(KEY) == CODE
    assert place.stat().st_mode & 0o777 == 0o700
    assert entry(place).stat().st_mode & 0o077 == 0
    assert [path.name for path in place.iterdir()] == [f"{KEY}.o"]


def test_keys_depend_on_every_part_and_on_where_it_ends():
    keys = {cache.key_of(parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["c", "ab"])}
    assert len(keys) == 5


@pytest.mark.parametrize("damage", [0, 10, 40, 100, 1000, -1])
def test_a_damaged_entry_is_ignored_and_written_again(place, damage):
    cache.store(KEY, CODE)
    data = bytearray(entry(place).read_bytes())
    data[damage] ^= 1
    entry(place).write_bytes(data)
    assert cache.load(KEY) is None
    cache.store(KEY, CODE)
    assert cache.load(KEY) == CODE


@pytest.mark.parametrize("length", [0, 5, 40, 60, 200, 10_000])
def test_a_truncated_entry_is_ignored(place, length):
    cache.store(KEY, CODE)
    entry(place).write_bytes(entry(place).read_bytes()[:length])
    assert cache.load(KEY) is None


def test_an_entry_under_another_name_is_ignored(place):
    other = cache.key_of(["other"])
    cache.store(KEY, CODE)
    entry(place).rename(place / f"{other}.o")
    assert cache.load(other) is None


@posix
def test_a_folder_that_others_can_write_to_is_not_used(place):
    place.mkdir()
    place.chmod(0o770)
    cache.store(KEY, CODE)
    assert list(place.iterdir()) == [] and cache.load(KEY) is None


@posix
def test_entries_that_others_can_write_to_or_that_are_links_are_not_used(place, tmp_path):
    cache.store(KEY, CODE)
    entry(place).chmod(0o660)
    assert cache.load(KEY) is None
    target = tmp_path / "elsewhere"
    entry(place).rename(target)
    target.chmod(0o600)
    (place / f"{KEY}.o").symlink_to(target)
    assert cache.load(KEY) is None


@posix
def test_a_folder_that_is_a_link_is_not_used(place, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "real")
    cache.store(KEY, CODE)
    assert cache.load(KEY) is None and list((tmp_path / "real").iterdir()) == []


@posix
def test_code_of_another_owner_is_not_used(place, monkeypatch):
    cache.store(KEY, CODE)
    monkeypatch.setattr(os, "geteuid", lambda: 12345678)
    assert cache.load(KEY) is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_no_error(place, monkeypatch, code):
    def refuse(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    cache.store(KEY, CODE)
    assert list(place.iterdir()) == [] and cache.load(KEY) is None


@posix
def test_a_write_that_fails_halfway_leaves_nothing(place):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (len(CODE) // 2, before[1])
    )  # the disk is full in the middle of the file
    try:
        cache.store(KEY, CODE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(place.iterdir()) == [] and cache.load(KEY) is None
    cache.store(KEY, CODE)
    assert cache.load(KEY) == CODE


def test_an_entry_that_cannot_be_read_is_ignored(place):
    cache.store(KEY, CODE)
    entry(place).unlink()
    (place / f"{KEY}.o").mkdir()
    assert cache.load(KEY) is None
    cache.store(KEY, CODE)  # cannot take its place either
    assert cache.load(KEY) is None and [path.name for path in place.iterdir()] == [f"{KEY}.o"]


@posix
def test_a_read_only_folder_is_read(place):
    cache.store(KEY, CODE)
    place.chmod(0o500)
    try:
        assert cache.load(KEY) == CODE
        cache.store(cache.key_of(["other"]), CODE)  # kept if the user is root, ignored otherwise: no error
        assert cache.load(KEY) == CODE
    finally:
        place.chmod(0o700)


def test_a_file_where_the_folder_should_be_is_no_error(place):
    place.write_text("not a folder")
    cache.store(KEY, CODE)
    assert cache.load(KEY) is None


def test_the_cache_can_be_switched_off(place):
    mj.config.update("jax_enable_compilation_cache", False)
    try:
        cache.store(KEY, CODE)
        assert not place.exists() and cache.load(KEY) is None and cache.folder() is None
    finally:
        mj.config.update("jax_enable_compilation_cache", True)


def test_many_writers_and_readers_never_meet_half_an_entry(place):
    seen, wrong = [], []

    def work():
        for _ in range(50):
            cache.store(KEY, CODE)
            found = cache.load(KEY)
            seen.append(found)
            if found != CODE:
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 400 and not wrong
    assert [path.name for path in place.iterdir()] == [f"{KEY}.o"]


def test_the_folder_is_kept_below_its_limit(place, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 50_000)
    keys = [cache.key_of([str(i)]) for i in range(10)]
    for age, key in enumerate(keys):
        cache.store(key, CODE)
        os.utime(place / f"{key}.o", (age, age))
    assert sum(path.stat().st_size for path in place.iterdir()) <= 50_000
    assert cache.load(keys[-1]) == CODE and cache.load(keys[0]) is None
