// SPDX-License-Identifier: GPL-2.0
//! Tokens come from what really disables interrupts, and are not copied.
use kernel::interrupt::{local_interrupt_disable, LocalInterruptDisabled};
use kernel::sync::{RawSpinLock, RawSpinLockIrq};

fn used(_: &LocalInterruptDisabled) {}

pub fn sources(plain: &RawSpinLock<u32>, irq: &RawSpinLockIrq<u32>) {
    let token = local_interrupt_disable();
    used(&token);
    drop(irq.lock_with(&token));
    drop(plain.lock_with(&token)); //~ E0599
    drop(irq.lock_with(&irq.lock())); //~ E0308
    let copy: LocalInterruptDisabled = token.clone(); //~ E0599
    let made = LocalInterruptDisabled(kernel::types::NotThreadSafe); //~ E0423
    drop(token);
}
