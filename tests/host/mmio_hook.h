/* Put before everything else (-include): device memory is what the test says it is. */
#ifndef TESTS_MMIO_HOOK_H
#define TESTS_MMIO_HOOK_H

#define mmio_read8   real_mmio_read8
#define mmio_read16  real_mmio_read16
#define mmio_read32  real_mmio_read32
#define mmio_write8  real_mmio_write8
#define mmio_write16 real_mmio_write16
#define mmio_write32 real_mmio_write32
#include <kernel/io.h>
#undef mmio_read8
#undef mmio_read16
#undef mmio_read32
#undef mmio_write8
#undef mmio_write16
#undef mmio_write32

uint32_t fake_mmio_read(uint64_t at, unsigned bytes);
void fake_mmio_write(uint64_t at, uint32_t value, unsigned bytes);

#define mmio_read8(p)      ((uint8_t)fake_mmio_read((uint64_t)(p), 1))
#define mmio_read16(p)     ((uint16_t)fake_mmio_read((uint64_t)(p), 2))
#define mmio_read32(p)     fake_mmio_read((uint64_t)(p), 4)
#define mmio_write8(p, v)  fake_mmio_write((uint64_t)(p), v, 1)
#define mmio_write16(p, v) fake_mmio_write((uint64_t)(p), v, 2)
#define mmio_write32(p, v) fake_mmio_write((uint64_t)(p), v, 4)

#endif
