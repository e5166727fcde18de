# Tests with lwIP itself, built for the host from the source that the kernel is built from:
# our glue on top of it (test_stack, part of `make check`), and lwIP's own unit tests (check-lwip).

comma := ,
LWIP_SOURCES := $(addprefix $(LWIP)/,$(LWIP_SRC))
LWIP_INC     := -Inet -Inet/port -I$(LWIP)/src/include
$(LWIP_SOURCES): $(LWIP_STAMP) ;

# ---------------------------------------------------------------- the stack on a fake NIC
STACK_OBJS := $(patsubst src/%.c,$(H)/stack/%.o,$(LWIP_SRC)) \
              $(patsubst %.c,$(H)/stack/%.o,$(addprefix net/,stack.c stack_rx.c stack_tx.c xsk.c tcp_gso.c tcp_guard.c tcp_cut.c tcp_send.c copies.c tcp_banks.c tcp_rx.c tcp_predict.c tcp_predict_ends.c tcp_open.c tcp_template.c tcp_timewait.c tcp_timewait_lwip.c stack_icmp.c icmp_limit.c isn.c ping.c \
                tcp_backlog.c syncookie.c syncookie_lwip.c rx_guard.c ports.c \
                port/port.c port/chksum.c port/isn_hook.c) \
                $(wildcard tests/lwip/*.c) tests/host/fakes.c tests/host/fake_capture.c)

# lwIP takes the address of a NULL struct's first member and then tests it for NULL, which UBSan
# would call an error; a real access through NULL still ends the test.
$(H)/stack/core/%.o: $(LWIP)/src/core/%.c net/port/lwipopts.h | deps-test
	@mkdir -p $(@D)
	@$(HOSTCC) $(HOST_FLAGS) -fno-sanitize=null $(LWIP_INC) -MMD -MP -c $< -o $@
$(H)/stack/netif/%.o: $(LWIP)/src/netif/%.c net/port/lwipopts.h | deps-test
	@mkdir -p $(@D)
	@$(HOSTCC) $(HOST_FLAGS) -fno-sanitize=null $(LWIP_INC) -MMD -MP -c $< -o $@
$(H)/stack/%.o: %.c $(LWIP_STAMP) | deps-test
	@mkdir -p $(@D)
	@$(HOSTCC) $(HOST_FLAGS) $(WARN) -Wno-missing-prototypes $(LWIP_INC) -MMD -MP -c $< -o $@

$(H)/test_stack: $(STACK_OBJS)
	@echo "  HOSTCC  $@"
	@$(HOSTCC) $(HOST_FLAGS) $(addprefix -Wl$(comma)--wrap=,$(WRAP)) $^ -lcmocka -o $@

check: $(H)/test_stack

-include $(STACK_OBJS:.o=.d)

# ---------------------------------------------------------------- lwIP's own tests
UNIT_MAKE = $(MAKE) --no-print-directory -f tests/lwip/unit/unit.mk LWIP=$(LWIP) \
            OUT=$(BUILD)/lwip-unit LWIP_SRC='$(LWIP_SRC)' HOSTCC='$(HOSTCC)'

check-lwip: $(LWIP_STAMP) | deps-test ## lwIP's own unit tests: with our options, and with its own
	+@$(UNIT_MAKE) all
	@scripts/run-lwip-tests.sh $(BUILD)/lwip-unit
