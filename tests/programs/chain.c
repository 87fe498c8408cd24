/* chain N PAUSE: calls leaf() N times through outer(), middle() and within(), asks the vDSO for something that it asks
 * the kernel for, and lives on for PAUSE microseconds. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

NOINLINE int leaf(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a;
}

NOINLINE int within(int a)
{
	int result = leaf(a + 1);
	__asm__ volatile("" : "+r"(result));
	return result;
}

NOINLINE int middle(int a)
{
	int result = within(a + 1);
	__asm__ volatile("" : "+r"(result));
	return result;
}

NOINLINE int outer(int a)
{
	int result = middle(a + 1);
	__asm__ volatile("" : "+r"(result));
	return result;
}

int main(int argc, char **argv)
{
	struct timespec now;
	int n = argc > 1 ? atoi(argv[1]) : 1;
	for (int i = 0; i < n; i++)
		outer(i);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	if (argc > 2)
		usleep(atoi(argv[2]));
	return 0;
}
