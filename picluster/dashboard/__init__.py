"""A `ClusterSnapshot` drawn in a terminal, in an SVG, or as plain lines.

Drawing is a pure function of a snapshot, a size and a moment (for the blinking lamps): every panel is a module that turns a
snapshot into lines of exactly the width that it is given, and can be looked at alone, `python -m picluster.dashboard.nodes`.
`screen` puts the panels together, `live` alone knows of a terminal and of passing time.

Three rules keep it readable everywhere. Nothing is told by colour alone: each state has a glyph and a word. Colours are
mid-tones that stand out from white and from black alike; all else is the terminal's own foreground, bold or dim. Where the
terminal has no Unicode, each glyph has an ASCII stand-in of the same width.
"""
