"""The lab: a stack of virtual Pis on one machine, real agents on them, and somebody who counts who answers.

    stack     which Pis there are, their addresses, and the files that their agents read
    world     what one can do to a stack: pull a cable, cut the network in two, freeze a process
    ├── namespaces   the real thing, on Linux without root: a kernel network for each Pi, and a switch between them
    └── loopback     the portable stand-in: plain processes on 127.0.0.1
    client    1,000 requests a second to the floating address; knows nothing of agents
    ledger    what the client saw, and what follows from it: outages, losses, double answers
    script    the scenes that the demo plays by itself
    operator  the keys of the demo, for a person
    mode      which of the two worlds this machine can have, and what happens when it is left

The lab starts agents by their command line and talks to them as any user would. It never asks them how an outage went: only
the client judges.
"""
