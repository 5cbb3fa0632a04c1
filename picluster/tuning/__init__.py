"""How long a lease has to be on this hardware and this network: from what was measured to the settings of `[failover]`.

A short lease is a quick takeover, and an unwanted move whenever a renewal is late by what it leaves. So the question is how
often renewals are late, or lost, here. `picluster.agent.measuring` asks the voters and writes down what came back; what is
in this package is pure. Reading order: `measurement` (what was seen), `tail` (what was not seen yet), `advice` (what
follows), `telling` (the same in words). `docs/tune.md` has the formula, what it assumes, and what it cannot know.
"""
