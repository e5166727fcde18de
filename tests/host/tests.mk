# Host unit tests: tests/host/test_<name>.c with the sources that TEST_<name> lists, each one
# program under ASan and UBSan. Pure code only; kernel services come from tests/host/fakes.c.

HOST_TESTS := $(patsubst tests/host/test_%.c,%,$(wildcard tests/host/test_*.c))

# one line a test: the code under test
TEST_fmt := kernel/fmt.c
TEST_string := # included by the test, under other names
TEST_page_alloc := kernel/buddy.c
TEST_kmalloc := kernel/kmalloc.c kernel/buddy.c
TEST_kmalloc_debug := $(TEST_kmalloc)
HOST_EXTRA_kmalloc_debug := -DTOPHALF_DEBUG
TEST_backtrace := kernel/backtrace.c
TEST_pagetable := kernel/pagetable.c
TEST_json := kernel/json.c kernel/fmt.c
TEST_lineedit := kernel/lineedit.c kernel/keys.c kernel/fmt.c
TEST_command := kernel/command.c
TEST_config := kernel/config.c kernel/fmt.c boot/cfg.c
TEST_printk := kernel/logring.c kernel/fmt.c
TEST_hist := kernel/hist.c
TEST_rates := kernel/rates.c kernel/fmt.c
FAKE_CONSOLE := tests/host/fake_console.c kernel/json.c kernel/fmt.c
TEST_cmd_hist := kernel/hist.c $(FAKE_CONSOLE)
TEST_cmd_reset := kernel/hist.c $(FAKE_CONSOLE)
TEST_cmd_irq := kernel/rates.c $(FAKE_CONSOLE)
TEST_cmd_watch := kernel/command.c kernel/rates.c $(FAKE_CONSOLE)
FAKE_HW := -include tests/host/fake_hw.h
TEST_acpi := kernel/acpi.c kernel/aml.c
TEST_softirq := kernel/softirq.c kernel/context.c tests/host/fake_hw.c
HOST_EXTRA_softirq := $(FAKE_HW)
TEST_loop := kernel/loop.c kernel/work.c kernel/softirq.c kernel/context.c tests/host/fake_hw.c
HOST_EXTRA_loop := $(FAKE_HW)
TEST_work := kernel/work.c kernel/softirq.c kernel/context.c tests/host/fake_hw.c
HOST_EXTRA_work := $(FAKE_HW)
TEST_cputime := kernel/cputime.c tests/host/fake_hw.c
HOST_EXTRA_cputime := $(FAKE_HW)
TEST_pacing := # bench/pacing.h
TEST_timer := kernel/timer.c tests/host/fake_hw.c
HOST_EXTRA_timer := $(FAKE_HW)
TEST_lapic := tests/host/fake_hw.c
HOST_EXTRA_lapic := $(FAKE_HW)
TEST_irq := kernel/irq.c kernel/ioapic.c kernel/pic.c kernel/context.c kernel/fmt.c tests/host/fake_hw.c
HOST_EXTRA_irq := $(FAKE_HW)
TEST_time := kernel/time.c kernel/calibrate.c kernel/clocksource.c tests/host/fake_hw.c
HOST_EXTRA_time := $(FAKE_HW)
TEST_rand := kernel/chacha20.c tests/host/fake_hw.c
HOST_EXTRA_rand := $(FAKE_HW)
TEST_power := kernel/power.c tests/host/fake_hw.c
HOST_EXTRA_power := $(FAKE_HW)
TEST_cfg   := boot/cfg.c
TEST_isn := net/isn.c
TEST_syncookie := net/syncookie.c net/isn.c
TEST_ipconf_parse := net/ipconf_parse.c
TEST_napi := net/napi.c net/rx_adapt.c net/rx_policy.c net/rx_observe.c tests/host/fake_capture.c \
             tests/host/fake_hw.c
HOST_EXTRA_napi := $(FAKE_HW)
TEST_rx_policy := net/rx_policy.c
TEST_icmp_limit := net/icmp_limit.c
TEST_cbpf := net/cbpf.c net/cbpf_parse.c
HOST_EXTRA_cbpf := -lpcap
TEST_pcapng := net/pcapng.c
HOST_EXTRA_pcapng := -D_GNU_SOURCE -lpcap
TEST_capture_match := net/capture_match.c
TEST_chksum := net/port/chksum.c
TEST_trace_text := net/trace_text.c net/addr.c kernel/fmt.c
HOST_EXTRA_trace_text := -Inet/port -I$(LWIP)/src/include $(addprefix $(LWIP)/src/core/,def.c ipv4/ip4_addr.c ipv6/ip6_addr.c)
TEST_ustar := boot/ustar.c
TEST_pci := drivers/pci.c drivers/pci_irq.c tests/host/fake_pci.c
HOST_EXTRA_pci := -include tests/host/mmio_hook.h
TEST_cmd_pci := kernel/json.c kernel/fmt.c
TEST_pci_config := drivers/pci_config.c tests/host/fake_hw.c
HOST_EXTRA_pci_config := $(FAKE_HW)
TEST_pktbuf := drivers/pktbuf.c
TEST_pktbuf_debug := drivers/pktbuf.c
HOST_EXTRA_pktbuf_debug := -DTOPHALF_DEBUG
TEST_virtio_net := drivers/virtio_net.c drivers/virtio_net_merge.c drivers/virtio_net_ctrl.c drivers/virtio_net_setup.c drivers/virtio_net_features.c drivers/virtqueue.c drivers/pktbuf.c \
                   drivers/virtio_net_stall.c drivers/virtio_net_naive.c kernel/fmt.c tests/host/fake_device.c tests/host/fake_virtio.c tests/host/fake_hw.c
HOST_EXTRA_virtio_net := $(FAKE_HW) -include tests/host/barrier_hook.h
TEST_watchdog := tests/host/fake_capture.c tests/host/fake_xdp.c net/watchdog.c net/watchdog_step.c net/napi.c net/rx_adapt.c net/rx_policy.c net/rx_observe.c \
                 drivers/virtio_net.c drivers/virtio_net_merge.c drivers/virtio_net_ctrl.c drivers/virtio_net_setup.c drivers/virtio_net_features.c drivers/virtio_net_stall.c drivers/virtio_net_naive.c drivers/virtqueue.c \
                 drivers/pktbuf.c kernel/fmt.c tests/host/fake_device.c tests/host/fake_virtio.c tests/host/fake_hw.c
HOST_EXTRA_watchdog := $(FAKE_HW) -include tests/host/barrier_hook.h
TEST_trace := tests/host/fake_hw.c # includes drivers/trace.c
HOST_EXTRA_trace := $(FAKE_HW)
TEST_offloads := $(TEST_virtio_net)
HOST_EXTRA_offloads := $(HOST_EXTRA_virtio_net)
TEST_trace_nic := $(TEST_virtio_net) drivers/trace.c
HOST_EXTRA_trace_nic := $(HOST_EXTRA_virtio_net)
TEST_virtio_pci := drivers/virtio_pci.c drivers/virtqueue.c drivers/pci.c drivers/pci_irq.c kernel/fmt.c \
                   tests/host/fake_pci.c
HOST_EXTRA_virtio_pci := -include tests/host/mmio_hook.h
TEST_virtqueue := drivers/virtqueue.c tests/host/fake_device.c
HOST_EXTRA_virtqueue := -include tests/host/barrier_hook.h
TEST_elf := boot/elf.c
TEST_memmap := boot/memmap.c boot/leave.c
EFI_HOST := -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -DGNU_EFI_USE_MS_ABI
HOST_EXTRA_memmap := $(EFI_HOST)
TEST_handover := boot/handover.c
TEST_clock := boot/clock.c
HOST_EXTRA_clock := $(EFI_HOST)
TEST_memory := boot/memory.c
HOST_EXTRA_memory := $(EFI_HOST)
TEST_bytes :=
TEST_http_chars := # apps/httpd/http_chars.h
TEST_http_request := apps/httpd/http_request.c
TEST_http_differential := apps/httpd/http_request.c
HOST_EXTRA_http_differential := -D_GNU_SOURCE # strsep
TEST_http_path := apps/httpd/http_path.c
TEST_http_query := apps/httpd/http_query.c
TEST_http_date := apps/httpd/http_date.c kernel/fmt.c
TEST_http_range := apps/httpd/http_range.c
TEST_http_chunked := apps/httpd/http_chunked.c
TEST_http_encoding := apps/httpd/http_encoding.c apps/httpd/http_request.c
TEST_http_conditional := apps/httpd/http_conditional.c apps/httpd/http_request.c apps/httpd/http_date.c kernel/fmt.c
TEST_clients := apps/httpd/clients.c tests/host/fake_kmalloc.c
HOST_EXTRA_clients := -Inet/port -I$(LWIP)/src/include
TEST_access_log := apps/httpd/http_request.c apps/httpd/http_date.c kernel/logring.c kernel/fmt.c \
                   kernel/json.c tests/host/fake_console.c
HOST_EXTRA_access_log := -D_GNU_SOURCE $(FAKE_HW) -Inet/port -I$(LWIP)/src/include
TEST_admin_access := apps/httpd/admin_access.c apps/httpd/http_request.c kernel/fmt.c
HOST_EXTRA_admin_access := -D_GNU_SOURCE -Inet/port -I$(LWIP)/src/include \
                           $(addprefix $(LWIP)/src/core/,def.c ipv4/ip4_addr.c ipv6/ip6_addr.c ip.c)
TEST_site_cache := apps/httpd/site_cache.c
TEST_mime := apps/httpd/mime.c
HTTPD_SITE := apps/httpd/site.c apps/httpd/site_build.c apps/httpd/site_cache.c apps/httpd/response.c apps/httpd/mime.c apps/httpd/http_date.c \
              apps/httpd/http_path.c boot/ustar.c kernel/fmt.c tests/host/fake_kmalloc.c
TEST_site := $(HTTPD_SITE)
TEST_httpd := $(HTTPD_SITE) $(addprefix apps/httpd/,conn.c conn_in.c conn_body.c conn_out.c conn_time.c \
              answer.c made.c access_log.c clients.c http_request.c http_chunked.c http_conditional.c \
              http_encoding.c http_range.c httpd.c) kernel/logring.c kernel/json.c \
              tests/host/fake_admin.c tests/host/fake_console.c tests/host/fake_tcp.c tests/host/fake_hw.c
TEST_echo := apps/echo/echo.c tests/host/fake_kmalloc.c tests/host/fake_tcp.c tests/host/fake_hw.c
HOST_EXTRA_httpd := -D_GNU_SOURCE $(FAKE_HW) -Inet/port -I$(LWIP)/src/include
HOST_EXTRA_echo := $(HOST_EXTRA_httpd)
$(BUILD)/host/test_httpd $(BUILD)/host/test_echo $(BUILD)/host/test_trace_text: $(LWIP_STAMP)

# eBPF: maps and helpers
BPF_MAP_TEST := $(addprefix net/bpf/,map.c map_array.c map_hash.c map_lpm.c map_lpm_edit.c map_prog.c map_dev.c map_xsk.c \
              map_ring.c registry.c) tests/host/fake_bpf.c tests/host/fake_bpf_mem.c
BPF_HELPERS := $(addprefix net/bpf/,helper.c helper_map.c helper_packet.c helper_redirect.c helper_event.c \
                 helper_system.c helper_format.c helper_proto.c) kernel/fmt.c $(BPF_MAP_TEST)
TEST_bpf_helper_table := $(BPF_HELPERS) tests/host/fake_fib.c
TEST_bpf_helper_fib := net/bpf/helper_fib.c
HOST_EXTRA_bpf_helper_fib := -D_GNU_SOURCE -Inet/port -I$(LWIP)/src/include $(addprefix $(LWIP)/src/core/,def.c ipv4/ip4_addr.c)
$(BUILD)/host/test_bpf_helper_fib: $(LWIP_STAMP)
TEST_bpf_map_array := $(BPF_MAP_TEST)
TEST_bpf_helper_linux := $(BPF_HELPERS) tests/host/fake_fib.c tests/host/bpf_linux.c
TEST_bpf_map_lpm := $(BPF_MAP_TEST)
TEST_bpf_map_linux := $(BPF_MAP_TEST) tests/host/bpf_linux.c
TEST_bpf_map_refs := $(BPF_MAP_TEST)
TEST_bpf_map_ring := $(BPF_HELPERS) tests/host/fake_fib.c
TEST_bpf_map_hash := $(filter-out net/bpf/map_hash.c,$(BPF_MAP_TEST)) # included by the test

# eBPF: raw rings, and the apps on them
LWIP_INCLUDES := -Inet/port -I$(LWIP)/src/include
TEST_xsk := net/xsk.c drivers/pktbuf.c tests/host/fake_capture.c tests/host/fake_kmalloc.c
HOST_EXTRA_xsk := $(LWIP_INCLUDES)
$(BUILD)/host/test_xsk: $(LWIP_STAMP)
TEST_map_json := apps/httpd/map_json.c
BPF_MAPS := $(wildcard net/bpf/map*.c) net/bpf/registry.c tests/host/fake_bpf_mem.c
TEST_kv := apps/kv/kv_proto.c apps/kv/kv_store.c kernel/fmt.c $(BPF_MAPS)

# eBPF: the object loader. Its objects are compiled for it: by clang 14 and 19, for cpu v3 and v4,
# without debugging information, and one for each CASE_ that is refused.
BPF_LOADER := $(addprefix net/bpf/,object_elf.c object_btf.c object_core.c object_func.c object_maps.c \
              object_maps_btf.c object_reloc.c object_load.c log.c registry.c) $(wildcard net/bpf/map*.c) \
              kernel/fmt.c tests/host/fake_bpf.c tests/host/fake_bpf_mem.c
BPF_OBJECTS := $(BUILD)/bpf-objects
BPF_SOURCES := $(patsubst tests/bpf/objects/%.bpf.c,%,$(filter-out %/refused.bpf.c,$(wildcard tests/bpf/objects/*.bpf.c)))
BPF_REFUSED := $(shell sed -n 's/.*defined(CASE_\([a-z_]*\)).*/\1/p' tests/bpf/objects/refused.bpf.c | sort -u)
BPF_TEST_OBJS := $(foreach s,$(BPF_SOURCES),$(addprefix $(BPF_OBJECTS)/$(s)-,14.o 19.o v4.o)) \
                 $(BPF_OBJECTS)/legacy-nodebug.o $(addprefix $(BPF_OBJECTS)/refused-,$(BPF_REFUSED:=.o))
TEST_bpf_object := $(BPF_LOADER)
HOST_EXTRA_bpf_object := -D_GNU_SOURCE -DBPF_OBJECTS='"$(BPF_OBJECTS)"'
$(BUILD)/host/test_bpf_object: $(BPF_TEST_OBJS)
# The same and apps/xdp's, through all of it: loader, verifier, interpreter and compiler.
BPF_APPS := $(patsubst apps/xdp/%.bpf.c,%,$(wildcard apps/xdp/*.bpf.c))
BPF_APP_OBJS := $(foreach s,$(BPF_APPS),$(addprefix $(BPF_OBJECTS)/apps/$(s)-,14.o 19.o v4.o))
TEST_bpf_programs := $(BPF_LOADER) $(wildcard net/bpf/verify*.c) net/bpf/tnum.c net/bpf/disasm.c net/bpf/interpret.c \
                     $(addprefix net/bpf/jit_x86,.c _alu.c _mem.c _call.c) \
                     $(addprefix net/bpf/helper,.c _map.c _packet.c _redirect.c _event.c _system.c _format.c \
                         _proto.c) net/bpf_text.c tests/host/fake_fib.c
HOST_EXTRA_bpf_programs := -D_GNU_SOURCE -DBPF_OBJECTS='"$(BPF_OBJECTS)"'
TEST_bpf_object_linux := $(BPF_LOADER) tests/host/bpf_linux.c
HOST_EXTRA_bpf_object_linux := -DBPF_OBJECTS='"$(BPF_OBJECTS)"'
$(BUILD)/host/test_bpf_programs $(BUILD)/host/test_bpf_object_linux: $(BPF_TEST_OBJS) $(BPF_APP_OBJS)
# eBPF: the hook, its console commands, the loader's programs
TEST_xdp := net/xdp.c drivers/pktbuf.c net/port/chksum.c tests/host/fake_capture.c
HOST_EXTRA_xdp := -Inet/port
TEST_programs := boot/programs.c boot/files.c
HOST_EXTRA_programs := $(EFI_HOST) -fshort-wchar
TEST_bpf_text := net/bpf_text.c kernel/fmt.c
# eBPF: interpreter, JIT, disassembler
BPF_ENGINES := net/bpf/interpret.c $(addprefix net/bpf/jit_x86,.c _alu.c _mem.c _call.c) tests/host/fake_bpf_mem.c
TEST_bpf_isa := $(BPF_ENGINES) tests/host/bpf_linux.c
TEST_bpf_calls := $(BPF_ENGINES)
TEST_bpf_jit := $(filter net/%,$(BPF_ENGINES))
TEST_bpf_random := $(BPF_ENGINES) tests/host/bpf_shadow.c
HOST_EXTRA_bpf_random := -DBPF_SHADOW
TEST_bpf_disasm := net/bpf/disasm.c net/bpf/helper_proto.c kernel/fmt.c

# eBPF: verifier
BPF_VERIFIER := $(wildcard net/bpf/verify*.c) $(addprefix net/bpf/,tnum.c helper_proto.c log.c disasm.c) \
                tests/host/fake_bpf_mem.c kernel/fmt.c
TEST_bpf_tnum := net/bpf/tnum.c
TEST_bpf_verify_range := $(BPF_VERIFIER)
TEST_bpf_verify := $(BPF_VERIFIER)
TEST_bpf_verify_mem := $(BPF_VERIFIER)
TEST_bpf_verify_call := $(BPF_VERIFIER)
TEST_bpf_verify_path := $(BPF_VERIFIER) net/bpf/interpret.c

H := $(BUILD)/host
HOST_FLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
              -fno-omit-frame-pointer -DTOPHALF_HOST=1 -DTOPHALF_VERSION='"host"' \
              -Ikernel/include -Iboot/include -Iboot -Idrivers/include -Idrivers -Inet/include \
              -Inet -Iapps/include -Iapps -Ikernel -Itests/host

.SECONDEXPANSION:
BPF_TEST = @mkdir -p $(@D) && echo "  BPF     $@" && clang-$(1) $(BPF_CFLAGS) $(2) -c $< -o $@
$(BPF_OBJECTS)/refused-%.o: tests/bpf/objects/refused.bpf.c | deps-test
	$(call BPF_TEST,14,-DCASE_$*)
$(BPF_OBJECTS)/apps/%-14.o: apps/xdp/%.bpf.c apps/xdp/frame.h apps/xdp/kv.h | deps-test
	$(call BPF_TEST,14)
$(BPF_OBJECTS)/apps/%-19.o: apps/xdp/%.bpf.c apps/xdp/frame.h apps/xdp/kv.h | deps-test
	$(call BPF_TEST,19)
$(BPF_OBJECTS)/apps/%-v4.o: apps/xdp/%.bpf.c apps/xdp/frame.h apps/xdp/kv.h | deps-test
	$(call BPF_TEST,19,-mcpu=v4)
$(BPF_OBJECTS)/%-14.o: tests/bpf/objects/%.bpf.c | deps-test
	$(call BPF_TEST,14)
$(BPF_OBJECTS)/%-19.o: tests/bpf/objects/%.bpf.c | deps-test
	$(call BPF_TEST,19)
$(BPF_OBJECTS)/%-v4.o: tests/bpf/objects/%.bpf.c | deps-test
	$(call BPF_TEST,19,-mcpu=v4)
$(BPF_OBJECTS)/%-nodebug.o: tests/bpf/objects/%.bpf.c | deps-test
	$(call BPF_TEST,14,-g0)
$(H)/test_%: tests/host/test_%.c $$(TEST_$$*) tests/host/fakes.c $(wildcard tests/host/*.h kernel/include/kernel/*.h boot/include/boot/*.h drivers/*.h drivers/include/drivers/*.h net/include/net/*.h) tests/host/tests.mk | deps-test
$(H)/test_%: tests/host/test_%.c $$(TEST_$$*) tests/host/fakes.c $(wildcard tests/host/*.h tests/bpf/*.h net/bpf/*.h kernel/include/kernel/*.h boot/include/boot/*.h drivers/*.h drivers/include/drivers/*.h net/include/net/*.h) tests/host/tests.mk | deps-test
	@mkdir -p $(@D)
	@echo "  HOSTCC  $@"
	@$(HOSTCC) $(HOST_FLAGS) $(WARN) -Wno-missing-prototypes $(HOST_EXTRA_$*) $(filter %.c,$^) -lcmocka -o $@

check: $(addprefix $(H)/test_,$(HOST_TESTS)) ## host unit tests under ASan and UBSan: seconds, no QEMU
	@scripts/run-host-tests.sh $^
