// SPDX-License-Identifier: GPL-2.0
//! Neither a guard, nor the data, nor the round leaves the closure of a run.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_ww_class, LockSet, Mutex, Round, RoundGuard};

define_ww_class!(A);

pub fn result(a: &Mutex<A, u32>) -> Result {
    let _ = a;
    let _ = LockSet::<A>::new().run(|round| round.lock(a)); //~ lifetime
    let _ = LockSet::<A>::new().run(|round| Ok(round)); //~ lifetime
    let _ = LockSet::<A>::new().run(|round| Ok(*round.lock(a)?));
    Ok(())
}

pub fn captured(a: &Mutex<A, u32>) -> Result {
    let mut guard: Option<RoundGuard<'_, A, u32>> = None;
    let mut kept: Option<Round<'_, '_, A>> = None;
    let mut leaked: Option<&mut u32> = None;

    LockSet::<A>::new().run(|round| {
        let _ = &round;
        guard = Some(round.lock(a)?); //~ E0521
        leaked = Some(&mut **KBox::leak(KBox::new(round.lock(a)?, GFP_KERNEL)?)); //~ E0521
        kept = Some(round); //~ E0521
        Ok(())
    })?;
    (guard, kept, leaked) = (None, None, None);
    let _ = (guard, kept, leaked, a);
    Ok(())
}
