// SPDX-License-Identifier: GPL-2.0
//! A shared guard of a global lock gives access to data that is `Sync` only.
use core::cell::Cell;
use kernel::prelude::*;
use kernel::sync::{global_lock, GlobalGuard, GlobalLockedBy};

global_lock! {
    // SAFETY: Nothing runs this.
    unsafe(uninit) static LOCK: Mutex<()> = ();
}

pub fn shared(
    guard: &mut GlobalGuard<LOCK>,
    number: &GlobalLockedBy<u32, LOCK>,
    cell: &GlobalLockedBy<Cell<u32>, LOCK>,
) {
    let _ = number.as_ref(guard);
    cell.as_mut(guard).set(1);
    cell.as_ref(guard).set(2); //~ E0277
}
