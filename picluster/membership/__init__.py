"""Who is there: one link to each peer, judged by nothing but sealed datagrams from it.

mDNS says where a peer may be; whether it lives, where it is, and which run of its agent is talking, only its own datagrams
say. What is learnt here informs people and sets the order among candidates. No lease ever rests on it.
"""
