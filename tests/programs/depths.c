/*
 * depths [ROUNDS]: calls bottom(), which makes one system call getppid, from 1, 2, … 60 calls of fall() inside each
 * other, n times at depth n; all of that ROUNDS times over.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((noinline)) long bottom(long depth)
{
	__asm__ volatile("" : "+r"(depth));
	syscall(SYS_getppid);
	return depth;
}

__attribute__((noinline)) long fall(long depth, long left)
{
	long result = left > 1 ? fall(depth, left - 1) : bottom(depth);

	__asm__ volatile("" : "+r"(result));
	return result + 1;
}

int main(int argc, char **argv)
{
	for (long round = argc > 1 ? atol(argv[1]) : 1; round > 0; round--)
		for (long depth = 1; depth <= 60; depth++)
			for (long n = 0; n < depth; n++)
				fall(depth, depth);
	return 0;
}
