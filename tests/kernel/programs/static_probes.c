/* A program with static probes, its notes written by hand as <sys/sdt.h> would: provider app, probes plain, values (two
 * places) and counted (with a semaphore). Reads a byte from stdin for each round. */
#include <unistd.h>

__extension__ unsigned short app_counted_semaphore __attribute__((section(".probes"), used));

#define NOTE(name, semaphore, arguments, ...)                                                                        \
    __asm__ volatile("990: nop\n"                                                                                    \
                     ".pushsection .note.stapsdt,\"\",\"note\"\n"                                                    \
                     ".balign 4\n"                                                                                   \
                     ".4byte 992f-991f, 994f-993f, 3\n"                                                              \
                     "991: .asciz \"stapsdt\"\n"                                                                     \
                     "992: .balign 4\n"                                                                              \
                     "993: .8byte 990b\n"                                                                            \
                     ".8byte _.stapsdt.base\n"                                                                       \
                     ".8byte " semaphore "\n"                                                                        \
                     ".asciz \"app\"\n"                                                                              \
                     ".asciz \"" name "\"\n"                                                                         \
                     ".asciz \"" arguments "\"\n"                                                                    \
                     "994: .balign 4\n"                                                                              \
                     ".popsection\n"                                                                                 \
                     ".ifndef _.stapsdt.base\n"                                                                      \
                     ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"                         \
                     ".weak _.stapsdt.base\n"                                                                        \
                     ".hidden _.stapsdt.base\n"                                                                      \
                     "_.stapsdt.base: .space 1\n"                                                                    \
                     ".size _.stapsdt.base, 1\n"                                                                     \
                     ".popsection\n"                                                                                 \
                     ".endif\n" __VA_ARGS__)

__attribute__((noinline)) static void round_trip(int number, long *memory)
{
    NOTE("plain", "0", "", ::);
    NOTE("values", "0", "-4@%%edi 8@(%%rsi) 8@8(%%rsi) -1@$-7", : : "D"(number), "S"(memory));
    NOTE("values", "0", "-4@%%eax 8@-8(%%rdx,%%rcx,8) 2@%%bx 8@$5", : : "a"(number + 1), "d"(memory), "c"(2L), "b"(9));
    NOTE("counted", "app_counted_semaphore", "4@%%edi", : : "D"(number));
}

int main(void)
{
    long memory[2] = {1000, 2000};
    char byte;
    for (int n = 0; read(0, &byte, 1) == 1; n++)
        round_trip(n, memory);
    return 0;
}
