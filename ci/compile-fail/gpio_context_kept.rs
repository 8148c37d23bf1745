// SPDX-License-Identifier: GPL-2.0
//! What callbacks of interrupts get can be neither kept nor sent nor made.
use core::cell::Cell;
use kernel::gpio::driver::{IrqChip, ParentIrq};
use kernel::interrupt::LocalInterruptDisabled;
use kernel::irq::chained::{Context, Domain, Handler};
use kernel::irq::chip::{Irq, LockedIrq, Parent};

fn send<T: Send>() {}
fn share<T: Sync>() {}

pub struct Keep<'a> {
    context: Cell<Option<&'a Context>>,
    token: Cell<Option<&'a LocalInterruptDisabled>>,
    irq: Cell<Option<&'a LockedIrq>>,
}

impl<'a> Keep<'a> {
    pub fn handle(&self, context: &Context) {
        self.context.set(Some(context)); //~ E0621
        self.token.set(Some(context.interrupt_disabled())); //~ E0621
    }

    pub fn handle_parent<C: IrqChip>(&self, parent: &ParentIrq<'_, C>) {
        self.token.set(Some(parent.interrupt_disabled())); //~ E0621
    }

    pub fn mask(&self, irq: &Irq) {
        self.token.set(Some(irq.interrupt_disabled())); //~ E0621
    }

    pub fn set_type(&self, irq: &LockedIrq) {
        self.irq.set(Some(irq)); //~ E0621
    }

    pub fn kept(&self, domain: &Domain) {
        if let Some(context) = self.context.take() {
            let _ = context.handle_domain_irq(domain, 0);
        }
    }
}

pub struct Shared(u32);
impl Handler for Shared { fn handle(&self, _context: &Context) {} }

// A handler is called on any processor.
pub struct NotShared(Cell<u32>);
impl Handler for NotShared { fn handle(&self, _context: &Context) {} } //~ E0277

pub fn check<C: IrqChip>() {
    send::<Context>(); //~ E0277
    share::<Context>(); //~ E0277
    send::<ParentIrq<'static, C>>(); //~ E0277
    share::<ParentIrq<'static, C>>(); //~ E0277
    send::<&'static Irq>(); //~ E0277
    send::<&'static LockedIrq>(); //~ E0277
    send::<Parent>(); //~ E0277
    let _ = Context { desc: core::ptr::null_mut(), _not_send: kernel::types::NotThreadSafe }; //~ E0451
    let _ = Parent::new(1); //~ E0133

    share::<Domain>();
}
