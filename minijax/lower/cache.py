"""Object code kept on disk between processes.

In: a key (a hash of the LLVM IR, the processor and the versions of what made the code) and object code. Out: the code that was
stored under that key, or None: whatever is wrong with the folder or an entry, the answer is that there is nothing, and the code
is made anew. Machine code that somebody else could have written is never loaded: the folder and its entries must belong to this
user, be writable by nobody else, and not be links; every entry carries its key and a checksum. Nothing is unpickled, no text
found on disk is executed.

Entries are written to a temporary file and renamed, so that readers and several writers never meet half of one. When the
folder grows over `LIMIT` bytes, what has not been read for longest goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from ..config import config

__all__ = ["LIMIT", "folder", "key_of", "load", "store"]

LIMIT = 256 << 20  # bytes of all entries
_MAGIC = b"minijax object code 1\n"
_SUFFIX = ".o"
_SHARED = stat.S_IWGRP | stat.S_IWOTH


def key_of(parts: Sequence[str]) -> str:
    """The key for code that depends on `parts`: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def folder() -> Path | None:
    """The folder of the cache, made if need be; None where there is none to be trusted or the cache is switched off.

    It is `config.minijax_cache_dir` (environment: MINIJAX_CACHE_DIR), or the user's cache folder.
    """
    if not config.jax_enable_compilation_cache:
        return None
    path = Path(config.minijax_cache_dir or Path(platformdirs.user_cache_dir("minijax", appauthor=False)) / "kernels")
    with contextlib.suppress(OSError):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path if _is_ours(path, stat.S_ISDIR) else None


def _is_ours(path: Path, is_kind: object) -> bool:
    """Whether `path` is no link, of the right kind, and nobody but this user can change it."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return _trusted(found, is_kind)


def _trusted(found: os.stat_result, is_kind: object) -> bool:
    if not is_kind(found.st_mode):  # type: ignore[operator]
        return False
    if not hasattr(os, "geteuid"):  # Windows: a user's profile is closed to others
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & _SHARED


def load(key: str) -> bytes | None:
    """The object code stored under `key`; None if there is none, or none that can be trusted."""
    path = folder()
    if path is None:
        return None
    try:
        handle = os.open(
            path / (key + _SUFFIX), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        )
    except OSError:
        return None
    if not _trusted(os.fstat(handle), stat.S_ISREG):  # before `open`, which refuses folders
        os.close(handle)
        return None
    with open(handle, "rb") as file:
        try:
            data = file.read(LIMIT)
        except OSError:
            return None
    code = _unsealed(key, data)
    if code is not None:
        with contextlib.suppress(OSError):  # what is used stays longest
            os.utime(path / (key + _SUFFIX))
    return code


def store(key: str, code: bytes) -> None:
    """Keep `code` under `key`; where that cannot be done (full disk, read-only folder), nothing happens."""
    path = folder()
    if path is None:
        return
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path, prefix="new-")  # made with mode 0600
        with open(handle, "wb") as file:
            file.write(_sealed(key, code))
        os.replace(temporary, path / (key + _SUFFIX))
        temporary = None
        _shrink(path)
    except OSError:
        pass
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _sealed(key: str, code: bytes) -> bytes:
    body = key.encode() + b"\n" + code
    return _MAGIC + hashlib.sha256(body).digest() + body


def _unsealed(key: str, data: bytes) -> bytes | None:
    start = len(_MAGIC) + hashlib.sha256().digest_size
    body, prefix = data[start:], key.encode() + b"\n"
    if data[:start] != _MAGIC + hashlib.sha256(body).digest() or not body.startswith(prefix):
        return None
    return body[len(prefix) :]


def _shrink(path: Path) -> None:
    """Remove what has not been used for longest until the folder is below three quarters of its limit."""
    entries = []
    for entry in os.scandir(path):
        with contextlib.suppress(OSError):
            found = entry.stat(follow_symlinks=False)
            entries.append((found.st_mtime, found.st_size, entry.path))
    total = sum(size for _, size, _ in entries)
    if total <= LIMIT:
        return
    for _, size, name in sorted(entries):
        with contextlib.suppress(OSError):
            os.unlink(name)
            total -= size
        if total <= LIMIT * 3 // 4:
            return
