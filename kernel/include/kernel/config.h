/*
 * tophalf.cfg at run time. Keys that nobody asked for by the end of boot are reported, so that
 * a typing error does not go unnoticed. Boot and main context.
 */
#ifndef KERNEL_CONFIG_H
#define KERNEL_CONFIG_H

#include <boot/bootinfo.h>
#include <kernel/lib.h>

void config_init(const struct boot_info *info);

/* The value of a key, or fallback (which may be NULL). Valid for ever. */
const char *config_get(const char *key, const char *fallback);

/* A number (decimal or 0x), within [min, max]; anything else is reported in the log with what
 * would be right, and gives the fallback. */
uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max);

/* 1/on/yes/true or 0/off/no/false, likewise. */
bool config_bool(const char *key, bool fallback);

/* One of the names in a NULL-terminated list: its index, or fallback, likewise. */
unsigned config_choice(const char *key, const char *const *names, unsigned fallback);

void config_report_unused(void);

#endif
