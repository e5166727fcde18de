# The XDP programs, for whoever has clang: `make xdp`, or XDP_CLANG=clang-19. What is in build/xdp/
# when an image is made goes with it.

XDP_CLANG ?= clang
# <linux/bpf.h> includes <asm/types.h>, which Debian keeps in a folder that clang leaves out for BPF.
BPF_CFLAGS = -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror \
             -I/usr/include/$(shell $(HOSTCC) -print-multiarch)
XDP_OBJS := $(patsubst apps/xdp/%.bpf.c,$(BUILD)/xdp/%.o,$(wildcard apps/xdp/*.bpf.c))

.PHONY: xdp
xdp: $(XDP_OBJS) ## build the XDP programs of apps/xdp/ into build/xdp/ (XDP_CLANG=clang)

XDP_STAMP := $(BUILD)/xdp.stamp
$(XDP_STAMP): FORCE
	@mkdir -p $(@D)
	@echo '$(XDP_CLANG)' | cmp -s - $@ || echo '$(XDP_CLANG)' > $@

$(BUILD)/xdp/%.o: apps/xdp/%.bpf.c $(wildcard apps/xdp/*.h) $(XDP_STAMP) | deps-xdp
	@mkdir -p $(@D)
	@echo "  BPF     $<"
	@$(XDP_CLANG) $(BPF_CFLAGS) -c $< -o $@
