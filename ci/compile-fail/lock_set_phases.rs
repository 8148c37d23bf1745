// SPDX-License-Identifier: GPL-2.0
//! What is consumed belongs into the second phase of a run, where nothing is acquired.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_ww_class, LockSet, Mutex};

define_ww_class!(A);

pub struct Job;

fn push(_: Job) {}

pub fn submit(a: &Mutex<A, ()>, b: &Mutex<A, ()>, one: Job, other: Job) -> Result {
    let _ = (b, &one);
    LockSet::<A>::new().run_then(
        |round| {
            round.hold(a)?;
            push(one); //~ E0507
            Ok(())
        },
        |(), locked| {
            let _ = locked;
            let _ = locked.hold(b); //~ E0599
            let _ = locked.lock(b); //~ E0599
            push(other);
        },
    )
}
