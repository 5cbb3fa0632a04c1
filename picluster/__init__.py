"""picluster: a Raspberry Pi home-lab cluster toolkit.

Start reading at `picluster.failover`, the rules that decide who holds a floating address; `docs/architecture.md` shows the
rest of the house.
"""

__version__ = "0.1.0"
