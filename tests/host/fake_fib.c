/* No routes: for tests that link the table of helpers without lwIP. */
#include "bpf/helper_impl.h"

BPF_HELPER(fib_lookup)
{
    return bpf_result(-BPF_ENODEV);
}
