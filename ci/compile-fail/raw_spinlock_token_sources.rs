// SPDX-License-Identifier: GPL-2.0
//! Tokens come from what really disables interrupts, and are not copied.
use kernel::interrupt::{local_interrupt_disable, LocalInterruptDisabled};
use kernel::sync::{RawSpinLock, RawSpinLockIrq, SpinLockIrq};

fn used(_: &LocalInterruptDisabled) {}

pub fn sources(plain: &RawSpinLock<u32>, sleeping: &SpinLockIrq<u32>, irq: &RawSpinLockIrq<u32>) {
    let token = local_interrupt_disable();
    used(&token);
    used(irq.lock().interrupt_disabled());
    used(plain.lock().interrupt_disabled()); //~ E0599
    used(sleeping.lock().interrupt_disabled()); //~ E0599
    used(irq.lock_with(&token).interrupt_disabled()); //~ E0599
    drop(plain.lock_with(&token)); //~ E0599
    let copy: LocalInterruptDisabled = token.clone(); //~ E0599
    drop(token);
}
