// SPDX-License-Identifier: GPL-2.0
//! A line is one that the chip has.
use kernel::gpio::driver::{Chip, Offset};
use kernel::gpio::{LineDirection, PhysicalLineLevel};
use kernel::prelude::*;

// What `module!` and `#[vtable]` have in common.
pub struct LocalModule;
impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"snippet";
    const THIS_MODULE: kernel::ThisModule = unsafe { kernel::ThisModule::from_ptr(core::ptr::null_mut()) };
}

pub struct Eight;

#[vtable]
impl Chip for Eight {
    type Data<'a> = ();
    const NGPIO: u16 = 8;

    fn get_direction(_data: Pin<&()>, _offset: Offset<Self>) -> Result<LineDirection> {
        Err(EIO)
    }
    fn direction_input(_data: Pin<&()>, _offset: Offset<Self>) -> Result {
        Err(EIO)
    }
    fn direction_output(_data: Pin<&()>, _offset: Offset<Self>, _level: PhysicalLineLevel) -> Result {
        Err(EIO)
    }
    fn get(_data: Pin<&()>, _offset: Offset<Self>) -> Result<PhysicalLineLevel> {
        Err(EIO)
    }
    fn set(_data: Pin<&()>, _offset: Offset<Self>, _level: PhysicalLineLevel) -> Result {
        Err(EIO)
    }
}

pub struct Sixteen;

#[vtable]
impl Chip for Sixteen {
    type Data<'a> = ();
    const NGPIO: u16 = 16;

    fn get_direction(_data: Pin<&()>, _offset: Offset<Self>) -> Result<LineDirection> {
        Err(EIO)
    }
    fn direction_input(_data: Pin<&()>, _offset: Offset<Self>) -> Result {
        Err(EIO)
    }
    fn direction_output(_data: Pin<&()>, _offset: Offset<Self>, _level: PhysicalLineLevel) -> Result {
        Err(EIO)
    }
    fn get(_data: Pin<&()>, _offset: Offset<Self>) -> Result<PhysicalLineLevel> {
        Err(EIO)
    }
    fn set(_data: Pin<&()>, _offset: Offset<Self>, _level: PhysicalLineLevel) -> Result {
        Err(EIO)
    }
}

pub const LAST: Offset<Eight> = Offset::new::<7>();
pub const NO_SUCH: Offset<Eight> = Offset::new::<8>(); //~ E0080
pub const OF_OTHER: Offset<Sixteen> = Offset::new::<8>();

pub fn check(data: Pin<&()>) -> Result {
    Eight::set(data, OF_OTHER, PhysicalLineLevel::High)?; //~ E0308
    Eight::set(data, 8, PhysicalLineLevel::High)?; //~ E0308
    Eight::set(data, Offset { value: 8, ..LAST }, PhysicalLineLevel::High)?; //~ E0451
    Eight::set(data, unsafe { Offset::from_raw(8) }, PhysicalLineLevel::High)?; //~ E0624

    Eight::set(data, LAST, PhysicalLineLevel::High)
}
