"""What nodes of several kinds tell of themselves, as far as it decides about software."""

from __future__ import annotations

from picluster.provision.facts import Facts

PI4_BOOKWORM = Facts(
    system="debian", architecture="arm64", python="3.11.2", libc="2.36", model="Raspberry Pi 4 Model B Rev 1.4"
)
PI5_TRIXIE = Facts(
    system="debian", architecture="arm64", python="3.13.5", libc="2.41", model="Raspberry Pi 5 Model B Rev 1.0"
)
PI3_32_BIT = Facts(
    system="raspbian", architecture="armhf", python="3.11.2", libc="2.36", model="Raspberry Pi 3 Model B Plus Rev 1.3"
)
ZERO_TRIXIE = Facts(
    system="raspbian", architecture="armhf", python="3.13.5", libc="2.41", model="Raspberry Pi Zero W Rev 1.1"
)
PC_BOOKWORM = Facts(system="debian", architecture="amd64", python="3.11.2", libc="2.36")
TOO_OLD = Facts(system="raspbian", architecture="armhf", python="3.9.2", libc="2.31", model="Raspberry Pi 2 Model B Rev 1.1")
