// SPDX-License-Identifier: GPL-2.0
//! What a class allows: all can be locked, one with a name has contexts, and one that stands alone
//! has mutexes that Rust code creates.
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::lock::ww_mutex::{
    define_wd_class, AcquireCtx, Class, LockSet, Mutex, NamedClass,
};

define_wd_class!(A);

/// A class that is static in C.
pub enum Nameless {}

// SAFETY: There is no mutex of it.
unsafe impl Class for Nameless {}

/// A class whose mutexes are part of an object.
pub enum Part {}

// SAFETY: There is no mutex of it.
unsafe impl Class for Part {}

// SAFETY: The class of `A`, which is a `static`.
unsafe impl NamedClass for Part {
    fn as_raw() -> *mut bindings::ww_class {
        A::as_raw()
    }
}

fn init<T>(_: impl PinInit<T>) {}

pub fn lock(a: &Mutex<Nameless, u32>, b: &Mutex<Part, u32>) -> Result<u32> {
    Ok(*a.lock() + *b.lock_interruptible()?)
}

pub fn create() {
    init(Mutex::<Nameless, u32>::new(1)); //~ E0599
    init(Mutex::<Part, u32>::new(1)); //~ E0599
    init(Mutex::<A, u32>::new(1));
}

pub fn contexts() -> Result {
    init(AcquireCtx::<Nameless>::new()); //~ E0599
    init(AcquireCtx::<Part>::new());
    init(AcquireCtx::<A>::new());
    LockSet::<Part>::new().run(|_| Ok(()))
}

pub fn no_values() {
    let _ = A; //~ E0423
}

// A class is implemented by who promises what it takes.
pub enum Safe {}
impl Class for Safe {} //~ E0200
