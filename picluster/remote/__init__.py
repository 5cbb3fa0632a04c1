"""What runs on a node, over SSH and as root, before anything of ours is there: standard library only, Python 3.9 or newer.

Nothing is installed for it. The controller starts `python3 -c BOOT` on the node and sends `payload()`, the text of the
modules in this package; they live in that process's memory, and go with it.

    controller                                   node
    python3 -c BOOT                    ──▶
                                       ◀──       picluster ready
    the payload: its length in a line,
    then as many bytes                 ──▶       the modules are there (`arrival`), `program` listens
    {"do": "facts", "question": {…}}   ──▶
                                       ◀──       {"kind": "facts", "facts": {…}}
                                       ◀──       {"kind": "end"}
    {"do": "apply", "steps": […], …}   ──▶
    {"blob": DIGEST, "size": n}, bytes
    {"end": true}                      ──▶
                                       ◀──       {"kind": "begin", "step": 0} … {"kind": "done", "step": 0, "changed": true}
                                       ◀──       {"kind": "end"}

A session answers one request after another until its input ends, so facts and what follows from them need only one login.
Between a request and its `end` the controller says nothing more; its input ending then means that it is gone, and the
session stops after the step at hand. Whatever was cut off is simply asked for again.

Python loads a module of this package only when it is needed (PEP 451), so a question about facts does not wait for what
installs packages to be compiled. On the controller the same modules are imported like any others, and so are they in tests.
"""

from __future__ import annotations

import functools
import json
import zlib
from pathlib import Path

__all__ = ["BOOT", "payload"]

BOOT = (
    # The working directory is somebody's home: nothing may be imported from there.
    "import sys;sys.path=[d for d in sys.path if d];import json,zlib;i=sys.stdin.buffer;"
    'print("picluster ready",flush=True);s=json.loads(zlib.decompress(i.read(int(i.readline()))));'
    'exec(s["picluster.remote.arrival"]);arrive(s);'
    "import picluster.remote.program as p;sys.exit(p.main(i,sys.stdout.buffer))"
)
"""For `python3 -c`, in one line and without single quotes."""


@functools.cache
def payload() -> bytes:
    """The modules that run on the node: JSON, name → text, compressed."""
    here = Path(__file__).parent
    sources = {
        f"{__name__}.{path.stem}": path.read_text(encoding="utf-8")
        for path in sorted(here.glob("*.py"))
        if path.stem != "__init__"
    }
    return zlib.compress(json.dumps(sources).encode(), 9)
