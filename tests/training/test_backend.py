"""Half precision is used where the machine computes in it, and nowhere else: imitated it is far slower."""

from __future__ import annotations

import pytest

from training import backend

pytestmark = pytest.mark.train


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose processor has the flags that the test gives it."""

    def describe(flags):
        path = tmp_path / "cpuinfo"
        path.write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse4_2\n", encoding="ascii")
        monkeypatch.setattr(backend, "CPU_DESCRIPTION", path)
        backend.computes_in_half.cache_clear()

    if backend.tensorflow().config.list_physical_devices("GPU"):
        pytest.skip("a GPU computes in half precision whatever the processor does")
    yield describe
    backend.computes_in_half.cache_clear()


def policy(use):
    with backend.half_precision(use):
        return backend.tensorflow().keras.mixed_precision.dtype_policy().name


@pytest.mark.parametrize("flags", ["avx2 avx512_bf16", "amx_bf16", "asimd bf16"])
def test_a_processor_that_computes_in_half_precision_is_used_so(machine, flags):
    machine(flags)
    assert policy(True) == "mixed_bfloat16"
    assert policy(False) == "float32"


@pytest.mark.parametrize("flags", ["avx2 fma", "avx512f avx512_vnni", "notbf16x"])
def test_any_other_computes_in_single_precision(machine, flags):
    machine(flags)
    assert policy(True) == "float32"


def test_a_system_that_does_not_describe_its_processor_computes_in_single_precision(machine, tmp_path, monkeypatch):
    machine("amx_bf16")
    monkeypatch.setattr(backend, "CPU_DESCRIPTION", tmp_path / "absent")
    assert policy(True) == "float32"
