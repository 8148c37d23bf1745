// SPDX-License-Identifier: GPL-2.0
//! What belongs to a task stays with it.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{
    define_ww_class, AcquireCtx, Kept, LockSet, Locked, Round, RoundGuard,
};

define_ww_class!(A);

fn send<T: Send>() {}
fn share<T: Sync>() {}

pub fn check<'a>() {
    send::<RoundGuard<'a, A, u32>>(); //~ E0277
    send::<Round<'a, 'a, A>>(); //~ E0277
    share::<Round<'a, 'a, A>>(); //~ E0277
    send::<AcquireCtx<A>>(); //~ E0277
    share::<AcquireCtx<A>>(); //~ E0277
    share::<RoundGuard<'a, A, u32>>(); //~ E0277
    send::<Kept<'a, A>>(); //~ E0277
    share::<Kept<'a, A>>(); //~ E0277
    send::<Locked<'a, A>>(); //~ E0277
    share::<Locked<'a, A>>(); //~ E0277
    share::<LockSet<A>>(); //~ E0277

    send::<LockSet<A>>();
}
