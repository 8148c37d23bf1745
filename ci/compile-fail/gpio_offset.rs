// SPDX-License-Identifier: GPL-2.0
//! A line is one that the type of the chip has, and cannot be made up.
use kernel::gpio::driver::{Chip, Offset, Registered};
use kernel::gpio::PhysicalLineLevel;
use kernel::prelude::*;

pub fn check<T: Chip, U: Chip>(chip: &Registered<'_, T>, line: Offset<T>, other: Offset<U>) -> Result {
    T::set(chip, other, PhysicalLineLevel::High)?; //~ E0308
    T::set(chip, 8, PhysicalLineLevel::High)?; //~ E0308
    T::set(chip, Offset { value: 8, ..line }, PhysicalLineLevel::High)?; //~ E0451
    T::set(chip, unsafe { Offset::from_raw(8) }, PhysicalLineLevel::High)?; //~ E0624

    T::set(chip, line, PhysicalLineLevel::High)
}
