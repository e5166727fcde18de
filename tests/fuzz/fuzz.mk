# Fuzz targets: tests/fuzz/fuzz_<name>.c with the sources that FUZZ_<name> lists, under libFuzzer,
# ASan and UBSan. Seeds: tests/fuzz/corpus/<name>/. See docs/fuzzing.md.

FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 600

FUZZ_http_request := apps/httpd/http_request.c
FUZZ_http_chunked := apps/httpd/http_chunked.c
FUZZ_http_fields := apps/httpd/http_conditional.c apps/httpd/http_date.c apps/httpd/http_encoding.c \
                    apps/httpd/http_range.c apps/httpd/http_request.c kernel/fmt.c
FUZZ_http_path := apps/httpd/http_path.c
FUZZ_cbpf := net/cbpf.c net/cbpf_parse.c
FUZZ_cfg := boot/cfg.c
FUZZ_bpf_text := net/bpf_text.c kernel/fmt.c
FUZZ_site := $(HTTPD_SITE)
FUZZ_httpd := $(TEST_httpd)
FUZZ_EXTRA_httpd := $(HOST_EXTRA_httpd)
FUZZ_EXTRA_site := -D_GNU_SOURCE
FUZZ_kv := $(TEST_kv)
FUZZ_map_json := $(TEST_map_json)
$(BUILD)/fuzz/fuzz_httpd: $(LWIP_STAMP)

# eBPF: interpreter and JIT
FUZZ_bpf_jit := $(BPF_ENGINES) tests/host/bpf_shadow.c
FUZZ_EXTRA_bpf_jit := -DBPF_SHADOW

$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $$(FUZZ_$$*) tests/host/fakes.c $(wildcard tests/fuzz/*.h tests/host/*.h tests/bpf/*.h net/bpf/*.h apps/httpd/*.h kernel/include/kernel/*.h) tests/fuzz/fuzz.mk | deps-test
	@mkdir -p $(@D)
	@echo "  FUZZ    $@"
	@clang $(HOST_FLAGS) -fsanitize=fuzzer $(WARN) -Wno-missing-prototypes -Wno-unknown-warning-option \
	    $(FUZZ_EXTRA_$*) -Itests/fuzz $(filter %.c,$^) -lcmocka -o $@

# eBPF: the object loader. Its seeds are what clang makes, without debugging information for people.
FUZZ_bpf_object := $(TEST_bpf_object)
FUZZ_EXTRA_bpf_object := $(HOST_EXTRA_bpf_object)
BPF_SEEDS := $(BUILD)/fuzz/bpf_object.seeds
$(BPF_SEEDS): $(BPF_TEST_OBJS)
	@mkdir -p $@
	@for object in $^; do llvm-strip -g -o $@/$${object##*/} $$object; done
	@touch $@
$(BUILD)/fuzz/fuzz_bpf_object: | $(BPF_SEEDS)

# eBPF: the verifier, with execution. Its seeds are the hand-made cases and some random programs. The
# budget is small, so that the fuzzer is not kept busy by loops.
FUZZ_bpf_verify := tests/fuzz/mutate_bpf.c $(addprefix tests/bpf/,world.c world_ours.c generate.c generate_alu.c generate_memory.c) \
                   $(sort $(BPF_HELPERS) $(BPF_ENGINES) $(BPF_VERIFIER)) tests/host/fake_fib.c tests/host/bpf_shadow.c
FUZZ_EXTRA_bpf_verify := -DBPF_SHADOW -DBPF_VERIFY_BUDGET=5000u -fno-sanitize-coverage=trace-cmp
VERIFY_SEEDS := $(BUILD)/fuzz/bpf_verify.seeds
$(VERIFY_SEEDS): $(H)/bpf_oracle
	@mkdir -p $@
	@$< --seeds $@
	@touch $@
$(BUILD)/fuzz/fuzz_bpf_verify: | $(VERIFY_SEEDS)

FUZZERS := $(addprefix $(BUILD)/fuzz/fuzz_,$(FUZZ_TARGETS))

fuzz-targets: $(FUZZERS) ## build the fuzz targets

# Those of eBPF have other tests that look for the same, with Linux for an oracle.
FUZZ_SHORT := $(filter $(BUILD)/fuzz/fuzz_bpf_% %/fuzz_kv %/fuzz_map_json,$(FUZZERS))

check-fuzz: $(FUZZERS) ## each fuzz target for a minute of CPU time, from its seeds (eBPF: 20 s)
	@scripts/run-fuzzers.sh 60 $(filter-out $(FUZZ_SHORT),$^) $(addsuffix :20,$(FUZZ_SHORT))

fuzz: $(FUZZERS) ## the same for FUZZ_SECONDS each (600)
	@scripts/run-fuzzers.sh $(FUZZ_SECONDS) $^

.PHONY: fuzz fuzz-targets check-fuzz
