/* lwIP's mem.c includes <stdio.h> for a check that is compiled out: the kernel has none to give. */
#if __STDC_HOSTED__
#include_next <stdio.h>
#endif
