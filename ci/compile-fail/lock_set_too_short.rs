// SPDX-License-Identifier: GPL-2.0
//! A mutex that is borrowed lives until it has been released.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_ww_class, Guard, LockSet, Mutex, Round};
use kernel::sync::Arc;
use pin_init::stack_pin_init;

define_ww_class!(A);

type Outer = Mutex<A, KBox<Mutex<A, u32>>>;

pub fn of_closure(arc: &Arc<Mutex<A, u32>>) -> Result {
    LockSet::<A>::new().run(|round| {
        stack_pin_init!(let local = Mutex::<A, u32>::new(1));
        let clone = arc.clone();
        let owned = arc.clone();
        core::mem::forget(round.lock(&local)?); //~ E0716
        core::mem::forget(round.lock(&clone)?); //~ E0597
        core::mem::forget(round.try_lock(&clone)?); //~ E0597
        round.hold(&clone)?; //~ E0597
        round.hold_all([&*clone])?; //~ E0597
        let _ = round.back_off(&clone); //~ E0597
        core::mem::forget(round.lock(arc)?);
        core::mem::forget(round.lock_owned(owned.clone())?);
        let _ = (&local, &clone);
        Ok(())
    })
}

// The data of a guard that is leaked can be borrowed for as long as the round, but it can change as
// soon as the mutex of the guard is released.
pub fn of_data(outer: &Outer) -> Result {
    LockSet::<A>::new().run(|round| {
        let guard = KBox::leak(KBox::new(round.lock(outer)?, GFP_KERNEL)?);
        let inner: &Mutex<A, u32> = &***guard;
        core::mem::forget(round.lock(inner)?); //~ E0521
        core::mem::forget(round.try_lock(inner)?); //~ E0521
        round.hold(inner)?; //~ E0521
        Ok(())
    })
}

fn shrink<'s, 'env: 's, 'a>(
    round: &'a Round<'s, 'env, A>,
    mutex: &'a Mutex<A, u32>,
) -> Result {
    let _ = mutex;
    core::mem::forget(round.lock(mutex)?); //~ lifetime
    let _ = round;
    Ok(())
}

pub fn guard_outlives_mutex() {
    stack_pin_init!(let long = Mutex::<A, u32>::new(1));
    let mut guard: Option<Guard<'_, A, u32>> = Some(long.lock());
    {
        stack_pin_init!(let short = Mutex::<A, u32>::new(1));
        guard = Some(short.lock()); //~ E0716
        drop(short.lock());
    }
    drop(guard.take());
    let _ = shrink;
}
