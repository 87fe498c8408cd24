/* operands: static probes whose arguments are in every kind of place that x86-64 has; each fires twice. */
#define NOTE(name, arguments, ...)                                                                                   \
    __asm__ volatile("990: nop\n.pushsection .note.stapsdt,\"\",\"note\"\n.balign 4\n"                               \
                     ".4byte 992f-991f, 994f-993f, 3\n991: .asciz \"stapsdt\"\n992: .balign 4\n"                     \
                     "993: .8byte 990b, _.stapsdt.base, 0\n.asciz \"ops\"\n.asciz \"" name "\"\n"                    \
                     ".asciz \"" arguments "\"\n994: .balign 4\n.popsection\n.ifndef _.stapsdt.base\n"               \
                     ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n.weak _.stapsdt.base\n"   \
                     ".hidden _.stapsdt.base\n_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n"      \
                     ".endif\n" __VA_ARGS__)

long counter = 0x1122334455667788;
static int table[4] = {10, -20, 30, -40};

int main(void)
{
    long memory[4] = {100, 200, -300, 400};
    for (int round = 0; round < 2; round++) {
        NOTE("registers", "-1@%%al -1@%%ah -2@%%ax -4@%%eax 8@%%rax 1@%%bl 1@%%bh 1@%%sil", :
             : "a"(0x80ffL), "b"(0x1234L), "S"(0xabcdL));
        NOTE("memory", "8@(%%rsi) -8@16(%%rsi) 8@-8(%%rdx) 8@(%%rsi,%%rcx,8) 4@0x8(%%rsi,%%rcx,8) 8@(,%%rdi,8)", :
             : "S"(memory), "d"(memory + 1), "c"(1L), "D"((long)memory / 8), "m"(memory));
        NOTE("symbols", "8@counter(%%rip) 4@counter+4(%%rip) -4@table+4(%%rip)", : : "r"(table));
        NOTE("constants", "-4@$-1 4@$-1 -1@$255 1@$-7 8@$0x10 -8@$-5", : :);
        NOTE("floating", "8f@%%xmm0 -4@%%eax 8@%%xmm1 4@$7", : : "a"(3));
    }
    return 0;
}
