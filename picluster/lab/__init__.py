"""The lab: a stack of virtual Pis on one machine, real agents on them, and somebody who counts who answers.

    stack        which Pis there are, their addresses, and the files that their agents read
    world        what one can do to a stack: pull a cable, cut the network in two, freeze a process
    ├── namespaces   the real thing, on Linux without root: a kernel network for each Pi, a `switch` between them, and a bad
    │                `cable` where one is wanted
    └── loopback     the portable stand-in: plain processes on 127.0.0.1, on a `leash`, and a `relay` between them
    machines     Pis that really boot, with the agent as a service, for root: each is a `machine` in a container of
                 systemd-nspawn, with a `disk` over a common `root_system`, and in `control_groups`. A `caretaker` keeps
                 them up between two commands of a person; `standing` is the person's end
    fresh        the same with a fresh `card` in each, and nothing of picluster on it; apt finds `packages` at the switch
    mode         which of the two this machine can have, and how it is entered and left
    programs     starting and killing; `responder` is the service behind the floating address
    client       1,000 requests a second to that address, and with `frames` an audit of who would answer; asks no agent
    ledger       what the client saw, and what follows from it: outages, losses, double answers
    script       the scenes that the demo plays by itself; `report` prints what came of them
    operator     the keys of the demo, for a person
    simulation   the rules alone, in a seeded world without a kernel

The lab starts agents by their command line and talks to them as any user would. It never asks them how an outage went:
only the client judges.
"""
