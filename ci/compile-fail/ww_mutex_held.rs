// SPDX-License-Identifier: GPL-2.0
//! Only a guard proves that a mutex is held, of its class, and for as long as it exists.
use kernel::sync::lock::ww_mutex::{define_ww_class, Held, Mutex};

define_ww_class!(A);
define_ww_class!(B);

pub struct Mine<'a>(pub &'a Mutex<A, ()>);

unsafe impl Held<A> for Mine<'_> { type Data = (); fn mutex(&self) -> &Mutex<A, ()> { self.0 } } //~ E0277

fn needs(_: &impl Held<A>) {}

fn keep<'a>(held: &'a impl Held<A>) -> &'a impl Held<A> {
    held
}

pub fn proofs(a: &Mutex<A, ()>, b: &Mutex<B, ()>) {
    needs(&a.lock());
    needs(&b.lock()); //~ E0277
    needs(&a); //~ E0277
    needs(&Mine(a)); //~ E0277
    let _ = b;
}

pub fn outlives(a: &Mutex<A, ()>) {
    let guard = a.lock();
    let held = keep(&guard);
    drop(guard); //~ E0505
    needs(held);
}
