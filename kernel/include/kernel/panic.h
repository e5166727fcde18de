/*
 * The end of the road for what can not happen. Any context.
 *
 * Three kinds of error: impossible -> panic; transient -> returned to the caller; from the
 * network or the device -> counted and dropped, never fatal and never silent.
 */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

/*
 * Print the message, the context and a symbolised backtrace on the serial port (polled, so that
 * it works anywhere), then halt, or reset the machine where tophalf.cfg says panic=reboot.
 */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Boot, after config_init(): read panic=halt|reboot. Panics before it halt. */
void panic_init(void);

/* The condition is always evaluated and must have no side effect. In the kernel the call is short:
 * there are hundreds of it. */
#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            assertion_failed(__FILE__, __LINE__, #cond);                                           \
    } while (0)

#if __STDC_HOSTED__
#define assertion_failed(file, line, text) panic("%s:%d: assertion failed: %s", file, line, text)
#else
_Noreturn void assertion_failed(const char *file, int line, const char *text);
#endif

#endif
