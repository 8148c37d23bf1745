// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions per operation, in C and in Rust
 *
 * For a QEMU that counts instructions (-icount shift=0), where the counter of
 * the arch timer goes at a fixed rate per instruction. One line a measurement:
 *
 *   bench: row=NAME side=c|rust n=OPERATIONS ticks=TICKS
 *
 * and one to tell how many ticks an instruction takes.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "bench.h"

static char *driver;
module_param(driver, charp, 0);
MODULE_PARM_DESC(driver, "measure the PL061 driver that is loaded, and call it so; default: locks");

static u64 shortest(bench_loop_t *loop, void *object, unsigned long n)
{
	u64 best = U64_MAX;

	for (int round = 0; round < BENCH_ROUNDS; round++) {
		u64 start = bench_now();

		loop(object, n);
		best = min(best, bench_now() - start);
	}
	return best;
}

/* What @n operations take, without what is done once. */
static s64 marginal(bench_loop_t *loop, void *object, unsigned long n)
{
	u64 once = shortest(loop, object, n);

	return shortest(loop, object, 2 * n) - once;
}

void bench_report(const char *row, const char *side, unsigned long n, u64 ticks)
{
	pr_info("bench: row=%s side=%s n=%lu ticks=%llu\n", row, side, n, ticks);
}

void bench_measure(const char *row, const char *side, void *object,
		   unsigned long n, const struct bench_side *loops)
{
	bench_report(row, side, n, marginal(loops->loop, object, n) -
				   marginal(loops->base, object, n));
}

/* Two instructions, and nobody but this function says so. */
static void two_instructions(void *object, unsigned long n)
{
	asm volatile("1: subs %0, %0, #1\n"
		     "   b.ne 1b\n"
		     : "+r" (n) : : "cc");
}

void bench_c_empty(void *object, unsigned long n)
{
	BENCH_REPEAT(n)
		;
}

static int __init bench_init(void)
{
	unsigned long n = 100000;

	pr_info("bench: calibration instructions=%lu ticks=%lld\n", 2 * n,
		marginal(two_instructions, NULL, n));
	return driver ? bench_gpio(driver) : bench_locks();
}
module_init(bench_init);

static void __exit bench_exit(void)
{
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Instructions per operation, in C and in Rust");
MODULE_LICENSE("GPL");
