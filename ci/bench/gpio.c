// SPDX-License-Identifier: GPL-2.0
/*
 * A line of the PL061, through gpiolib: the same code for both drivers.
 *
 * An interrupt needs a line that changes. QEMU's PL061 has no loop back, but
 * a line that was an output keeps its level when it becomes an input, and that
 * is a change of the input if it had the other level before. So a single write
 * to GPIODIR raises the interrupt, and the guest knows when.
 */
#include <linux/err.h>
#include <linux/gpio/consumer.h>
#include <linux/gpio/driver.h>
#include <linux/gpio/machine.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/printk.h>

#include "bench.h"

#define PL061		0x09030000
#define GPIODATA(lines)	((lines) << 2)
#define GPIODIR		0x400

/* Line 3 is the power key of the machine. */
#define LINE		5

static void get(void *desc, unsigned long n)
{
	BENCH_REPEAT(n)
		gpiod_get_raw_value(desc);
}

static void set(void *desc, unsigned long n)
{
	BENCH_REPEAT(n)
		gpiod_set_raw_value(desc, 1);
}

static void direction_input(void *desc, unsigned long n)
{
	BENCH_REPEAT(n)
		gpiod_direction_input(desc);
}

static void direction_output(void *desc, unsigned long n)
{
	BENCH_REPEAT(n)
		gpiod_direction_output_raw(desc, 1);
}

static const struct {
	const char *name;
	bench_loop_t *loop;
} rows[] = {
	{ "gpiod_direction_output", direction_output },
	{ "gpiod_set_value", set },
	{ "gpiod_direction_input", direction_input },
	{ "gpiod_get_value", get },
};

static void __iomem *regs;
static unsigned long interrupts;
static u64 handled;

static irqreturn_t handler(int irq, void *data)
{
	handled = bench_now();
	interrupts++;
	return IRQ_HANDLED;
}

static void level(int value)
{
	writeb(BIT(LINE), regs + GPIODIR);
	writeb(value << LINE, regs + GPIODATA(BIT(LINE)));
}

static int irq_rows(const char *driver, int irq)
{
	const unsigned long n = 64;
	u64 to_handler = U64_MAX, and_back = U64_MAX;
	int ret;

	regs = ioremap(PL061, PAGE_SIZE);
	if (!regs)
		return -ENOMEM;
	ret = request_irq(irq, handler, IRQF_TRIGGER_RISING, "bench", NULL);
	if (ret)
		goto unmap;

	for (int round = 0; round < BENCH_ROUNDS; round++) {
		u64 there = 0, back = 0;

		interrupts = 0;
		for (int i = 0; i < n; i++) {
			u64 start;

			level(0);
			writeb(0, regs + GPIODIR);
			level(1);
			start = bench_now();
			writeb(0, regs + GPIODIR);
			back += bench_now() - start;
			there += handled - start;
		}
		if (interrupts != n) {
			pr_err("bench: %lu interrupts in place of %lu\n", interrupts, n);
			ret = -EIO;
			break;
		}
		to_handler = min(to_handler, there);
		and_back = min(and_back, back);
	}
	free_irq(irq, NULL);
	if (!ret) {
		bench_report("irq_to_handler", driver, n, to_handler);
		bench_report("irq_and_back", driver, n, and_back);
	}
unmap:
	iounmap(regs);
	return ret;
}

int bench_gpio(const char *driver)
{
	struct gpio_device *gdev = gpio_device_find_by_label("9030000.pl061");
	struct gpio_desc *desc;
	int ret;

	if (!gdev)
		return -ENODEV;
	desc = gpiochip_request_own_desc(gpio_device_get_chip(gdev), LINE, "bench",
					 GPIO_ACTIVE_HIGH, GPIOD_IN);
	if (IS_ERR(desc)) {
		ret = PTR_ERR(desc);
		goto put;
	}

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct bench_side side = { rows[i].loop, bench_c_empty };

		bench_measure(rows[i].name, driver, desc, 1000, &side);
	}

	ret = gpiod_to_irq(desc);
	if (ret >= 0)
		ret = irq_rows(driver, ret);

	gpiochip_free_own_desc(desc);
put:
	gpio_device_put(gdev);
	return ret;
}
