"""Who may be there: what agents tell each other by mDNS, and what this agent makes of it. Pure.

`records` turns an announcement into a DNS-SD service and an untrusted service back into a sighting. `roster` keeps the
sightings as hints: addresses that are worth a sealed datagram. mDNS finds peers. It never decides who is alive, and a
forged record can do no more than add a bounded hint, since an address counts only once a sealed datagram came from it.
"""
