// SPDX-License-Identifier: GPL-2.0
//! Callbacks for system sleep are those of a driver of a bus that supports them, and get its types.
use kernel::device::Bound;
use kernel::pm::{DevPMOps, SystemSleep};
use kernel::prelude::*;
use kernel::{amba, platform};

pub struct Sleeper;

impl<T: amba::Driver> SystemSleep<amba::Adapter<T>> for Sleeper {
    fn suspend<'bound>(_: &'bound amba::Device<Bound>, _: Pin<&T::Data<'bound>>) -> Result {
        Ok(())
    }

    fn resume<'bound>(_: &'bound amba::Device<Bound>, _: Pin<&T::Data<'bound>>) -> Result {
        Ok(())
    }
}

pub fn fits<T: amba::Driver>() -> DevPMOps<amba::Adapter<T>> {
    DevPMOps::system_sleep::<Sleeper>()
}

pub fn other_driver<T: amba::Driver, U: amba::Driver>() -> DevPMOps<amba::Adapter<U>> {
    return DevPMOps::<amba::Adapter<T>>::system_sleep::<Sleeper>(); //~ E0308
    loop {}
}

pub fn other_bus<T: platform::Driver>() -> DevPMOps<platform::Adapter<T>> {
    return DevPMOps::<platform::Adapter<T>>::system_sleep::<Sleeper>(); //~ E0599
    loop {}
}
