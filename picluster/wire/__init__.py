"""The one datagram format: sealed, versioned, at most 1,200 bytes. `docs/wire.md` draws it and argues what the seal gives.

Two layers. `seal` makes sure that a datagram comes from somebody who has the cluster's key; `body` turns fields into bytes
and back, and is not reached by anything that `seal` has not let through. `Codec` is both together, and `WireFault` names
the reasons to drop a datagram, which are counted and never answered.
"""

from picluster.wire.codec import Codec
from picluster.wire.faults import WireFault
from picluster.wire.fields import LONGEST_NAME, LONGEST_NOTE
from picluster.wire.keys import Keyring
from picluster.wire.seal import LONGEST_DATAGRAM

__all__ = ["LONGEST_DATAGRAM", "LONGEST_NAME", "LONGEST_NOTE", "Codec", "Keyring", "WireFault"]
