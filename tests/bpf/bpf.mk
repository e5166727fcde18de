# eBPF: Linux as the oracle (docs/bpf-oracle.md): tests/bpf with our verifier, interpreter and JIT.
# As root it asks this machine's Linux by bpf(2); otherwise it says so and uses what is recorded.

BPF_SECONDS ?= 20
# The first random program: the same ones each time.
BPF_FROM ?= 1
ORACLE_SOURCES := $(wildcard tests/bpf/*.c) \
                  $(sort $(BPF_HELPERS) $(BPF_ENGINES) $(wildcard net/bpf/verify*.c) net/bpf/tnum.c \
                         $(BPF_LOADER) net/bpf/disasm.c tests/host/fake_fib.c tests/host/fakes.c)
ORACLE_OBJS := $(patsubst %.c,$(H)/oracle/%.o,$(ORACLE_SOURCES))

$(H)/oracle/%.o: %.c | deps-test
	@mkdir -p $(@D)
	@$(HOSTCC) $(HOST_FLAGS) $(WARN) -Wno-missing-prototypes -MMD -MP -c $< -o $@

$(H)/bpf_oracle: $(ORACLE_OBJS)
	@echo "  HOSTCC  $@"
	@$(HOSTCC) $(HOST_FLAGS) -Wl$(comma)--wrap=bpf_verify $^ -o $@

ORACLE_OBJECTS := $(filter-out $(BPF_OBJECTS)/refused-%,$(BPF_TEST_OBJS)) $(BPF_APP_OBJS)
check-bpf: $(H)/bpf_oracle $(ORACLE_OBJECTS) ## our eBPF against Linux's: hand-made cases, and random ones for BPF_SECONDS (20)
	@$< --seconds $(BPF_SECONDS) --from $(BPF_FROM) --objects $(ORACLE_OBJECTS)

.PHONY: check-bpf
-include $(ORACLE_OBJS:.o=.d)
