"""The pool: workers made ready beforehand do the same work, and nothing outlives the process that asked."""

import os
import subprocess
import sys
import time
from contextlib import suppress

PROGRAM = """
from multiprocessing import forkserver
from vemo.datasets.shards.layout import member_key
from vemo.datasets.shards.pool import map_over_processes, warm_up

def server():
    return forkserver._forkserver._forkserver_pid

if __name__ == "__main__":
    warm_up(member_key, 0)
    assert server() is None  # no workers, no server
    warm_up(member_key, 2)
    ready = server()
    assert ready is not None
    found = dict(map_over_processes(member_key, ["a", "b", "a/b"], 2))
    assert found == {key: member_key(key) for key in found} and len(found) == 3
    assert server() == ready
    print(ready)
"""


def test_a_warm_server_is_used_and_dies_with_its_parent(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with suppress(ProcessLookupError):
        for _ in range(100):
            os.kill(int(done.stdout), 0)
            time.sleep(0.05)
        raise AssertionError("the server outlived its parent")
