// SPDX-License-Identifier: GPL-2.0
//! A token that a guard lends holds on to the guard.
use kernel::interrupt::LocalInterruptDisabled;
use kernel::sync::RawSpinLockIrq;

fn used(_: &LocalInterruptDisabled) {}

pub fn token(a: &RawSpinLockIrq<u32>, b: &RawSpinLockIrq<u32>) {
    let mut guard = a.lock();
    let mut other = b.lock();
    let token = guard.interrupt_disabled();
    core::mem::swap(&mut guard, &mut other); //~ E0502
    guard = a.lock(); //~ E0506
    used(token);
    let _ = (&mut guard, &mut other); //~
}

pub fn guard_of_token(a: &RawSpinLockIrq<u32>, b: &RawSpinLockIrq<u32>) {
    let guard = a.lock();
    let inner = b.lock_with(guard.interrupt_disabled());
    core::mem::forget(guard); //~ E0505
    drop(inner);
}

pub fn dropped(a: &RawSpinLockIrq<u32>) {
    let guard = a.lock();
    let token = guard.interrupt_disabled();
    drop(guard); //~ E0505
    used(token);
}
