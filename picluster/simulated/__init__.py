"""A whole cluster in memory, from one seed: clocks that drift, a network that loses, kernels that keep leases, and faults.

There is one *true time*, whole nanoseconds since the world began, which no node can see: each reads its own clock. Whatever
happens is an event on one heap, in the order of true time and then of scheduling, so a seed always gives the same history.

Reading order: `world` (the phases of a run), `machine` and `process` (one node), `oracle` (what must never happen), `calm`
(what must happen once faults stop); `timeline`, `clock`, `kernel`, `network`, `plan`, `faults`, `controller` as needed.
"""
