/* What the compiler calls for __builtin_popcount() on processors that may lack the instruction
 * (libgcc's name for it). Any context. */
int __popcountdi2(unsigned long value);

int __popcountdi2(unsigned long value)
{
    value -= value >> 1 & 0x5555555555555555;
    value = (value & 0x3333333333333333) + (value >> 2 & 0x3333333333333333);
    value = (value + (value >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (int)(value * 0x0101010101010101 >> 56);
}
