// SPDX-License-Identifier: GPL-2.0
//! A guard holds on to the lock.
use kernel::prelude::*;
use kernel::sync::{RawSpinLock, RawSpinLockIrq};

pub fn plain(lock: Pin<KBox<RawSpinLock<u32>>>) {
    let guard = lock.lock();
    drop(lock); //~ E0505
    drop(guard);
}

pub fn irq(lock: Pin<KBox<RawSpinLockIrq<u32>>>) {
    let guard = lock.lock();
    drop(lock); //~ E0505
    drop(guard);
}
