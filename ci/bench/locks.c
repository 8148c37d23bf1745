// SPDX-License-Identifier: GPL-2.0
/* Spinlocks and wound/wait mutexes: the C side, and the list of rows. */
#include <drm/drm_exec.h>
#include <drm/drm_gem.h>
#include <linux/dma-resv.h>
#include <linux/irqflags.h>
#include <linux/printk.h>
#include <linux/spinlock.h>
#include <linux/ww_mutex.h>

#include "locks.h"

DEFINE_WD_CLASS(bench_class);

static DEFINE_RAW_SPINLOCK(spinlock);
static struct object objects[64];
static struct drm_gem_object gems[64];

static void c_raw(void *object, unsigned long n)
{
	raw_spinlock_t *lock = object;

	BENCH_REPEAT(n) {
		raw_spin_lock(lock);
		raw_spin_unlock(lock);
	}
}

static void c_irqsave(void *object, unsigned long n)
{
	raw_spinlock_t *lock = object;

	BENCH_REPEAT(n) {
		unsigned long flags;

		raw_spin_lock_irqsave(lock, flags);
		raw_spin_unlock_irqrestore(lock, flags);
	}
}

static void c_counted(void *object, unsigned long n)
{
	raw_spinlock_t *lock = object;

	BENCH_REPEAT(n) {
		raw_spin_lock_irq_disable(lock);
		raw_spin_unlock_irq_enable(lock);
	}
}

static void c_raw_irqs_off(void *object, unsigned long n)
{
	local_interrupt_disable();
	c_raw(object, n);
	local_interrupt_enable();
}

static void c_ww(void *object, unsigned long n)
{
	struct object *first = object;

	BENCH_REPEAT(n) {
		if (!ww_mutex_lock(&first->mutex, NULL))
			ww_mutex_unlock(&first->mutex);
	}
}

static void c_ww_ctx(void *object, unsigned long n)
{
	struct object *first = object;
	struct ww_acquire_ctx ctx;

	ww_acquire_init(&ctx, &bench_class);
	BENCH_REPEAT(n) {
		if (!ww_mutex_lock(&first->mutex, &ctx))
			ww_mutex_unlock(&first->mutex);
	}
	ww_acquire_fini(&ctx);
}

/* What a transaction does for an object that it finds on its way. */
static void c_ww_list(void *object, unsigned long n)
{
	struct object *first = object;
	struct ww_acquire_ctx ctx;
	LIST_HEAD(list);

	ww_acquire_init(&ctx, &bench_class);
	BENCH_REPEAT(n) {
		int ret = ww_mutex_lock(&first->mutex, &ctx);

		if (ret == -EALREADY)
			continue;
		if (ret == -EDEADLK)
			break;
		list_add_tail(&first->locked, &list);

		list_del(&first->locked);
		ww_mutex_unlock(&first->mutex);
	}
	ww_acquire_fini(&ctx);
}

/* Method 1 of Documentation/locking/ww-mutex-design.rst: a list made before. */
static int lock_known(struct object *objects, int count, struct ww_acquire_ctx *ctx)
{
	struct object *contended = NULL;
	int i, ret;

	ww_acquire_init(ctx, &bench_class);
retry:
	for (i = 0; i < count; i++) {
		if (&objects[i] == contended) {
			contended = NULL;
			continue;
		}
		ret = ww_mutex_lock(&objects[i].mutex, ctx);
		if (ret < 0)
			goto err;
	}
	ww_acquire_done(ctx);
	return 0;

err:
	for (int j = i - 1; j >= 0; j--)
		ww_mutex_unlock(&objects[j].mutex);
	if (contended)
		ww_mutex_unlock(&contended->mutex);
	if (ret == -EDEADLK) {
		contended = &objects[i];
		ww_mutex_lock_slow(&contended->mutex, ctx);
		goto retry;
	}
	ww_acquire_fini(ctx);
	return ret;
}

static void c_known_64(void *object, unsigned long n)
{
	struct object *objects = object;
	int count = 64;

	OPTIMIZER_HIDE_VAR(count);
	BENCH_REPEAT(n) {
		struct ww_acquire_ctx ctx;

		if (lock_known(objects, count, &ctx))
			continue;
		for (int i = count - 1; i >= 0; i--)
			ww_mutex_unlock(&objects[i].mutex);
		ww_acquire_fini(&ctx);
	}
}

/* Method 3: which objects there are turns out on the way, as with a LockSet. */
static void unlock_found(struct list_head *list)
{
	struct object *object, *next;

	list_for_each_entry_safe(object, next, list, locked) {
		list_del(&object->locked);
		ww_mutex_unlock(&object->mutex);
	}
}

static __always_inline void lock_found(struct object *objects, int count,
				       struct list_head *list,
				       struct ww_acquire_ctx *ctx, bool release)
{
	ww_acquire_init(ctx, &bench_class);
retry:
	for (int i = 0; i < count; i++) {
		struct object *object = &objects[i];
		int ret = ww_mutex_lock(&object->mutex, ctx);

		if (ret == -EALREADY)
			continue;
		if (ret == -EDEADLK) {
			if (release)
				bench_release(object);
			unlock_found(list);
			ww_mutex_lock_slow(&object->mutex, ctx);
			list_add(&object->locked, list);
			goto retry;
		}
		list_add_tail(&object->locked, list);
	}
	ww_acquire_done(ctx);
}

static __always_inline void found(struct object *objects, int count, unsigned long n)
{
	/* There is no loop for each number of objects. */
	OPTIMIZER_HIDE_VAR(count);
	BENCH_REPEAT(n) {
		struct ww_acquire_ctx ctx;
		LIST_HEAD(list);

		lock_found(objects, count, &list, &ctx, false);
		unlock_found(&list);
		ww_acquire_fini(&ctx);
	}
}

static void c_found_2(void *object, unsigned long n)
{
	found(object, 2, n);
}

static void c_found_8(void *object, unsigned long n)
{
	found(object, 8, n);
}

static void c_found_64(void *object, unsigned long n)
{
	found(object, 64, n);
}

#ifndef CONFIG_DRM
/* No object is freed. */
void drm_gem_object_free(struct kref *kref)
{
}
#endif

static noinline void exec(struct drm_gem_object *objects, int count, unsigned long n)
{
	BENCH_REPEAT(n) {
		struct drm_exec exec;

		drm_exec_init(&exec, DRM_EXEC_IGNORE_DUPLICATES, count);
		drm_exec_until_all_locked(&exec) {
			for (int i = 0; i < count; i++) {
				int ret = drm_exec_lock_obj(&exec, &objects[i]);

				drm_exec_retry_on_contention(&exec);
				if (ret)
					break;
			}
		}
		drm_exec_fini(&exec);
	}
}

static void c_exec_2(void *object, unsigned long n)
{
	exec(object, 2, n);
}

static void c_exec_8(void *object, unsigned long n)
{
	exec(object, 8, n);
}

static void c_exec_64(void *object, unsigned long n)
{
	exec(object, 64, n);
}

/* It is older than all that the loops begin, so that they have to back off. */
static struct ww_acquire_ctx holder;

void bench_hold(struct object *object)
{
	int ret = ww_mutex_lock(&object->mutex, &holder);

	WARN_ON(ret);
}

void bench_release(struct object *object)
{
	ww_mutex_unlock(&object->mutex);
}

static void c_hold(void *object, unsigned long n)
{
	struct object *objects = object;

	BENCH_REPEAT(n) {
		bench_hold(&objects[1]);
		bench_release(&objects[1]);
	}
}

static __always_inline void back_off(struct object *objects, int count, unsigned long n)
{
	struct object *held = &objects[count / 2];

	OPTIMIZER_HIDE_VAR(count);
	BENCH_REPEAT(n) {
		struct ww_acquire_ctx ctx;
		LIST_HEAD(list);

		bench_hold(held);
		lock_found(objects, count, &list, &ctx, true);
		unlock_found(&list);
		ww_acquire_fini(&ctx);
	}
}

static void c_back_off_2(void *object, unsigned long n)
{
	back_off(object, 2, n);
}

static void c_back_off_8(void *object, unsigned long n)
{
	back_off(object, 8, n);
}

static struct ww_acquire_ctx gem_holder;

void bench_hold_gem(struct drm_gem_object *gem)
{
	int ret = ww_mutex_lock(&gem->resv->lock, &gem_holder);

	WARN_ON(ret);
}

void bench_release_gem(struct drm_gem_object *gem)
{
	ww_mutex_unlock(&gem->resv->lock);
}

static void c_hold_gem(void *object, unsigned long n)
{
	struct drm_gem_object *gems = object;

	BENCH_REPEAT(n) {
		bench_hold_gem(&gems[1]);
		bench_release_gem(&gems[1]);
	}
}

/* As with a LockSet, the first attempt of the next round takes what was contended. */
static void c_exec_back_off(void *object, unsigned long n)
{
	struct drm_gem_object *gems = object;
	int count = 2;

	OPTIMIZER_HIDE_VAR(count);
	BENCH_REPEAT(n) {
		struct drm_exec exec;

		bench_hold_gem(&gems[1]);
		drm_exec_init(&exec, DRM_EXEC_IGNORE_DUPLICATES, count);
		drm_exec_until_all_locked(&exec) {
			for (int i = 0; i < count; i++) {
				int ret = drm_exec_lock_obj(&exec, &gems[i]);

				if (drm_exec_is_contended(&exec))
					bench_release_gem(&gems[i]);
				drm_exec_retry_on_contention(&exec);
				if (ret)
					break;
			}
		}
		drm_exec_fini(&exec);
	}
}

static const struct {
	const char *name;
	unsigned long n;
	void *object;
	struct bench_side c, rust;
} rows[] = {
#define LOCK(name, c, rust) \
	{ name, 1000, &spinlock, { c, bench_c_empty }, { rust, bench_rust_empty } }
#define MUTEX(name, n, c, rust) \
	{ name, n, objects, { c, bench_c_empty }, { rust, bench_rust_empty } }
#define GEM(name, n, c, rust) \
	{ name, n, gems, { c, bench_c_empty }, { rust, bench_rust_empty } }
	LOCK("raw_spin_lock", c_raw, bench_rust_raw),
	LOCK("raw_spin_lock_irqsave", c_irqsave, bench_rust_raw_irq),
	LOCK("raw_spin_lock_irq_disable", c_counted, bench_rust_raw_irq),
	LOCK("lock_with", c_raw_irqs_off, bench_rust_raw_irq_with),
	MUTEX("ww_mutex", 1000, c_ww, bench_rust_ww),
	MUTEX("ww_mutex_ctx", 1000, c_ww_ctx, bench_rust_ww_ctx),
	MUTEX("ww_mutex_round", 1000, c_ww_list, bench_rust_ww_round),
	MUTEX("ww_mutex_all_2", 500, c_found_2, bench_rust_all_2),
	MUTEX("ww_mutex_all_8", 200, c_found_8, bench_rust_all_8),
	MUTEX("ww_mutex_all_64", 50, c_found_64, bench_rust_all_64),
	MUTEX("ww_mutex_new_8", 200, c_found_8, bench_rust_new_8),
	MUTEX("ww_mutex_known_64", 50, c_known_64, bench_rust_all_64),
	MUTEX("ww_mutex_guards_8", 200, c_found_8, bench_rust_guards_8),
	{ "ww_mutex_back_off", 200, objects,
	  { c_back_off_2, c_hold }, { bench_rust_back_off_2, bench_rust_hold } },
	{ "ww_mutex_back_off_8", 100, objects,
	  { c_back_off_8, c_hold }, { bench_rust_back_off_8, bench_rust_hold } },
	GEM("drm_exec_2", 200, c_exec_2, bench_rust_exec_2),
	GEM("drm_exec_8", 100, c_exec_8, bench_rust_exec_8),
	GEM("drm_exec_64", 50, c_exec_64, bench_rust_exec_64),
	{ "drm_exec_back_off", 200, gems,
	  { c_exec_back_off, c_hold_gem }, { bench_rust_exec_back_off, bench_rust_hold_gem } },
};

int bench_locks(void)
{
	for (int i = 0; i < ARRAY_SIZE(objects); i++)
		ww_mutex_init(&objects[i].mutex, &bench_class);
	for (int i = 0; i < ARRAY_SIZE(gems); i++) {
		kref_init(&gems[i].refcount);
		gems[i].resv = &gems[i]._resv;
		dma_resv_init(gems[i].resv);
	}
	ww_acquire_init(&holder, &bench_class);
	ww_acquire_init(&gem_holder, &reservation_ww_class);

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		bench_measure(rows[i].name, "c", rows[i].object, rows[i].n, &rows[i].c);
		bench_measure(rows[i].name, "rust", rows[i].object, rows[i].n, &rows[i].rust);
	}

	ww_acquire_fini(&gem_holder);
	ww_acquire_fini(&holder);
	return 0;
}
