// SPDX-License-Identifier: GPL-2.0
//! Nobody goes to sleep with a raw spinlock.
use kernel::interrupt::LocalInterruptDisabled;
use kernel::sync::lock::{Backend, CondVarBackend};
use kernel::sync::{CondVar, Mutex, RawSpinLock, RawSpinLockIrq, SpinLock, SpinLockIrq};

pub fn raw(
    condvar: &CondVar,
    plain: &RawSpinLock<u32>,
    irq: &RawSpinLockIrq<u32>,
    token: &LocalInterruptDisabled,
) {
    let _ = (condvar, plain, irq, token);
    condvar.wait(&mut plain.lock()); //~ E0277
    condvar.wait(&mut irq.lock()); //~ E0277
    condvar.wait(&mut irq.lock_with(token)); //~ E0277
    let _ = condvar.wait_interruptible(&mut irq.lock()); //~ E0277
    let _ = condvar.wait_interruptible_freezable(&mut irq.lock()); //~ E0277
    let _ = condvar.wait_interruptible_timeout(&mut irq.lock(), 1); //~ E0277
}

pub fn others(condvar: &CondVar, a: &Mutex<u32>, b: &SpinLock<u32>, c: &SpinLockIrq<u32>) {
    condvar.wait(&mut a.lock());
    condvar.wait(&mut b.lock());
    condvar.wait(&mut c.lock());
}

pub struct Own;

// SAFETY: A snippet.
unsafe impl Backend for Own {
    type State = ();
    type GuardState = ();

    unsafe fn init(_: *mut (), _: *const u8, _: *mut kernel::bindings::lock_class_key) {}
    unsafe fn lock(_: *mut ()) {}
    unsafe fn try_lock(_: *mut ()) -> Option<()> {
        None
    }
    unsafe fn unlock(_: *mut (), _: &()) {}
    unsafe fn assert_is_held(_: *mut ()) {}
}

impl CondVarBackend for Own {} //~ E0200
