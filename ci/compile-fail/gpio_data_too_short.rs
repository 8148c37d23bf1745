// SPDX-License-Identifier: GPL-2.0
//! The data of a chip is used while it is registered, and the device is bound for as long.
use kernel::device::{Bound, Device};
use kernel::gpio::driver::{lock_keys, ChainedHandler, Chip, Config, Irqs, Registration};
use kernel::prelude::*;
use kernel::{faux, irq::IrqRequest};

pub fn data_after_registration<C: Chip<Data<'static>: Sized>>(chip: Registration<'_, C>) {
    let data = chip.data();
    drop(chip); //~ E0505
    let _ = data;
}

pub fn device_unbound<C: Chip>(data: impl for<'a> FnOnce(&'a Device<Bound>) -> Result<C::Data<'a>, Error>) -> Result {
    let parent = faux::Registration::new(c"parent", None)?;
    let dev: &faux::Device<Bound> = parent.as_ref();
    let dev: &Device<Bound> = dev.as_ref();
    // SAFETY: It is not leaked.
    let chip = unsafe { Registration::<'_, C>::new(dev, Config::new(1), data(dev)) }?;

    drop(parent); //~ E0505
    drop(chip);
    Ok(())
}

pub fn kept<'a, C: ChainedHandler>(
    dev: &'a Device<Bound>,
    irq: IrqRequest<'a>,
    data: C::Data<'a>,
) -> Result<Registration<'a, C>> {
    let config = Config::new(1).irqs(Irqs::chained([irq], lock_keys!())?);

    // SAFETY: It is not leaked, and the interrupt is for it alone.
    unsafe { Registration::new(dev, config, Ok(data)) }
}

pub fn of_other_device<'a, C: ChainedHandler>(
    dev: &'a Device<Bound>,
    irq: IrqRequest<'_>,
    data: C::Data<'a>,
) -> Result<Registration<'a, C>> {
    return kept(dev, irq, data); //~ E0621
    kept(dev, todo(), data)
}

fn todo<'a>() -> IrqRequest<'a> {
    loop {}
}

pub fn safe<'a, C: Chip>(dev: &'a Device<Bound>, data: C::Data<'a>) {
    let _ = Registration::<'_, C>::new(dev, Config::new(1), Ok(data)); //~ E0133
}
