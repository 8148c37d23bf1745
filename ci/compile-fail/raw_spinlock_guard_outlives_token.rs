// SPDX-License-Identifier: GPL-2.0
//! A guard from `lock_with()` holds on to the token, and so does its lock.
use kernel::interrupt::local_interrupt_disable;
use kernel::sync::{RawSpinLockIrq, RawSpinLockIrqHeldGuard};

pub fn dropped(lock: &RawSpinLockIrq<u32>) {
    let token = local_interrupt_disable();
    let guard = lock.lock_with(&token);
    drop(token); //~ E0505
    drop(guard);
}

pub fn forgotten(lock: &RawSpinLockIrq<u32>) {
    let token = local_interrupt_disable();
    let guard = lock.lock_with(&token);
    core::mem::forget(token); //~ E0505
    drop(guard);
}

pub fn lock_of_the_guard(lock: &RawSpinLockIrq<u32>) {
    let token = local_interrupt_disable();
    let held = lock.lock_with(&token).lock_ref();
    drop(token); //~ E0505
    drop(held.lock());
}

pub fn kept<'a>(lock: &'a RawSpinLockIrq<u32>) {
    let mut kept = None;
    {
        let token = local_interrupt_disable();
        kept = Some(lock.lock_with(&token)); //~ E0597
    }
    drop(kept.take());
    kept = Some(lock.lock_with(&local_interrupt_disable())); //~ E0716
    let _: Option<RawSpinLockIrqHeldGuard<'_, u32>> = kept;
}
