// SPDX-License-Identifier: GPL-2.0
//! What belongs to a task stays with it.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{
    define_ww_class, AcquireCtx, Guard, LockSet, Mutex, Round, RoundGuard,
};

define_ww_class!(A);

fn send<T: Send>() {}
fn share<T: Sync>() {}

pub fn check<'a>() {
    send::<Guard<'a, A, u32>>(); //~ E0277
    send::<RoundGuard<'a, A, u32>>(); //~ E0277
    send::<Round<'a, 'a, A>>(); //~ E0277
    share::<Round<'a, 'a, A>>(); //~ E0277
    send::<AcquireCtx<A>>(); //~ E0277
    share::<AcquireCtx<A>>(); //~ E0277
    share::<Guard<'a, A, core::cell::Cell<u32>>>(); //~ E0277
    share::<RoundGuard<'a, A, core::cell::Cell<u32>>>(); //~ E0277
    send::<Mutex<A, *mut u32>>(); //~ E0277
    share::<Mutex<A, *mut u32>>(); //~ E0277

    share::<Guard<'a, A, u32>>();
    share::<RoundGuard<'a, A, u32>>();
    share::<Mutex<A, core::cell::Cell<u32>>>();
    send::<LockSet<A>>();
}
