/*
 * COM1: the console's 16550 (National Semiconductor PC16550D data sheet, §8 "Registers"), on the
 * ISA interrupt line 4.
 *
 * Output goes through a ring: serial_write() fills it in any context and switches the
 * transmitter's interrupt on; the bottom half moves up to a FIFO's worth of bytes each time the
 * transmitter is empty, and leaves that interrupt on only while there is more to send. Input goes
 * from the FIFO to a ring that the main loop reads.
 */
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/io.h>
#include <kernel/irq.h>
#include <kernel/lib.h>
#include <kernel/loop.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/reset.h>
#include <kernel/serial.h>
#include <kernel/softirq.h>
#include <kernel/time.h>

#define COM1     0x3f8
#define COM1_IRQ 4

/* registers, as offsets from COM1; width 8 */
#define UART_DATA 0 /* R receive buffer, W transmit holding; divisor low while DLAB */
#define UART_IER  1 /* RW interrupt enable; divisor high while DLAB */
#define UART_IIR  2 /* R interrupt identification: reading acknowledges the transmitter's */
#define UART_FCR  2 /* W FIFO control */
#define UART_LCR  3 /* RW line control */
#define UART_MCR  4 /* RW modem control */
#define UART_LSR  5 /* R line status; reading clears the overrun bit */
#define UART_SCR  7 /* RW scratch */

#define IER_RX         0x01 /* data available, or a timeout with data in the FIFO */
#define IER_TX         0x02 /* transmitter empty */
#define FCR_ON_RESET   0x87 /* FIFOs on and cleared, receive interrupt at 8 bytes */
#define LCR_8N1        0x03
#define LCR_DLAB       0x80
#define MCR_DTR_RTS    0x03
#define MCR_OUT2       0x08 /* gates the interrupt line on a PC */
#define LSR_DATA       0x01
#define LSR_OVERRUN    0x02
#define LSR_TX_EMPTY   0x20 /* the whole transmit FIFO is */
#define LSR_TX_DONE    0x40 /* ... and the shift register too */
#define DIVISOR_115200 1
#define FIFO_BYTES     16

#define TX_RING_BYTES  65536u /* powers of two: positions run freely and are masked */
#define RX_RING_BYTES  4096u
#define RX_BURST_BYTES 64         /* per bottom half, so that a flood of input starves nobody */
#define POLL_TRIES     200000     /* of a port read, 40 ns to 1 us each: a FIFO drains in 1.4 ms */
#define STALL_NS       NS_PER_SEC /* serial_wait_room() gives up after no progress for this long */

static struct {
    bool present;
    bool interrupts; /* between serial_start() and a panic */
    bool masked;     /* the top half has run, the bottom half has not finished: IER is 0 */
    bool rx_paused;  /* the ring is full: bytes wait in the FIFO, and behind it in the sender */
    uint8_t ier;     /* as last written */

    uint32_t tx_head, tx_tail; /* head: under irq_save(); tail: the bottom half's */
    uint32_t rx_head, rx_tail; /* head: the bottom half's; tail: main context's */
    struct serial_stats stats;
    char tx[TX_RING_BYTES];
    uint8_t rx[RX_RING_BYTES];
} serial;

static uint32_t tx_used(void)
{
    return READ_ONCE(serial.tx_head) - READ_ONCE(serial.tx_tail);
}
static uint32_t rx_used(void)
{
    return READ_ONCE(serial.rx_head) - READ_ONCE(serial.rx_tail);
}

static void set_ier(uint8_t ier)
{
    serial.ier = ier;
    out8(COM1 + UART_IER, ier);
}

/* ---- polled: boot, and after a panic */

static bool wait_line_status(uint8_t bits)
{
    for (unsigned i = 0; i < POLL_TRIES; i++)
        if (in8(COM1 + UART_LSR) & bits)
            return true;
    return false; /* a transmitter that hangs must not hang us */
}

static void poll_byte(char c)
{
    if (wait_line_status(LSR_TX_EMPTY)) {
        out8(COM1 + UART_DATA, (uint8_t)c);
        serial.stats.tx_bytes++;
    } else {
        serial.stats.tx_dropped++;
    }
}

static void poll_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            poll_byte('\r');
        poll_byte(text[i]);
    }
}

static void poll_ring(void)
{
    while (serial.tx_tail != serial.tx_head)
        poll_byte(serial.tx[serial.tx_tail++ % TX_RING_BYTES]);
}

/* Where there is no UART, reads give 0xff (or anything else that does not follow writes). */
static bool detect(void)
{
    static const uint8_t patterns[] = { 0x5a, 0xa5 };

    for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++) {
        out8(COM1 + UART_SCR, patterns[i]);
        if (in8(COM1 + UART_SCR) != patterns[i])
            return false;
    }
    return in8(COM1 + UART_LSR) != 0xff;
}

void serial_init(void)
{
    serial.present = detect();
    if (!serial.present)
        return;
    wait_line_status(LSR_TX_DONE); /* the firmware's last words: resetting the FIFO drops them */
    set_ier(0);
    out8(COM1 + UART_LCR, LCR_DLAB);
    out8(COM1 + UART_DATA, DIVISOR_115200);
    out8(COM1 + UART_IER, 0);
    out8(COM1 + UART_LCR, LCR_8N1);
    out8(COM1 + UART_FCR, FCR_ON_RESET);
    out8(COM1 + UART_MCR, MCR_DTR_RTS | MCR_OUT2);
}

/* ---- interrupt-driven */

/*
 * Acknowledge, mask, raise. (The lecture: "Top half interrupt handler".)
 *
 * The line is edge-triggered. With IER cleared the UART takes it down, whatever its causes; a
 * cause that is still there when the bottom half sets IER again raises it anew, so no edge is lost.
 */
static void serial_top_half(void *arg)
{
    (void)arg;
    ASSERT_CONTEXT(CONTEXT_IRQ);
    (void)in8(COM1 + UART_IIR);
    set_ier(0);
    serial.masked = true;
    softirq_raise(SOFTIRQ_SERIAL);
}

static void receive(void)
{
    for (unsigned i = 0; i < RX_BURST_BYTES; i++) {
        uint8_t status;

        if (rx_used() == RX_RING_BYTES) {
            serial.rx_paused = true;
            return;
        }
        status = in8(COM1 + UART_LSR);
        if (status & LSR_OVERRUN)
            serial.stats.rx_overruns++;
        if (!(status & LSR_DATA))
            return;
        serial.rx[serial.rx_head % RX_RING_BYTES] = in8(COM1 + UART_DATA);
        WRITE_ONCE(serial.rx_head, serial.rx_head + 1);
        serial.stats.rx_bytes++;
    }
}

static void transmit(void)
{
    unsigned n = MIN(tx_used(), (uint32_t)FIFO_BYTES);

    if (n == 0 || !(in8(COM1 + UART_LSR) & LSR_TX_EMPTY))
        return;
    for (unsigned i = 0; i < n; i++)
        out8(COM1 + UART_DATA, (uint8_t)serial.tx[(serial.tx_tail + i) % TX_RING_BYTES]);
    WRITE_ONCE(serial.tx_tail, serial.tx_tail + n);
    serial.stats.tx_bytes += n;
}

static void serial_bottom_half(void)
{
    bool irq;

    ASSERT_BOTTOM_HALF();
    if (!serial.interrupts)
        return;
    receive();
    transmit();

    /* A top half may print between the look at the ring and the write of IER: so not there. */
    irq = irq_save();
    serial.masked = false;
    set_ier((serial.rx_paused ? 0 : IER_RX) | (tx_used() > 0 ? IER_TX : 0));
    irq_restore(irq);
}

void serial_start(void)
{
    bool level, active_low, irq;
    uint32_t gsi = irq_isa_gsi(COM1_IRQ, &level, &active_low);
    int vector;

    if (!serial.present) {
        printk("serial: no 16550 at %#x", COM1);
        return;
    }
    softirq_open(SOFTIRQ_SERIAL, "serial", serial_bottom_half);
    vector = irq_request("serial", serial_top_half, NULL);
    if (vector < 0 || !irq_route_gsi(gsi, vector, level, active_low)) {
        printk("serial: no interrupt for GSI %u: input is seen when something else wakes the CPU",
               gsi);
        return;
    }
    irq = irq_save();
    serial.interrupts = true;
    set_ier(IER_RX);
    irq_restore(irq);
    printk("serial: 16550 at %#x, GSI %u, vector %#x", COM1, gsi, (unsigned)vector);
}

/* ---- any context */

static size_t queue(const char *text, size_t len)
{
    size_t done;

    for (done = 0; done < len; done++) {
        uint32_t need = text[done] == '\n' ? 2 : 1;

        if (TX_RING_BYTES - tx_used() < need)
            break;
        if (need == 2)
            serial.tx[serial.tx_head++ % TX_RING_BYTES] = '\r';
        serial.tx[serial.tx_head++ % TX_RING_BYTES] = text[done];
    }
    /*
     * Enabling the interrupt of an empty transmitter raises it (data sheet §8.6), which is the
     * kick. While the top half's mask is on, the bottom half will see the ring by itself.
     */
    if (tx_used() > 0 && !serial.masked && !(serial.ier & IER_TX))
        set_ier(serial.ier | IER_TX);
    return done;
}

size_t serial_write(const char *text, size_t len)
{
    size_t done = len;
    bool irq;

    if (!serial.present)
        return len;
    irq = irq_save();
    if (serial.interrupts) {
        done = queue(text, len);
        serial.stats.tx_dropped += len - done;
    } else {
        poll_text(text, len);
    }
    irq_restore(irq);
    return done;
}

size_t serial_room(void)
{
    return serial.interrupts ? TX_RING_BYTES - tx_used() : TX_RING_BYTES;
}

void serial_puts_polled(const char *text)
{
    size_t len = 0;
    bool irq;

    if (!serial.present)
        return;
    irq = irq_save();
    serial.interrupts = false;
    set_ier(0);
    poll_ring();
    while (text[len] != '\0')
        len++;
    poll_text(text, len);
    irq_restore(irq);
}

void serial_flush(void)
{
    bool irq;

    if (!serial.present)
        return;
    irq = irq_save();
    poll_ring();
    wait_line_status(LSR_TX_DONE);
    irq_restore(irq);
}

void serial_stats(struct serial_stats *out)
{
    *out = serial.stats;
}

static void serial_reset_stats(void)
{
    bool irq = irq_save(); /* any context writes, and counts what it had to drop */

    serial.stats = (struct serial_stats){ 0 };
    irq_restore(irq);
}
RESETTABLE(serial, serial_reset_stats);

/* ---- main context */

bool serial_input_pending(void)
{
    if (serial.present && !serial.interrupts)
        return in8(COM1 + UART_LSR) & LSR_DATA;
    return rx_used() > 0;
}

int serial_getc(void)
{
    int c;

    if (serial.present && !serial.interrupts)
        return serial_input_pending() ? in8(COM1 + UART_DATA) : -1;
    if (rx_used() == 0)
        return -1;
    c = serial.rx[serial.rx_tail % RX_RING_BYTES];
    WRITE_ONCE(serial.rx_tail, serial.rx_tail + 1);
    if (serial.rx_paused && rx_used() <= RX_RING_BYTES / 2) {
        serial.rx_paused = false;
        softirq_raise(SOFTIRQ_SERIAL); /* it looks into the FIFO, and unmasks */
    }
    return c;
}

void serial_wait_room(size_t bytes)
{
    uint32_t want = (uint32_t)MIN(bytes, (size_t)TX_RING_BYTES);
    uint32_t tail = serial.tx_tail;
    uint64_t give_up_ns = time_ns() + STALL_NS;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    while (serial_room() < want && time_ns() < give_up_ns) {
        loop_wait(give_up_ns);
        if (READ_ONCE(serial.tx_tail) != tail) {
            tail = serial.tx_tail;
            give_up_ns = time_ns() + STALL_NS;
        }
    }
}
