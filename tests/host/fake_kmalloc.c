/* See fake_kmalloc.h. */
#include "fake_kmalloc.h"
#include <kernel/kmalloc.h>
#include <stdlib.h>
#include <string.h>

unsigned fake_kmalloc_live;
unsigned fake_kmalloc_fail_in;

void *kmalloc(size_t bytes)
{
    void *p;

    if (fake_kmalloc_fail_in > 0 && --fake_kmalloc_fail_in == 0)
        return NULL;
    p = malloc(bytes);
    if (p == NULL)
        abort();
    memset(p, 0xa5, bytes); /* not zeroed: whoever relies on it is to notice */
    fake_kmalloc_live++;
    return p;
}

void *kzalloc(size_t bytes)
{
    void *p = kmalloc(bytes);

    return p != NULL ? memset(p, 0, bytes) : NULL;
}

void kfree(void *p)
{
    fake_kmalloc_live -= p != NULL;
    free(p);
}
