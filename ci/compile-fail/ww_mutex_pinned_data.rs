// SPDX-License-Identifier: GPL-2.0
//! A guard does not move pinned data.
use core::marker::PhantomPinned;
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_ww_class, LockSet, Mutex};

define_ww_class!(A);

pub struct Pinned(u32, PhantomPinned);

pub fn alone(mutex: &Mutex<A, Pinned>, other: &Mutex<A, u32>) {
    let _ = mutex;
    let _: &mut Pinned = &mut mutex.lock(); //~ E0596
    let _: &mut u32 = &mut other.lock();
    let _: Pin<&mut Pinned> = mutex.lock().as_mut();
}

pub fn together(mutex: &Mutex<A, Pinned>, other: &Mutex<A, u32>) -> Result {
    LockSet::new().run(|round| {
        let mut pinned = round.lock(mutex)?;
        let _: &mut Pinned = &mut pinned; //~ E0596
        let _: &mut u32 = &mut *round.lock(other)?;
        let _: Pin<&mut Pinned> = pinned.as_mut();
        Ok(())
    })
}
