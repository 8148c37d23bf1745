// SPDX-License-Identifier: GPL-2.0
//! A context stays where it is, and so does a set as long as it runs.
use core::pin::Pin;
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_ww_class, AcquireCtx, LockSet, Mutex};

define_ww_class!(A);

pub fn ctx(a: Pin<&mut AcquireCtx<A>>, b: Pin<&mut AcquireCtx<A>>) {
    let _ = (&a, &b);
    core::mem::swap(a.get_mut(), b.get_mut()); //~ E0277
    let _ = AcquireCtx::<A>::new();
}

pub fn mutex(a: Pin<&mut Mutex<A, u32>>, b: Pin<&mut Mutex<A, u32>>) {
    let _ = (&a, &b);
    core::mem::swap(a.get_mut(), b.get_mut()); //~ E0277
}

pub fn while_it_runs(mut set: LockSet<A>, a: &Mutex<A, u32>) -> Result<LockSet<A>> {
    set.run(|round| {
        let _ = core::mem::take(&mut set); //~ E0499
        Ok(*round.lock(a)?)
    })?;
    Ok(LockSet::new())
}

pub fn nested(mut set: LockSet<A>) -> Result {
    set.run(|_| {
        set.run(|_| Ok(()))?; //~ E0499
        Ok(())
    })
}
