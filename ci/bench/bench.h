/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/sysreg.h>

/* Does something with @object @n times. */
typedef void bench_loop_t(void *object, unsigned long n);

#define BENCH_REPEAT(n)	\
	for (unsigned long bench_i = 0; ({ barrier(); bench_i < (n); }); bench_i++)

/* What is measured is the difference of @loop and @base. */
struct bench_side {
	bench_loop_t *loop;
	bench_loop_t *base;
};

static __always_inline u64 bench_now(void)
{
	u64 now;

	isb();
	now = read_sysreg(cntvct_el0);
	isb();
	return now;
}

/* Rounds; the shortest one counts, since an interrupt makes one longer. */
#define BENCH_ROUNDS	8

void bench_measure(const char *row, const char *side, void *object,
		   unsigned long n, const struct bench_side *loops);
void bench_report(const char *row, const char *side, unsigned long n, u64 ticks);

bench_loop_t bench_c_empty;
bench_loop_t bench_rust_empty;

int bench_locks(void);
int bench_gpio(const char *driver);

#endif /* BENCH_H */
