// SPDX-License-Identifier: GPL-2.0
//! A mutex is acquired with a context of its own class only.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_wd_class, define_ww_class, AcquireCtx, LockSet, Mutex};
use kernel::sync::Arc;

define_ww_class!(A);
define_wd_class!(B);

pub fn set(a: &Mutex<A, u32>, b: &Mutex<B, u32>, c: &Arc<Mutex<B, u32>>) -> Result<u32> {
    LockSet::<A>::new().run(|round| {
        let _ = (b, c);
        let _ = round.lock(b)?; //~ E0308
        let _ = round.try_lock(b)?; //~ E0308
        let _ = round.lock_owned(c.clone())?; //~ E0277
        let _ = round.hold(b)?; //~ E0308
        Ok(*round.lock(a)?)
    })
}

pub fn ctx(ctx: &AcquireCtx<A>, a: &Mutex<A, u32>, b: &Mutex<B, u32>) {
    let _ = b;
    // SAFETY: The guards are dropped at once.
    unsafe {
        let _ = ctx.lock(b); //~ E0308
        let _ = ctx.lock_interruptible(b); //~ E0308
        let _ = ctx.try_lock(b); //~ E0308
        let _ = ctx.lock(a);
    }
}
