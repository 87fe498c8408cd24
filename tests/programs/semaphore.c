/* semaphore: for each byte of standard input prints the counter that guards its static probe app:guarded. */
#include <stdio.h>
#include <unistd.h>

unsigned short guard __attribute__((section(".probes"), used));

#define NOTE                                                                                                         \
    __asm__ volatile("990: nop\n.pushsection .note.stapsdt,\"\",\"note\"\n.balign 4\n.4byte 8, 994f-993f, 3\n"       \
                     ".asciz \"stapsdt\"\n993: .8byte 990b, _.stapsdt.base, guard\n.asciz \"app\"\n"                 \
                     ".asciz \"guarded\"\n.asciz \"\"\n994: .balign 4\n.popsection\n"                                \
                     ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n.weak _.stapsdt.base\n"   \
                     ".hidden _.stapsdt.base\n_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n")

int main(void)
{
	char byte;
	while (read(0, &byte, 1) == 1) {
		if (*(volatile unsigned short *)&guard)
			NOTE;
		printf("%d\n", *(volatile unsigned short *)&guard);
		fflush(stdout);
	}
	return 0;
}
