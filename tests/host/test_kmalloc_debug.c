/* test_kmalloc.c once more, built with TOPHALF_DEBUG (tests.mk). */
#include "test_kmalloc.c"
