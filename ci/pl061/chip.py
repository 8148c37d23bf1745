# SPDX-License-Identifier: GPL-2.0
"""A guest whose PL061 is looked at."""
from machine import Guest


class ChipGuest(Guest):
    CHIP, ADDRESS = "pl061", 0x09030000
