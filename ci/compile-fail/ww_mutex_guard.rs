// SPDX-License-Identifier: GPL-2.0
//! A guard stays with its task, a reference to it included, and the data goes where it may.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_ww_class, Guard, Mutex};

define_ww_class!(A);

fn send<T: Send>() {}
fn share<T: Sync>() {}

pub fn check<'a>() {
    send::<Guard<'a, A, u32>>(); //~ E0277
    share::<Guard<'a, A, u32>>(); //~ E0277
    send::<&Guard<'a, A, u32>>(); //~ E0277
    send::<Mutex<A, *mut u32>>(); //~ E0277
    share::<Mutex<A, *mut u32>>(); //~ E0277

    send::<Mutex<A, u32>>();
    share::<Mutex<A, core::cell::Cell<u32>>>();
}

pub fn dropped_once(mutex: &Mutex<A, u32>) {
    let guard = mutex.lock();
    drop(guard);
    drop(guard); //~ E0382
}

pub fn data_outlives_guard(mutex: &Mutex<A, u32>) {
    let guard = mutex.lock();
    let data: &u32 = &guard;
    drop(guard); //~ E0505
    let _ = *data;
}
