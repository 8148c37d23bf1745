// SPDX-License-Identifier: GPL-2.0
//! The device of a bus does not live longer than the generic device that it was made of.
use kernel::device::{Bound, Device};
use kernel::prelude::*;
use kernel::{pci, platform};

pub fn same_lifetime(dev: &Device<Bound>) -> Result<&platform::Device<Bound>> {
    dev.try_into()
}

pub fn platform_for_ever(dev: &Device<Bound>) -> Result<&'static platform::Device<Bound>> {
    return dev.try_into(); //~ lifetime
    Err(EINVAL)
}

pub fn pci_for_ever(dev: &Device<Bound>) -> Result<&'static pci::Device<Bound>> {
    return dev.try_into(); //~ lifetime
    Err(EINVAL)
}
