# lwIP's own unit tests (test/unit of its source), as two programs for the host. A makefile of its
# own, started by tests/lwip.mk once the source is there, because it lists the source's files.
#
#   ours     our options (lwipopts.h beside this, which begins with the kernel's), for all suites
#            of what the kernel builds of lwIP
#   theirs   lwIP's options and all its suites: DNS, MDNS, MQTT, PPP and the socket layer, which we
#            do not build, the heap (ours is kmalloc), and the rest once more
#
# Variables from tests/lwip.mk: LWIP, LWIP_SRC, OUT, HOSTCC.

UNIT := $(LWIP)/test/unit
PORT := $(LWIP)/contrib/ports/unix/port/include

CFLAGS := -std=gnu11 -O1 -g -w -fsanitize=address,undefined -fno-sanitize=null,alignment \
          -fno-omit-frame-pointer -MMD -MP

OURS_FLAGS   := -DTOPHALF_HOST=1 -Itests/lwip/unit -Itests/lwip/unit/config -Itests/host -Ikernel/include -Iboot/include -Idrivers/include \
                -Inet -Inet/port -I$(LWIP)/src/include -I$(UNIT)
THEIRS_FLAGS := -DLWIP_NOASSERT_ON_ERROR -Itests/lwip/unit/config -I$(UNIT) -I$(PORT) \
                -I$(LWIP)/src/include

OURS := $(addprefix $(LWIP)/,$(LWIP_SRC)) \
        $(wildcard $(addprefix $(UNIT)/,core/test_def.c core/test_netif.c core/test_pbuf.c \
          core/test_timers.c dhcp/*.c etharp/*.c ip4/*.c ip6/*.c tcp/*.c udp/*.c)) \
        tests/lwip/unit/unit_main.c tests/host/fakes.c net/port/chksum.c
# (slipif.c has no tests, and wants a serial driver)
THEIRS := $(filter-out %/slipif.c,$(wildcard $(addprefix $(LWIP)/src/,core/*.c core/*/*.c api/*.c netif/*.c \
            netif/ppp/*.c netif/ppp/polarssl/*.c apps/mdns/*.c apps/mqtt/*.c))) \
          $(wildcard $(UNIT)/*.c $(UNIT)/*/*.c)

objects = $(foreach f,$(2),$(OUT)/$(1)/$(subst /,_,$(f:.c=.o)))
rule = $(foreach f,$(2),$(eval $(call objects,$(1),$(f)): $(f) ; \
         @mkdir -p $(OUT)/$(1); $(HOSTCC) $(CFLAGS) $(3) -c $(f) -o $$@))

all: $(OUT)/ours/unittests $(OUT)/theirs/unittests
$(call rule,ours,$(OURS),$(OURS_FLAGS))
$(call rule,theirs,$(THEIRS),$(THEIRS_FLAGS))

$(OUT)/ours/unittests: $(call objects,ours,$(OURS))
$(OUT)/theirs/unittests: $(call objects,theirs,$(THEIRS))
%/unittests:
	@echo "  HOSTCC  $@"
	@$(HOSTCC) $(CFLAGS) $^ -lcheck -lsubunit -lm -lrt -lpthread -o $@

-include $(patsubst %.o,%.d,$(call objects,ours,$(OURS)) $(call objects,theirs,$(THEIRS)))
