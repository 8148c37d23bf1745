// SPDX-License-Identifier: GPL-2.0
//! There is no reservation lock by itself, and no guard that outlives its object.
use kernel::dma_buf::dma_resv::{DmaResv, ReservationClass};
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_wd_class, LockSet, Mutex};

define_wd_class!(A);

fn create<T>(_: impl PinInit<T>) {}

pub fn by_itself() {
    create(Mutex::<ReservationClass, u32>::new(1)); //~ E0599
    create(Mutex::<A, u32>::new(1));
}

pub fn other_class(a: &DmaResv, b: &Mutex<A, ()>) -> Result {
    LockSet::<ReservationClass>::new().run(|round| {
        let _ = b;
        let _ = round.lock(b)?; //~ E0308
        round.lock(a).map(|_| ())
    })
}

pub struct Object(DmaResv);

pub fn outlives(object: KBox<Object>) {
    let guard = object.0.lock();
    drop(object); //~ E0505
    drop(guard);
}
