/*
 * deep N: calls `bottom` from a chain of N calls.
 */
#include <stdlib.h>

__attribute__((noinline)) void bottom(void)
{
	__asm__ volatile("");
}

__attribute__((noinline)) void descend(int left)
{
	if (left > 0)
		descend(left - 1);
	else
		bottom();
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	descend(argc > 1 ? atoi(argv[1]) : 0);
	return 0;
}
