"""One job of twenty steps on fresh nodes, done by picluster's peers and by a floor, measured side by side.

    hosts        who is to be provisioned: address, user, key; fresh ones, which a lab or a shelf of boards has
    job          the twenty steps, as values and as files that all peers are given
    peers/       the same job in each peer's own words: a playbook, a deploy file, a pair of scripts
    contestants  the peers, how each is installed and called
    floor        the least that such a job can cost: one script that checks, one that does what is missing
    runner       measures dry run, job, job again, dry run again; and asks the floor whether the job is done
    table        what came of it, for people
    lab          fresh virtual Pis for one contestant

A fresh node is fresh once, so every contestant gets new ones (`python -m benchmarks.provisioning`).
"""
