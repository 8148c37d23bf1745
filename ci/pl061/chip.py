# SPDX-License-Identifier: GPL-2.0
"""A machine whose PL061 is looked at."""
from machine import Guest
from machine import Outside


class Chip(Outside):
    CHIP, ADDRESS = "pl061", 0x09030000


class ChipGuest(Chip, Guest):
    pass
