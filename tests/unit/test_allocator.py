"""The C library's answer to being asked to keep memory."""

import platform
import subprocess
import sys

import pytest

from focusfix import allocator

_TOUCH = """
import ctypes, mmap, resource, sys
from focusfix.allocator import keep_freed_memory, return_large_blocks
if sys.argv[1] != "leave":
    assert keep_freed_memory()
if sys.argv[1] == "return":
    assert return_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def touch():
    place = libc.malloc(50 << 20)
    ctypes.memset(place, 1, 50 << 20)
    libc.free(place)
libc.mallopt(-3, 128 << 10) if sys.argv[1] == "leave" else None
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library alone knows how")
def test_memory_is_not_fetched_from_the_system_again_until_it_is_short() -> None:
    faults = {
        mode: int(
            subprocess.run(
                [sys.executable, "-c", _TOUCH, mode], check=True, capture_output=True, text=True
            ).stdout
        )
        for mode in ("keep", "return", "leave")
    }
    pages = 5 * (50 << 20) // 4096
    assert faults["keep"] < pages / 20
    assert faults["return"] > pages / 20
    assert faults["leave"] > pages / 20


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    assert allocator.keep_freed_memory.__wrapped__() is False
