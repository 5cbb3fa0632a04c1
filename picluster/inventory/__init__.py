"""The inventory: the one file in which a user describes a cluster, from its text to frozen values.

`load` takes text and touches no file. The value that it returns has been checked throughout; a text with mistakes raises
one InventoryError that lists them all, each with its line, its key, what is wrong and how to mend it. Reading order:
`keys` (what may stand in the file), `loader` (how the sections come together), then a module for each section.
"""

from picluster.inventory.loader import load

__all__ = ["load"]
