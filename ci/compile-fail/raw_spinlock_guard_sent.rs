// SPDX-License-Identifier: GPL-2.0
//! Guards and tokens stay in the context that made them.
use kernel::interrupt::{local_interrupt_disable, LocalInterruptDisabled};
use kernel::sync::{Mutex, MutexGuard, RawSpinLock, RawSpinLockIrq};

fn send<T: Send>(_: T) {}
fn share<T: Sync>(_: &T) {}

pub fn guards(plain: &RawSpinLock<u32>, irq: &RawSpinLockIrq<u32>, token: &LocalInterruptDisabled) {
    send(plain.lock()); //~ E0277
    send(irq.lock()); //~ E0277
    send(irq.lock_with(token)); //~ E0277
    send(token); //~ E0277
    send(local_interrupt_disable()); //~ E0277
    share(&local_interrupt_disable()); //~ E0277
    // Preemption or interrupts are disabled on their own CPU only.
    share(&plain.lock()); //~ E0277
    share(&irq.lock()); //~ E0277
    share(&irq.lock_with(token)); //~ E0277
    share(plain);
    share(irq);
}

pub fn data(plain: &RawSpinLock<*mut u8>, irq: &RawSpinLockIrq<*mut u8>) {
    let _ = (plain, irq);
    share(plain); //~ E0277
    share(irq); //~ E0277
}

/// What is `Sync` but not `Send` must not be accessed through the lock of a shared guard.
pub fn lock_of_a_shared_guard(number: &Mutex<u32>, mutex: &Mutex<MutexGuard<'_, u32>>) {
    share(&number.lock());
    share(&*mutex.lock());
    share(&mutex.lock()); //~ E0277
}
