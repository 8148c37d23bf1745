// SPDX-License-Identifier: GPL-2.0
//! Neither a guard, nor the data, nor a proof, nor the round leaves the closure of a run.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{
    define_ww_class, AcquireCtx, Kept, LockSet, Locked, Mutex, Round, RoundGuard,
};

define_ww_class!(A);

pub fn result(a: &Mutex<A, u32>) -> Result {
    let _ = a;
    let _ = LockSet::<A>::new().run(|round| round.lock(a)); //~ lifetime
    let _ = LockSet::<A>::new().run(|round| Ok(round)); //~ lifetime
    let _ = LockSet::<A>::new().run(|round| round.hold(a)); //~ lifetime
    let _ = LockSet::<A>::new().run(|round| round.ctx()); //~ lifetime
    let _ = LockSet::<A>::new().run(|round| Ok(*round.lock(a)?));
    Ok(())
}

pub fn captured(a: &Mutex<A, u32>) -> Result {
    let mut guard: Option<RoundGuard<'_, A, u32>> = None;
    let mut kept: Option<Round<'_, '_, A>> = None;
    let mut leaked: Option<&mut u32> = None;
    let mut proof: Option<Kept<'_, A>> = None;
    let mut ctx: Option<&AcquireCtx<A>> = None;

    LockSet::<A>::new().run(|round| {
        let _ = &round;
        guard = Some(round.lock(a)?); //~ E0521
        leaked = Some(&mut **KBox::leak(KBox::new(round.lock(a)?, GFP_KERNEL)?)); //~ E0521
        proof = round.hold(a)?; //~ E0521
        ctx = Some(round.ctx()?); //~ E0521
        kept = Some(round); //~ E0521
        Ok(())
    })?;
    (guard, kept, leaked) = (None, None, None);
    (proof, ctx) = (None, None);
    let _ = (guard, kept, leaked, proof, ctx, a);
    Ok(())
}

pub fn phases(a: &Mutex<A, u32>) -> Result {
    let mut proof: Option<Kept<'_, A>> = None;
    let mut all: Option<&Locked<'_, A>> = None;

    LockSet::<A>::new().run_then(
        |round| {
            let _ = (a, round);
            let _ = round.lock(a)?;
            Ok(())
        },
        |(), locked| {
            let _ = locked;
            proof = locked.iter().next(); //~ E0521
            all = Some(locked); //~ E0521
        },
    )?;
    let _ = LockSet::<A>::new().run_then(|round| round.lock(a), |_, _| ()); //~ lifetime
    let _ = LockSet::<A>::new().run_then(|round| round.hold(a), |_, _| ()); //~ lifetime
    let _ = LockSet::<A>::new().run_then(|_| Ok(()), |(), locked| locked.iter().next()); //~ lifetime
    (proof, all) = (None, None);
    let _ = (proof, all);
    Ok(())
}
