/* test_pktbuf.c once more, built with TOPHALF_DEBUG (tests.mk). */
#include "test_pktbuf.c"
