// SPDX-License-Identifier: GPL-2.0
//! The guard of `RawSpinLockIrq::lock_with()` and its lock stay where interrupts are disabled.
use kernel::interrupt::LocalInterruptDisabled;
use kernel::sync::{CondVar, RawSpinLock, RawSpinLockGuard, RawSpinLockIrq, RawSpinLockIrqHeldGuard};

fn send<T: Send>(_: T) {}
fn share<T: Sync>(_: &T) {}

pub fn types(lock: &RawSpinLockIrq<u32>, token: &LocalInterruptDisabled) {
    let guard: RawSpinLockIrqHeldGuard<'_, u32> = lock.lock_with(token);
    let other: RawSpinLockGuard<'_, u32> = lock.lock_with(token); //~ E0308
    let other: &RawSpinLock<u32> = guard.lock_ref(); //~ E0308
    let other: &RawSpinLockIrq<u32> = guard.lock_ref(); //~ E0308
}

pub fn contexts(lock: &RawSpinLockIrq<u32>, token: &LocalInterruptDisabled, condvar: &CondVar) {
    let mut guard = lock.lock_with(token);
    send(guard.lock_ref()); //~ E0277
    share(guard.lock_ref()); //~ E0277
    share(&guard); //~ E0277
    condvar.wait(&mut guard); //~ E0277
    let _ = condvar.wait_interruptible(&mut guard); //~ E0277
    *guard += 1;
}
