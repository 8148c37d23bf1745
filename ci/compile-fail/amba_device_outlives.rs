// SPDX-License-Identifier: GPL-2.0
//! An AMBA device does not live longer than the generic device that it was made of.
use kernel::amba;
use kernel::device::{Bound, Device};
use kernel::prelude::*;

pub fn same_lifetime(dev: &Device<Bound>) -> Result<&amba::Device<Bound>> {
    dev.try_into()
}

pub fn for_ever(dev: &Device<Bound>) -> Result<&'static amba::Device<Bound>> {
    return dev.try_into(); //~ lifetime
    Err(EINVAL)
}
