"""The peer's own loop: for each line `n` on standard input, n passes of a trace through an LRU; answers the seconds taken.

Usage: lru_loop.py TRACE CAPACITY, where TRACE is in the peer's binary format oracleGeneral.
"""

import sys
import time

import libcachesim

reader = libcachesim.TraceReader(
    sys.argv[1],
    libcachesim.TraceType.ORACLE_GENERAL_TRACE,
    libcachesim.ReaderInitParam(ignore_obj_size=True),
)
# A table of 2^20 places: as many as there are objects.
cache = libcachesim.LRU(int(sys.argv[2]), hashpower=20)
print(libcachesim.__version__, flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(int(line)):
        reader.reset()
        cache.process_trace(reader)
    print(time.perf_counter() - start, flush=True)
