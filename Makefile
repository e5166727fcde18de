# Tophalf: `make help` lists the targets.

CROSS_COMPILE ?= x86_64-linux-gnu-
APP           ?= httpd
SITE          ?= www
CONFIG        ?= boot/tophalf.cfg
BUILD         ?= build
HOSTCC        ?= gcc

CC      := $(CROSS_COMPILE)gcc
LD      := $(CROSS_COMPILE)ld
OBJCOPY := $(CROSS_COMPILE)objcopy
NM      := $(CROSS_COMPILE)nm

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

.DEFAULT_GOAL := image
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

APPS := $(filter-out include xdp,$(patsubst apps/%/,%,$(wildcard apps/*/)))
ifeq ($(filter $(APP),$(APPS)),)
$(error APP=$(APP): there is no apps/$(APP)/; choose one of: $(APPS))
endif

# ---------------------------------------------------------------- what the machine needs
# Each group is checked with one dpkg-query and installed, after saying so, when it lacks a
# package. LWIP is unpacked once per build folder.

.PHONY: deps-build deps-run deps-test deps-xdp
deps-build deps-test deps-xdp: deps-%:
	@scripts/setup.sh $*
deps-run: # at once, so that all that is going to be installed is named at once
	@scripts/setup.sh build run

LWIP       := $(BUILD)/lwip
LWIP_STAMP := $(BUILD)/lwip.stamp
$(LWIP_STAMP): scripts/fetch-lwip.sh | deps-build
	@mkdir -p $(BUILD)
	@scripts/fetch-lwip.sh $(abspath $(LWIP))
	@touch $@

# JSON is read by jsmn, one header of Debian's libjsmn-dev.
JSMN := $(BUILD)/jsmn/jsmn.h
JSMN_SHA256 := 1ed6154dedf009212a08a397e9c4ed50a0ce31d5a8301bb294e137ae3188c13b
$(JSMN): | deps-build
	@mkdir -p $(@D)
	@echo "$(JSMN_SHA256)  /usr/include/jsmn.h" | sha256sum --status -c || \
	    { echo "jsmn.h of libjsmn-dev is not the pinned one ($(JSMN_SHA256))" >&2; exit 1; }
	@cp /usr/include/jsmn.h $@

# ---------------------------------------------------------------- kernel
# Freestanding, no red zone (interrupts arrive on the running stack), general registers only
# (no SSE state to save), frame pointers (backtraces). -fbuiltin: small memcpys become moves. Loops
# and functions are not aligned: it takes 8 KiB, and an emulator pays for each NOP.

WARN   := -Wall -Wextra -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes -Wundef
# The compiler is asked for its headers when it is first used: a fresh machine has none before
# deps-build, and this file is read before that.
GCC_INCLUDE = $(eval GCC_INCLUDE := $(shell $(CC) -print-file-name=include))$(GCC_INCLUDE)
KFLAGS  = -std=gnu11 $(OPT) -g -ffreestanding -fbuiltin -nostdinc \
          -isystem $(GCC_INCLUDE) \
          -mno-red-zone -mgeneral-regs-only -mcmodel=kernel -fno-pic -fno-pie \
          -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-stack-protector \
          -fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections \
          -fno-align-functions -fno-align-jumps -fno-align-loops \
          -fmacro-prefix-map=$(CURDIR)/=
ifdef DEBUG # freed memory is poisoned and checked
KFLAGS += -DTOPHALF_DEBUG
endif

# What no packet passes through is small rather than fast: a tenth of the kernel.
OPT  := -O2
BPF_HOT := $(addprefix net/bpf/,interpret.c map_array.c map_hash.c map_lpm.c helper_map.c helper_packet.c \
               helper_redirect.c)
COLD := $(wildcard */cmd_*.c apps/*/cmd_*.c apps/httpd/admin*.c) \
        $(addprefix apps/httpd/,access_log.c answer.c conn_body.c map_json.c http_chunked.c http_conditional.c \
            http_date.c http_encoding.c http_path.c http_query.c http_range.c httpd.c made.c mime.c \
            clients.c site_build.c site_cache.c) \
        $(addprefix kernel/,acpi.c acpi_init.c aml.c backtrace.c boot.c buddy.c calibrate.c \
            command.c config.c console.c cpu.c exec.c fault.c fmt.c ioapic.c json.c keys.c \
            lineedit.c logring.c page_alloc.c pagetable.c paging.c panic.c pic.c power.c printk.c \
            rand.c rates.c serial.c trap.c) boot/cfg.c \
        $(addprefix drivers/,pci.c pci_config.c virtio_pci.c virtio_net_setup.c virtio_net_features.c \
            virtio_net_ctrl.c virtio_net_stall.c trace.c) \
        $(addprefix net/,addr.c capture.c capture_match.c cbpf_parse.c icmp_limit.c ipconf.c ipconf_parse.c \
            pcapng.c ping.c ports.c rx_guard.c stack_icmp.c syncookie.c syncookie_lwip.c trace_text.c \
            watchdog.c watchdog_step.c) \
        $(filter-out $(BPF_HOT),$(wildcard net/bpf/*.c)) net/bpf_text.c net/xdp_load.c boot/ustar.c
COLD_LWIP := $(addprefix core/,init.c def.c netif.c raw.c stats.c tcp.c ipv4/acd.c ipv4/dhcp.c \
                 ipv4/etharp.c ipv4/icmp.c ipv4/ip4_frag.c ipv6/icmp6.c ipv6/ip6_addr.c ipv6/ip6_frag.c ipv6/mld6.c \
                 ipv6/nd6.c)

# Each layer sees its own public headers and those of the layers below it, so that an include
# in the wrong direction does not compile: apps -> net -> drivers -> kernel.
INC_kernel  := -Ikernel/libc/include -Ikernel/include -Iboot/include
INC_drivers := $(INC_kernel) -Idrivers/include
INC_net     := $(INC_drivers) -Inet/include -Inet/port -I$(LWIP)/src/include
INC_apps    := $(INC_net) -Iapps/include -isystem $(BUILD)/jsmn

SRC_kernel  := $(wildcard kernel/*.c kernel/*.S kernel/libc/*.c) boot/cfg.c
SRC_drivers := $(wildcard drivers/*.c)
SRC_net     := $(wildcard net/*.c net/bpf/*.c net/port/*.c)
SRC_apps    := apps/main.c $(wildcard apps/$(APP)/*.c) boot/ustar.c

# lwIP's own list of its files, less what we do not use; compiled with its warnings as they are.
LWIP_SRC := $(addprefix src/,core/init.c core/def.c core/inet_chksum.c core/ip.c core/mem.c \
            core/memp.c core/netif.c core/pbuf.c core/raw.c core/stats.c core/tcp.c core/tcp_in.c \
            core/tcp_out.c core/timeouts.c core/udp.c core/ipv4/acd.c core/ipv4/dhcp.c \
            core/ipv4/etharp.c core/ipv4/icmp.c core/ipv4/ip4.c core/ipv4/ip4_addr.c \
            core/ipv4/ip4_frag.c core/ipv6/ethip6.c core/ipv6/icmp6.c core/ipv6/inet6.c \
            core/ipv6/ip6.c core/ipv6/ip6_addr.c core/ipv6/ip6_frag.c core/ipv6/mld6.c \
            core/ipv6/nd6.c netif/ethernet.c)

K := $(BUILD)/k
objs = $(patsubst %,$(K)/%.o,$(1))
KERNEL_OBJS := $(call objs,$(SRC_kernel) $(SRC_drivers) $(SRC_net) $(SRC_apps)) \
               $(patsubst src/%,$(K)/lwip/%.o,$(LWIP_SRC))

$(call objs,$(SRC_kernel)): LAYER := kernel
$(call objs,$(SRC_drivers)): LAYER := drivers
$(call objs,$(SRC_net)): LAYER := net
$(call objs,$(SRC_apps)): LAYER := apps
$(call objs,$(COLD)) $(addprefix $(K)/lwip/,$(COLD_LWIP:=.o)): OPT := -Os

# Objects made with other flags must not be taken for these: flags are part of the rule.
FLAGS_STAMP := $(BUILD)/flags.stamp
$(FLAGS_STAMP): FORCE | deps-build
	@mkdir -p $(BUILD)
	@echo '$(CC) $(KFLAGS) $(WARN) $(COLD) $(COLD_LWIP) $(WRAP)' | cmp -s - $@ || \
	    echo '$(CC) $(KFLAGS) $(WARN) $(COLD) $(COLD_LWIP) $(WRAP)' > $@
.PHONY: FORCE

# What it is called is compiled into two files only, so that another commit or app is not a rebuild.
NAMED := $(call objs,kernel/console.c kernel/cmd_system.c)
NAMES := -DTOPHALF_VERSION='"$(VERSION)"' -DTOPHALF_APP='"$(APP)"'
NAMES_STAMP := $(BUILD)/names.stamp
$(NAMES_STAMP): FORCE | deps-build
	@mkdir -p $(BUILD)
	@echo "$(NAMES)" | cmp -s - $@ || echo "$(NAMES)" > $@
$(NAMED): NAME_FLAGS := $(NAMES)
$(NAMED): $(NAMES_STAMP)

$(K)/%.o: % $(FLAGS_STAMP) $(LWIP_STAMP) | deps-build
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(KFLAGS) $(NAME_FLAGS) $(WARN) $(INC_$(LAYER)) -MMD -MP -c $< -o $@

$(K)/lwip/%.o: $(LWIP_STAMP) $(FLAGS_STAMP) | deps-build
	@mkdir -p $(@D)
	@echo "  CC      lwip/$*"
	@$(CC) $(KFLAGS) $(INC_net) -MMD -MP -c $(LWIP)/src/$* -o $@

$(K)/apps/httpd/map_json.c.o: $(JSMN)

-include $(KERNEL_OBJS:.o=.d)

# Calls between lwIP's files that are led to ours: net/stack_icmp.c, net/rx_guard.c, net/ports.c,
# net/tcp_gso.c, net/tcp_banks.c, net/tcp_predict.c, net/tcp_template.c.
WRAP := icmp_dest_unreach icmp_time_exceeded icmp6_dest_unreach icmp6_param_problem \
        icmp6_time_exceeded_with_addrs icmp_input icmp6_input \
        nd6_input ip4_reass ip6_reass udp_input \
        udp_bind udp_connect udp_send udp_sendto udp_sendto_if tcp_bind tcp_new tcp_new_ip_type \
        tcp_write tcp_output tcp_rexmit_fast tcp_rexmit_rto_prepare tcp_rexmit_rto_commit \
        tcp_split_unsent_seg ip4_frag ip6_frag ip4_output_if \
        tcp_input tcp_close tcp_shutdown tcp_abort tcp_connect tcp_alloc tcp_tmr tcp_txnow \
        pbuf_free_ooseq tcp_netif_ip_addr_changed tcp_trigger_input_pcb_close

# Linked twice: the first image gives the function names for backtraces, which then become a
# table at the end of .rodata, where they move nothing else of .text.
# -O2: a string that ends another one is a part of it.
LINK := $(LD) -nostdlib -static --no-dynamic-linker -z noexecstack -z max-page-size=4096 -O2 \
        --gc-sections --build-id=none $(addprefix --wrap=,$(WRAP)) -T linker.ld

$(BUILD)/kernel.pass1.elf: $(KERNEL_OBJS) linker.ld
	@$(LINK) -o $@ $(KERNEL_OBJS)

$(BUILD)/ksyms.S: $(BUILD)/kernel.pass1.elf scripts/mkksyms.sh
	@scripts/mkksyms.sh $(NM) $< > $@

$(BUILD)/kernel.debug: $(KERNEL_OBJS) $(BUILD)/ksyms.S linker.ld
	@echo "  LD      $(BUILD)/kernel.elf"
	@$(CC) $(KFLAGS) -c $(BUILD)/ksyms.S -o $(BUILD)/ksyms.o
	@$(LINK) -o $@ $(KERNEL_OBJS) $(BUILD)/ksyms.o

$(BUILD)/kernel.elf: $(BUILD)/kernel.debug
	@$(OBJCOPY) --strip-all $< $@

# ---------------------------------------------------------------- loader and disk image
include boot/boot.mk

$(BUILD)/site.tar: FORCE | deps-build
	@scripts/mksite.sh $(SITE) $@

# Which file CONFIG names, and what is in it, may both change: checked, then copied when different.
$(BUILD)/cfgcheck: scripts/cfgcheck.c boot/cfg.c boot/include/boot/cfg.h | deps-build
	@mkdir -p $(@D)
	@$(HOSTCC) -O1 $(WARN) -Iboot/include $(filter %.c,$^) -o $@

$(BUILD)/tophalf.cfg: FORCE $(BUILD)/cfgcheck
	@$(BUILD)/cfgcheck $(CONFIG)
	@cmp -s $(CONFIG) $@ || { cp $(CONFIG) $@ && echo "  CONFIG  $(CONFIG)"; }

# XDP programs that go with it: those that `make xdp` has built, or the objects in XDP=dir. Which
# there are is part of the rule.
XDP       ?= $(BUILD)/xdp
XDP_FILES := $(sort $(wildcard $(XDP)/*.o))
ifneq ($(XDP),$(BUILD)/xdp)
ifeq ($(XDP_FILES),)
$(error XDP=$(XDP): there is no folder of that name with objects (*.o) in it)
endif
endif
XDP_LIST  := $(BUILD)/xdp.list
$(XDP_LIST): FORCE
	@mkdir -p $(@D)
	@echo '$(XDP_FILES)' | cmp -s - $@ || echo '$(XDP_FILES)' > $@

IMAGE := $(BUILD)/tophalf.img
$(IMAGE): $(BUILD)/BOOTX64.EFI $(BUILD)/kernel.elf $(BUILD)/tophalf.cfg $(BUILD)/site.tar \
          $(XDP_FILES) $(XDP_LIST) scripts/mkimage.sh
	@scripts/mkimage.sh $@ $(BUILD)/BOOTX64.EFI $(BUILD)/kernel.elf $(BUILD)/tophalf.cfg \
	    $(BUILD)/site.tar $(XDP_FILES)
	@echo "  IMAGE   $@"

# The guest's port that `make run` leads PORT of this machine to: where the app listens.
GUEST_PORT_echo := 7
GUEST_PORT_kv   := 11211
GUEST_PORT ?= $(or $(GUEST_PORT_$(APP)),80)

.PHONY: image run debug
image: $(IMAGE) ## build build/tophalf.img (the default target)

run: deps-run $(IMAGE) ## boot it in QEMU: http://127.0.0.1:8080, console here, Ctrl-A X ends
	@APP=$(APP) GUEST_PORT=$(GUEST_PORT) scripts/run.sh $(IMAGE)

debug: deps-run $(IMAGE) ## the same, QEMU waiting for gdb, which starts with symbols loaded
	@GDB=1 APP=$(APP) GUEST_PORT=$(GUEST_PORT) scripts/run.sh $(IMAGE)

# ---------------------------------------------------------------- XDP programs
include apps/xdp/xdp.mk

# ---------------------------------------------------------------- benchmarks
include bench/bench.mk

# ---------------------------------------------------------------- tests
include tests/host/tests.mk
include tests/fuzz/fuzz.mk
include tests/lwip.mk
include tests/bpf/bpf.mk

.PHONY: test check check-qemu check-lwip lint format clean help
test: ## everything: host unit tests, lwIP's own, QEMU tests, lint
	@BUILD=$(BUILD) scripts/test.sh

check-qemu: deps-test $(IMAGE) ## the QEMU tests alone (T='expr' selects, as pytest -k)
	@BUILD=$(BUILD) scripts/check-qemu.sh '$(T)'

SOURCES = $(shell git ls-files '*.c' '*.h')
lint: deps-test $(LWIP_STAMP) ## formatting, static analysis and shell scripts
	@BUILD=$(BUILD) scripts/lint.sh

format: deps-test ## rewrite the sources in the house format
	@clang-format -i $(SOURCES)

clean: ## remove the build folder (the download cache stays)
	@rm -rf $(BUILD)

help: ## this list
	@echo "make TARGET [APP=$(subst $() ,|,$(APPS))] [SITE=dir] [CONFIG=file] [PORT=8080] [GUEST_PORT=80]"
	@echo "            [XDP=dir] [MEM=256M] [ACCEL=tcg|kvm] [CROSS_COMPILE=prefix] [DEBUG=1]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile boot/boot.mk apps/xdp/xdp.mk bench/*.mk tests/*.mk tests/host/*.mk tests/bpf/*.mk | expand -t 16
