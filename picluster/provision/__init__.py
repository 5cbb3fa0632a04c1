"""What a node should be like, what it is like, and what has to be done about the difference. Pure: no socket, no file.

    inventory ──recipe──▶ resources ─┐
                                     ├─ compare ──▶ changes, each with its reason, its diff and its steps ──▶ plan
    node ──────probe────▶ facts ─────┘

A node is asked once, for everything that its resources want to know (`facts`), and told once, everything that is to be
done (`steps`). Both are done on the node by `picluster.remote`. So a node on which nothing is to change costs one round
trip.

What counts is the node as it lives, not whether a file has just been written: a handler that was lost with a cut connection
is found missing by the next run, because its effect is.
"""
