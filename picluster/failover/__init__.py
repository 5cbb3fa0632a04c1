"""The rules of failover: who holds a floating address, and why never two at once. Pure: no socket, no clock, no thread.

A floating address is rented, not owned. Who wants to hold it asks the *voters* for a *lease* of one term T, renews it every
2/5 T or sooner, and stops by itself when it runs out. Published basis: PaxosLease (Trencseni, Gazso, Reinhardt: "diskless
Paxos for leases", arXiv 1209.4187), without its ballots, which a lease that is asked for again and again does not need;
pre-vote and check-quorum as in Raft (Ongaro's thesis, sections 6.2 and 9.6) for calm elections.

Safety, in four lines
    1. A voter never has two live grants for one address: it grants to B only once its grant to A has run out on its own
       clock, or A has released it.                                                       (`voter.Voter.conflicting_grant`)
    2. A voter counts its grant from *receiving* the claim, for T and the drift margin. A holder counts its lease from
       *sending* the claim, for T. Receiving comes after sending, and the margin is more than two clocks differ in T: so
       the holder's lease ends before any voter of its majority may grant to another.
                                                    (`voter.Voter.grant_end_ns`, `candidacy.Candidacy.entitled_until_ns`)
    3. Two majorities share a voter. So two nodes never hold at once. Neighbouring configurations differ by one voter at
       most, so that their majorities share one as well; and a voter refuses who lives in an older configuration than its
       own.                                                                                         (`member.check_step`)
    4. A voter that restarts has forgotten its grants: it grants nothing until every grant that it may have made has run
       out.                                                                                     (`voter.quarantine_ns`)

And on the way out: a holder stops answering before it says that it has (`candidacy.Candidacy.silence_then_release`), and
when it has said so, no grant of an earlier claim counts any more, however late it arrives.

Nothing else is needed: not the order, the delivery or the uniqueness of packets, no synchronised clocks, no disk. Each claim
has a number, each grant names it, and the holder looks up *its own* sending time of that number.

Liveness only: the first in rank waits nothing (`ranking`), a candidate asks before it claims, so that one that is cut off
from the holder alone disturbs nobody; a voter ignores claims that are older than the latest it saw.

The one exception is chosen by the user: with two voters and `quorum.two_node = "gateway"` the gateway counts as a third
voter while the other one is silent. It always says yes, so rule 1 does not hold for it: if the cable between the two is
cut while both reach the gateway, both will hold. A witness has no such gap.

Reading order: `voter`, `ballot`, `candidacy`, `member`; `ranking`, `renewing`, `announcing`, `releasing` and `effects` as
needed. `docs/failover.md` has it at more length.
"""
