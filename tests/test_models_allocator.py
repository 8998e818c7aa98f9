"""glibc's malloc keeps freed blocks in the process, and returns very large ones."""

import json
import subprocess
import sys

import pytest

from lab_lib.models.fast_cpu.allocator import LARGE

# Prints the bytes of the heap and of blocks outside it: at first, with one block of each size, and after both are free.
SCRIPT = """
import ctypes, json, sys
from lab_lib.models.fast_cpu.allocator import keep_freed_memory

libc = ctypes.CDLL("libc.so.6")
names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
Info = type("Info", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in names]})
libc.mallinfo2.restype = Info
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
now = lambda: (libc.mallinfo2().arena, libc.mallinfo2().hblkhd)

assert keep_freed_memory()
rows = [now()]
blocks = [libc.malloc(int(size)) for size in sys.argv[1:]]
rows.append(now())
for block in blocks:
    libc.free(block)
print(json.dumps([*rows, now()]))
"""


def test_large_blocks_are_returned_and_others_kept() -> None:
    import ctypes

    if not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("needs glibc 2.33 or newer")
    small, large = LARGE // 2, 4 * LARGE
    command = [sys.executable, "-c", SCRIPT, str(small), str(large)]
    first, full, free = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert small <= full[0] - first[0] < LARGE  # in the heap
    assert free[0] == full[0]
    assert large <= full[1] - first[1] < large + LARGE  # outside it
    assert free[1] == first[1]
