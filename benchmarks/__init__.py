"""Measured figures, each beside its peers' from the same run on the same machine: `make bench`.

    systems/     what is measured: picluster in two presets, keepalived in three settings, Pacemaker in two, ucarp
    scenarios/   what happens to them, and which figures come of it
    stage        a system on virtual Pis, and what a client sees of it
    plan         which scenario is played under which system, and how often
    runner       plays the plan, each system in namespaces of its own
    results      what came of it; kept as JSON
    goals        what is to be reached
    table, chart the results for people

The last four and the plan are pure: no figure is typed by hand, and everything printed or drawn follows from the JSON.
docs/benchmarks.md says how each figure is taken, and what of it is fair.
"""
