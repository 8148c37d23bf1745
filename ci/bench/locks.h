/* SPDX-License-Identifier: GPL-2.0 */
/* What locks.c and locks_rust.rs have in common. */
#ifndef BENCH_LOCKS_H
#define BENCH_LOCKS_H

#include <linux/list.h>
#include <linux/ww_mutex.h>

#include "bench.h"

extern struct ww_class bench_class;

/* Rust sees it as a mutex that has the list as data. */
struct object {
	struct ww_mutex mutex;
	struct list_head locked;
};

/* Another transaction takes the object, and goes when it is in the way. */
void bench_hold(struct object *object);
void bench_release(struct object *object);
struct drm_gem_object;
void bench_hold_gem(struct drm_gem_object *gem);
void bench_release_gem(struct drm_gem_object *gem);

bench_loop_t bench_rust_raw;
bench_loop_t bench_rust_raw_irq;
bench_loop_t bench_rust_raw_irq_with;
bench_loop_t bench_rust_ww;
bench_loop_t bench_rust_ww_ctx;
bench_loop_t bench_rust_ww_round;
bench_loop_t bench_rust_all_2;
bench_loop_t bench_rust_all_8;
bench_loop_t bench_rust_all_64;
bench_loop_t bench_rust_new_8;
bench_loop_t bench_rust_guards_8;
bench_loop_t bench_rust_exec_2;
bench_loop_t bench_rust_exec_8;
bench_loop_t bench_rust_exec_64;
bench_loop_t bench_rust_hold;
bench_loop_t bench_rust_back_off_2;
bench_loop_t bench_rust_back_off_8;
bench_loop_t bench_rust_hold_gem;
bench_loop_t bench_rust_exec_back_off;

#endif /* BENCH_LOCKS_H */
