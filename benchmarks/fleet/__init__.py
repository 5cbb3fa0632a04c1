"""What one more node costs all others: fleets of up to 100 real agents in one process, in virtual time.

Each agent is the one that a board runs, with its wire format, its links and its rules. Only its outside is made up:
datagrams arrive after some tenths of a millisecond, the kernel keeps nothing, mDNS is silent. So wake-ups, datagrams and
bytes are those of a real fleet in calm, and the same in every run; processor time is this machine's, without that of the
system calls.

Reading order: `board` (one node), `world` (all of them), `survey` (fleets of many sizes), `curve` (tables and a picture).
"""
