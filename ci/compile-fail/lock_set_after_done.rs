// SPDX-License-Identifier: GPL-2.0
//! Nothing is acquired, and the phase is not ended again, after the end of the acquire phase; a
//! guard is not dropped twice.
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{define_ww_class, LockSet, Mutex};
use kernel::sync::Arc;

define_ww_class!(A);

pub fn check(a: &Mutex<A, u32>, b: &Mutex<A, u32>, c: &Arc<Mutex<A, u32>>) -> Result {
    LockSet::<A>::new().run(|round| {
        let _ = (b, c);
        let mut a = round.lock(a)?;
        round.done()?;
        let _ = round.lock(b)?; //~ E0382
        let _ = round.try_lock(b)?; //~ E0382
        let _ = round.lock_owned(c.clone())?; //~ E0382
        let _ = round.try_lock_owned(c.clone())?; //~ E0382
        let _ = round.hold(b)?; //~ E0382
        let _ = round.hold_all([b])?; //~ E0382
        let _ = round.hold_owned(c.clone())?; //~ E0382
        let _ = round.ctx()?; //~ E0382
        let _ = round.back_off(b); //~ E0382
        round.done()?; //~ E0382
        *a += 1;
        drop(a);
        drop(a); //~ E0382
        Ok(())
    })
}
