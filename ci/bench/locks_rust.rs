// SPDX-License-Identifier: GPL-2.0

//! Spinlocks and wound/wait mutexes: the Rust side of `locks.c`.

use core::{
    arch::asm,
    hint::black_box,
    mem, //
};
use kernel::{
    bindings,
    dma_buf::dma_resv::DmaResv,
    interrupt::local_interrupt_disable,
    prelude::*,
    sync::{
        lock::ww_mutex::{
            AcquireCtx,
            Class,
            LockSet,
            Mutex,
            NamedClass, //
        },
        RawSpinLock,
        RawSpinLockIrq, //
    },
    types::Opaque, //
};
use pin_init::stack_pin_init;

// (Some structs are empty in this configuration.)
#[expect(improper_ctypes)]
unsafe extern "C" {
    static mut bench_class: bindings::ww_class;
    fn bench_hold(object: *const Object);
    fn bench_release(object: *const Object);
    fn bench_hold_gem(gem: *mut bindings::drm_gem_object);
    fn bench_release_gem(gem: *mut bindings::drm_gem_object);
}

/// The class of the mutexes.
enum BenchClass {}

// SAFETY: The type stands for `bench_class`. `unlock()` is the provided one.
unsafe impl Class for BenchClass {}

// SAFETY: `locks.c` defines it, and it is changed by the functions for it only.
unsafe impl NamedClass for BenchClass {
    #[inline]
    fn as_raw() -> *mut bindings::ww_class {
        &raw mut bench_class
    }
}

/// As `BENCH_REPEAT()`.
#[inline(always)]
fn repeat(n: usize, mut f: impl FnMut()) {
    for _ in 0..n {
        // SAFETY: There is no instruction.
        unsafe { asm!("", options(nostack, preserves_flags)) };
        f();
    }
}

/// `struct object`.
type Object = Mutex<BenchClass, bindings::list_head>;

/// # Safety
///
/// `object` points to an initialised array of `N` times `struct object`.
#[inline(always)]
unsafe fn objects<'a, const N: usize>(object: *mut c_void) -> &'a [Object; N] {
    // SAFETY: By the safety requirements. `Mutex` is `repr(C)`, and consists of a `struct ww_mutex`
    // and the data.
    unsafe { &*object.cast() }
}

#[no_mangle]
extern "C" fn bench_rust_empty(_object: *mut c_void, n: usize) {
    repeat(n, || ());
}

/// # Safety
///
/// `object` points to an initialised `raw_spinlock_t`.
#[no_mangle]
unsafe extern "C" fn bench_rust_raw(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let lock = unsafe { RawSpinLock::from_raw(object.cast()) };

    repeat(n, || drop(lock.lock()));
}

/// # Safety
///
/// As for [`bench_rust_raw()`].
#[no_mangle]
unsafe extern "C" fn bench_rust_raw_irq(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let lock = unsafe { RawSpinLockIrq::from_raw(object.cast()) };

    repeat(n, || drop(lock.lock()));
}

/// # Safety
///
/// As for [`bench_rust_raw()`].
#[no_mangle]
unsafe extern "C" fn bench_rust_raw_irq_with(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let lock = unsafe { RawSpinLockIrq::from_raw(object.cast()) };
    let irq = local_interrupt_disable();

    repeat(n, || drop(lock.lock_with(&irq)));
}

/// # Safety
///
/// `object` points to an initialised `struct object`.
#[no_mangle]
unsafe extern "C" fn bench_rust_ww(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let [object] = unsafe { objects::<1>(object) };

    repeat(n, || drop(object.lock()));
}

/// # Safety
///
/// As for [`bench_rust_ww()`].
#[no_mangle]
unsafe extern "C" fn bench_rust_ww_ctx(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let [object] = unsafe { objects::<1>(object) };
    stack_pin_init!(let ctx = AcquireCtx::<BenchClass>::new());

    // SAFETY: The guard is dropped at once, before the context, and nothing else is held with it.
    repeat(n, || drop(unsafe { ctx.lock(object) }));
}

/// # Safety
///
/// As for [`bench_rust_ww()`].
#[no_mangle]
unsafe extern "C" fn bench_rust_ww_round(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let [object] = unsafe { objects::<1>(object) };

    let _ = LockSet::new().run(|round| {
        repeat(n, || drop(round.lock(object)));
        Ok(())
    });
}

/// Objects that stay locked to the end of the run.
#[inline(always)]
fn all<const N: usize>(objects: &[Object; N], n: usize) {
    // There is no loop for each number of objects.
    let objects = black_box(objects.as_slice());
    let mut set = LockSet::new();

    repeat(n, || {
        let _ = set.run(|round| {
            for object in objects {
                mem::forget(round.lock(object)?);
            }
            Ok(())
        });
    });
}

/// # Safety
///
/// `object` points to an initialised array of 8 objects.
#[no_mangle]
unsafe extern "C" fn bench_rust_all_8(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    all(unsafe { objects::<8>(object) }, n);
}

/// # Safety
///
/// `object` points to an initialised array of 64 objects.
#[no_mangle]
unsafe extern "C" fn bench_rust_all_64(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    all(unsafe { objects::<64>(object) }, n);
}

/// # Safety
///
/// `object` points to an initialised array of 8 objects.
#[no_mangle]
unsafe extern "C" fn bench_rust_new_8(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let objects = black_box(unsafe { objects::<8>(object) }.as_slice());

    repeat(n, || {
        let _ = LockSet::new().run(|round| {
            for object in objects {
                mem::forget(round.lock(object)?);
            }
            Ok(())
        });
    });
}

/// GEM objects that are locked by a new set each time.
///
/// # Safety
///
/// `object` points to an array of `N` objects with initialised reservation objects.
#[inline(always)]
unsafe fn exec<const N: usize>(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let gems: &[Opaque<bindings::drm_gem_object>; N] = unsafe { &*object.cast() };
    let gems = black_box(gems.as_slice());

    repeat(n, || {
        let _ = LockSet::new().run_then(
            |round| {
                let resvs = gems.iter().map(|gem| {
                    // SAFETY: The reservation objects are initialised, and in place.
                    unsafe { DmaResv::from_raw((*gem.get()).resv) }
                });

                round.hold_all::<()>(resvs.map(|resv| &**resv))
            },
            |_, _| (),
        );
    });
}

/// # Safety
///
/// As for [`exec()`], with 2 of them.
#[no_mangle]
unsafe extern "C" fn bench_rust_exec_2(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    unsafe { exec::<2>(object, n) };
}

/// # Safety
///
/// As for [`exec()`], with 8 of them.
#[no_mangle]
unsafe extern "C" fn bench_rust_exec_8(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    unsafe { exec::<8>(object, n) };
}

/// # Safety
///
/// As for [`exec()`], with 64 of them.
#[no_mangle]
unsafe extern "C" fn bench_rust_exec_64(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    unsafe { exec::<64>(object, n) };
}

/// # Safety
///
/// `object` points to an initialised array of 2 objects.
#[no_mangle]
unsafe extern "C" fn bench_rust_all_2(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let [a, b] = unsafe { objects::<2>(object) };
    let mut set = LockSet::new();

    repeat(n, || {
        let _ = set.run(|round| {
            let _a = round.lock(a)?;
            let _b = round.lock(b)?;
            Ok(())
        });
    });
}

/// # Safety
///
/// `object` points to an initialised array of 8 objects.
#[no_mangle]
unsafe extern "C" fn bench_rust_guards_8(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let objects = black_box(unsafe { objects::<8>(object) }.as_slice());
    let mut set = LockSet::new();

    repeat(n, || {
        let _ = set.run(|round| {
            let mut guards = [const { None }; 8];

            for (guard, object) in guards.iter_mut().zip(objects) {
                *guard = Some(round.lock(object)?);
            }
            Ok(())
        });
    });
}

/// # Safety
///
/// As for [`bench_rust_all_2()`].
#[no_mangle]
unsafe extern "C" fn bench_rust_hold(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let [_, held] = unsafe { objects::<2>(object) };

    // SAFETY: The object is valid, and what is held is released.
    repeat(n, || unsafe {
        bench_hold(held);
        bench_release(held);
    });
}

/// Objects, the one in the middle held by another transaction.
#[inline(always)]
fn back_off<const N: usize>(objects: &[Object; N], n: usize) {
    let held = &objects[N / 2];
    let objects = black_box(objects.as_slice());
    let mut set = LockSet::new();

    repeat(n, || {
        // SAFETY: The object is valid.
        unsafe { bench_hold(held) };
        let _ = set.run(|round| {
            for object in objects {
                match round.lock(object) {
                    Ok(guard) => mem::forget(guard),
                    Err(error) => {
                        // SAFETY: It is held, which is why the other one cannot be acquired.
                        unsafe { bench_release(held) };
                        return Err(error);
                    }
                }
            }
            Ok(())
        });
    });
}

/// # Safety
///
/// As for [`bench_rust_all_2()`].
#[no_mangle]
unsafe extern "C" fn bench_rust_back_off_2(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    back_off(unsafe { objects::<2>(object) }, n);
}

/// # Safety
///
/// As for [`bench_rust_all_8()`].
#[no_mangle]
unsafe extern "C" fn bench_rust_back_off_8(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    back_off(unsafe { objects::<8>(object) }, n);
}

/// # Safety
///
/// As for [`exec()`], with 2 of them.
#[no_mangle]
unsafe extern "C" fn bench_rust_hold_gem(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let [_, held]: &[Opaque<bindings::drm_gem_object>; 2] = unsafe { &*object.cast() };

    // SAFETY: The object is valid, and what is held is released.
    repeat(n, || unsafe {
        bench_hold_gem(held.get());
        bench_release_gem(held.get());
    });
}

/// # Safety
///
/// As for [`exec()`], with 2 of them.
#[no_mangle]
unsafe extern "C" fn bench_rust_exec_back_off(object: *mut c_void, n: usize) {
    // SAFETY: By the safety requirements.
    let gems: &[Opaque<bindings::drm_gem_object>; 2] = unsafe { &*object.cast() };
    let held = gems[1].get();
    let gems = black_box(gems.as_slice());

    repeat(n, || {
        // SAFETY: The object is valid.
        unsafe { bench_hold_gem(held) };
        let _ = LockSet::new().run_then(
            |round| {
                let resvs = gems.iter().map(|gem| {
                    // SAFETY: The reservation objects are initialised, and in place.
                    unsafe { DmaResv::from_raw((*gem.get()).resv) }
                });
                let result = round.hold_all::<()>(resvs.map(|resv| &**resv));

                if result.is_err() {
                    // SAFETY: It is held, which is why the other one cannot be acquired.
                    unsafe { bench_release_gem(held) };
                }
                result
            },
            |_, _| (),
        );
    });
}
