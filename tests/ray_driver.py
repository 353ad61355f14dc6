"""A driver in a process of its own, for the tests that kill it: ray_driver.py JOB-AS-JSON ADDRESS CASES."""

import json
import sys
from contextlib import closing

from benchmarks.run.executors.dispatch import dispatch
from benchmarks.run.executors.ray_workers import RayPool
from benchmarks.run.units import Job, Unit

if __name__ == "__main__":
    words, address, cases = sys.argv[1:]
    plain = json.loads(words)
    job = Job(**plain | {"words": tuple(plain["words"])})
    units = [Unit(0, start, start + 4, ("steady", "other")) for start in range(0, int(cases), 4)]
    with closing(RayPool(job, workers=2, address=address or None)) as pool:
        for done in dispatch(pool, units):
            print(done.worker, done.lost, flush=True)
