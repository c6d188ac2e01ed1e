"""The one door to TensorFlow: quiet, bounded in threads, deterministic.

TensorFlow takes seconds and half a gigabyte to import, so it is imported when a command needs it and nowhere at module
level; and its thread pools and its determinism can only be set before its first operation.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from extractor.errors import UsageError
from training.files import storage_error

THREADS_VARIABLE = "DIGITS_TRAIN_THREADS"
"""Environment variable: threads of one TensorFlow operation; by default two, or one on a machine of one core."""
CPU_DESCRIPTION = Path("/proc/cpuinfo")
"""Where Linux says what the processor can do."""


@cache
def tensorflow() -> Any:
    """Import TensorFlow, set up for repeatable training, and return the module.

    The set-up is process-wide, hence done once: operations are deterministic
    (``tf.config.experimental.enable_op_determinism``), run one at a time, each on the number of threads that
    ``DIGITS_TRAIN_THREADS`` names. The number of threads decides the order of sums, so it is fixed rather than taken
    from the load of the machine.

    Returns:
        The module ``tensorflow``; Keras is its ``keras`` attribute.

    Raises:
        UsageError: TensorFlow is not installed, or ``DIGITS_TRAIN_THREADS`` is no positive number.
    """
    threads = _threads()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet_stderr():
        try:
            import tensorflow as tf
        except ModuleNotFoundError as error:
            raise UsageError(
                "This needs TensorFlow, which is not installed", "pip install 'digit-extractor[train]'"
            ) from error
        # A program that has used TensorFlow before keeps the threads it has.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
    return tf


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Put what TensorFlow says when it cannot write into one line.

    TensorFlow writes past Python, with errors of its own: only their text says that the disk is full.

    Args:
        path: What is written: a file or folder.

    Raises:
        StorageError: Writing failed.
    """
    errors = tensorflow().errors
    try:
        yield
    except errors.OpError as error:
        reasons = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS)
        for number in reasons:
            if os.strerror(number) in str(error.message):
                raise storage_error(path, OSError(number, os.strerror(number))) from error
        raise


@contextlib.contextmanager
def half_precision(use: bool) -> Iterator[None]:
    """Build the layers of a block for bfloat16 arithmetic on float32 weights where the machine has it.

    A processor without it can only imitate it, and is then far slower than in float32.

    Args:
        use: Whether to; nothing changes otherwise.
    """
    policies = tensorflow().keras.mixed_precision
    before = policies.dtype_policy()
    policies.set_dtype_policy("mixed_bfloat16" if use and computes_in_half() else before)
    try:
        yield
    finally:
        policies.set_dtype_policy(before)


@cache
def computes_in_half() -> bool:
    """Tell whether this machine computes in bfloat16: a GPU, or a processor that Linux says so of."""
    if tensorflow().config.list_physical_devices("GPU"):
        return True
    try:
        described = CPU_DESCRIPTION.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", described) is not None


def _threads() -> int:
    value = os.environ.get(THREADS_VARIABLE, "")
    if not value:
        return min(2, os.cpu_count() or 1)
    if not value.isdecimal() or int(value) < 1:
        raise UsageError(f"{THREADS_VARIABLE} is {value!r}, not a positive number")
    return int(value)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to the error stream, and show it only when the block fails.

    Native libraries write there past Python and past every log level, also when all is well.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        try:
            stderr = os.dup(2)
        except OSError:  # no error stream at all, as under some service managers
            yield
            return
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        except UsageError:
            failed = False
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                held.seek(0)
                sys.stderr.write(held.read().decode(errors="replace"))
