# The UEFI loader: GNU-EFI's start-up code and linker script, our code, one PE file.

EFI_DIR   ?= /usr/lib
EFI_INC   ?= /usr/include/efi
B         := $(BUILD)/boot
SRC_boot  := $(wildcard boot/*.c)
BOOT_OBJS := $(SRC_boot:boot/%.c=$(B)/%.o)

# Position-independent, 16-bit wide characters, the Microsoft calling convention for firmware
# calls; memcpy and friends are the kernel's own.
BOOT_FLAGS := -std=gnu11 -O2 -g -ffreestanding -fbuiltin -fpic -fshort-wchar -fno-stack-protector \
              -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing -fno-tree-loop-distribute-patterns \
              -DGNU_EFI_USE_MS_ABI -isystem $(EFI_INC) -isystem $(EFI_INC)/x86_64 -Iboot/include

$(B)/%.o: boot/%.c boot/boot.mk | deps-build
	@mkdir -p $(@D)
	@echo "  EFICC   $<"
	@$(CC) $(BOOT_FLAGS) $(WARN) -MMD -MP -c $< -o $@

$(B)/string.o: kernel/libc/string.c boot/boot.mk | deps-build
	@mkdir -p $(@D)
	@$(CC) $(BOOT_FLAGS) $(WARN) -Ikernel/libc/include -Ikernel/include -MMD -MP -c $< -o $@

-include $(BOOT_OBJS:.o=.d) $(B)/string.d

$(B)/loader.so: $(BOOT_OBJS) $(B)/string.o
	@$(LD) -nostdlib -znocombreloc -shared -Bsymbolic --no-undefined -z noexecstack \
	    -T $(EFI_DIR)/elf_x86_64_efi.lds $(EFI_DIR)/crt0-efi-x86_64.o $^ -L$(EFI_DIR) -lgnuefi -o $@

$(BUILD)/BOOTX64.EFI: $(B)/loader.so
	@echo "  EFI     $@"
	@$(OBJCOPY) -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' \
	    -j '.rela.*' -j .reloc --target efi-app-x86_64 --subsystem=10 $< $@
