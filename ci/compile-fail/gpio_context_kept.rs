// SPDX-License-Identifier: GPL-2.0
//! What callbacks get can be neither kept nor sent nor made.
use core::cell::Cell;
use kernel::gpio::driver::{ChainedHandler, Chip, IrqChip, LineIrq, LockedLineIrq, ParentIrq, Registered};
use kernel::interrupt::LocalInterruptDisabled;
use kernel::irq::chained::Handling;
use kernel::irq::chip::{Flow, Irq};

fn send<T: Send>() {}
fn share<T: Sync>() {}

pub struct Keep<'a, T: IrqChip> {
    chip: Cell<Option<&'a Registered<'a, T>>>,
    irq: Cell<Option<&'a LineIrq<'a, T>>>,
    token: Cell<Option<&'a LocalInterruptDisabled>>,
}

impl<'a, T: IrqChip> Keep<'a, T> {
    pub fn get(&self, chip: &Registered<'_, T>) {
        self.chip.set(Some(chip)); //~ E0621
        let _ = chip.data();
    }

    pub fn mask(&self, irq: &LineIrq<'_, T>) {
        self.irq.set(Some(irq)); //~ E0621
        self.token.set(Some(irq.interrupt_disabled())); //~ E0621
    }

    // Only set_type() can set the handler.
    pub fn unmask(&self, irq: &LineIrq<'_, T>) {
        irq.set_handler(Flow::Level); //~ E0133
    }

    pub fn set_type(&self, irq: &LockedLineIrq<'_, T>) {
        irq.set_handler(Flow::Level);
        self.token.set(Some(irq.interrupt_disabled())); //~ E0621
    }
}

pub fn handle<'a, T: ChainedHandler>(keep: &Keep<'a, T>, parent: &ParentIrq<'_, T>) {
    keep.token.set(Some(parent.interrupt_disabled())); //~ E0621
}

pub fn check<T: ChainedHandler>() {
    send::<&'static Irq>(); //~ E0277
    send::<LineIrq<'static, T>>(); //~ E0277
    share::<LineIrq<'static, T>>(); //~ E0277
    send::<LockedLineIrq<'static, T>>(); //~ E0277
    send::<ParentIrq<'static, T>>(); //~ E0277
    share::<ParentIrq<'static, T>>(); //~ E0277
    send::<Handling>(); //~ E0277
    let _ = Handling::enter(core::ptr::null_mut()); //~ E0133

    share::<Registered<'static, T>>();
}

pub fn device<T: Chip>(chip: &Registered<'_, T>) -> &'static kernel::device::Device<kernel::device::Bound> {
    return chip.parent(); //~ lifetime
    loop {}
}
