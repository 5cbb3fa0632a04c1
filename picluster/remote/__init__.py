"""What runs on a node over SSH before anything of ours is there: standard library only, Python 3.9 or newer, sent as text."""
