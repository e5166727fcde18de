# Benchmarks: their figures are quoted in docs/, never asserted by tests.

BENCH := $(BUILD)/bench

$(BENCH)/pktgen: bench/pktgen.c bench/pacing.h | deps-build
	@mkdir -p $(@D)
	@$(HOSTCC) -std=gnu11 -O2 $(WARN) $< -o $@

$(BENCH)/wake: bench/wake.c | deps-build
	@mkdir -p $(@D)
	@$(HOSTCC) -std=gnu11 -O2 $(WARN) $< -pthread -o $@

$(BENCH)/client: bench/client.c | deps-build
	@mkdir -p $(@D)
	@$(HOSTCC) -std=gnu11 -O2 $(WARN) $< -o $@

# QEMU's header is fetched, not ours: no warnings from it.
PLUGIN := $(BENCH)/plugin/insn.so
$(BENCH)/plugin/include/qemu-plugin.h: scripts/fetch-qemu-plugin.sh | deps-build
	@scripts/fetch-qemu-plugin.sh $(abspath $@)
	@touch $@

$(PLUGIN): bench/plugin/insn.c $(BENCH)/plugin/include/qemu-plugin.h
	@$(HOSTCC) -std=gnu11 -O2 $(WARN) -shared -fPIC -isystem $(BENCH)/plugin/include $< -o $@

# What the web servers serve: a page of 612 bytes, 64 KiB, 1 MiB.
$(BENCH)/site/index.html: bench/site.py | deps-build
	@bench/site.py $(@D)

$(BENCH)/site.tar: $(BENCH)/site/index.html scripts/mksite.sh
	@scripts/mksite.sh $(BENCH)/site $@
	@touch $@

$(BENCH)/web.img: $(BUILD)/BOOTX64.EFI $(BUILD)/kernel.elf $(BUILD)/tophalf.cfg $(BENCH)/site.tar
	@scripts/mkimage.sh $@ $^

# The XDP programs of the benchmarks, and those of apps/xdp, in one folder: both systems load these.
BENCH_XDP := $(patsubst bench/xdp/%.bpf.c,$(BENCH)/xdp/%.o,$(wildcard bench/xdp/*.bpf.c)) \
             $(patsubst apps/xdp/%.bpf.c,$(BENCH)/xdp/%.o,$(wildcard apps/xdp/*.bpf.c))

$(BENCH)/xdp/%.o: bench/xdp/%.bpf.c $(XDP_STAMP) | deps-xdp
	@mkdir -p $(@D)
	@echo "  BPF     $<"
	@$(XDP_CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BENCH)/xdp/%.o: $(BUILD)/xdp/%.o
	@mkdir -p $(@D)
	@cp $< $@

# What a request costs in instructions. The committed values are docs/bench/instructions.csv.
COUNTING := $(PLUGIN) $(BENCH)/client $(BENCH)/web.img
bench-instructions: deps-bench $(COUNTING) $(BENCH)/linux/version ## guest instructions a request, into docs/bench (ARGS=--ours: ours alone, 1 min)
	@/usr/bin/python3 bench/instructions.py --build $(BUILD) --linux $(BENCH)/linux $(ARGS)

check-instructions: deps-test $(COUNTING) ## the same of ours: fails 5% above what docs/bench has
	@/usr/bin/python3 bench/instructions.py --build $(BUILD) --check $(ARGS)

# The figures and the document that are committed are made by: make bench OUT=docs/bench
bench: deps-bench $(COUNTING) $(BENCH)/pktgen $(BENCH)/linux/version $(IMAGE) ## Tophalf beside Linux+nginx: tables, CSV, plots; 20 min (ARGS=--quick: 6)
	@/usr/bin/python3 bench/bench.py --build $(BUILD) --linux $(BENCH)/linux \
	    $(if $(OUT),--out $(OUT)) $(if $(filter docs/bench,$(OUT)),--document docs/performance.md) $(ARGS)

# An app that discards UDP, in a build folder of its own.
$(BENCH)/sink.img: FORCE
	@$(MAKE) --no-print-directory APP=sink BUILD=$(BUILD)/sink image
	@mkdir -p $(@D)
	@cmp -s $(BUILD)/sink/tophalf.img $@ || cp $(BUILD)/sink/tophalf.img $@

$(BENCH)/linux/version: FORCE $(BENCH_XDP) | deps-bench
	@bench/linux/build.sh $(BENCH)/linux $(BENCH)/xdp

.PHONY: bench bench-rx bench-xdp bench-instructions check-instructions deps-bench
deps-bench:
	@scripts/setup.sh build run bench

bench-rx: deps-bench $(IMAGE) $(BENCH)/pktgen $(BENCH)/wake $(BENCH)/sink.img $(BENCH)/linux/version ## receive modes and a Linux guest under rising load: table, CSV, plots (ARGS=--quick)
	@/usr/bin/python3 bench/bench_rx.py --build $(BUILD) --linux $(BENCH)/linux \
	    --sink $(BENCH)/sink.img $(if $(OUT),--out $(OUT)) $(ARGS)

$(BENCH)/xdp.img: $(BUILD)/BOOTX64.EFI $(BUILD)/kernel.elf $(BUILD)/tophalf.cfg $(BENCH)/site.tar $(BENCH_XDP)
	@scripts/mkimage.sh $@ $^

# The key-value store, in a build folder of its own.
KV := $(BUILD)/kv
$(BENCH)/kv.img: FORCE $(BENCH)/xdp/kv.o
	@$(MAKE) --no-print-directory APP=kv BUILD=$(KV) image
	@scripts/mkimage.sh $@ $(KV)/BOOTX64.EFI $(KV)/kernel.elf $(KV)/tophalf.cfg $(KV)/site.tar $(BENCH)/xdp/kv.o

$(BENCH)/kvload: bench/kvload.c | deps-build
	@mkdir -p $(@D)
	@$(HOSTCC) -std=gnu11 -O2 $(WARN) $< -o $@

bench-xdp: deps-bench $(PLUGIN) $(BENCH)/pktgen $(BENCH)/kvload $(BENCH)/xdp.img $(BENCH)/kv.img $(BENCH)/linux/version ## XDP programs and the key-value store beside Linux: tables, CSV, plots (ARGS=--quick)
	@/usr/bin/python3 bench/bench_xdp.py --build $(BUILD) --linux $(BENCH)/linux \
	    $(if $(OUT),--out $(OUT)) $(if $(filter docs/bench,$(OUT)),--document docs/xdp.md) $(ARGS)
