/*
 * A load of known size: load MODE COUNT [THREADS [MARK [RATE]]]; RATE is how many a second each thread does at most
 *
 *   getppid   COUNT system calls getppid in each thread, thread n bound to processor n; with the arguments (number of
 *             the call, number of the thread, MARK), which the kernel does not look at
 *   read      COUNT reads of 512 bytes from /dev/zero
 *   write     COUNT writes of 100 bytes to /dev/null
 *   open      COUNT times open and close /dev/null
 *   fail      COUNT opens of a file that does not exist
 *   names     COUNT opens of files that do not exist, with MARK different names (0: all of them different)
 *   lengths   COUNT opens of files that do not exist, with names of 0 … MARK - 1 times the letter n
 *   touch     COUNT fresh pages written once
 *   call      COUNT calls of the function load_call(n, 10)
 *
 * Prints nothing. The process is named "load".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *mode;
static long count, mark, rate;

/* Waits until so many may have been done since a time. */
static void pace(const struct timespec *start, long done)
{
	struct timespec due = *start;

	due.tv_sec += done / rate;
	due.tv_nsec += done % rate * 1000000000 / rate;
	if (due.tv_nsec >= 1000000000) {
		due.tv_sec++;
		due.tv_nsec -= 1000000000;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

__attribute__((noinline)) long load_call(long n, int step)
{
	__asm__ volatile("" : "+r"(n));
	return n + step;
}

static void *work(void *argument)
{
	long thread = (long)argument, i, sum = 0;
	char buffer[512] = {0};
	char name[64], letters[4096];
	int fd = -1;
	struct timespec start;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(thread % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);

	memset(letters, 'n', sizeof(letters));
	if (!strcmp(mode, "read"))
		fd = open("/dev/zero", O_RDONLY);
	else if (!strcmp(mode, "write"))
		fd = open("/dev/null", O_WRONLY);
	char *pages = strcmp(mode, "touch") ? NULL
		: mmap(NULL, count * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages)
		madvise(pages, count * 4096, MADV_NOHUGEPAGE);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < count; i++) {
		if (rate && i % 100 == 0)
			pace(&start, i);
		if (!strcmp(mode, "getppid"))
			syscall(SYS_getppid, i, thread, mark);
		else if (!strcmp(mode, "read"))
			sum += read(fd, buffer, 512);
		else if (!strcmp(mode, "write"))
			sum += write(fd, buffer, 100);
		else if (!strcmp(mode, "open"))
			close(openat(AT_FDCWD, "/dev/null", O_RDONLY));
		else if (!strcmp(mode, "fail"))
			sum += openat(AT_FDCWD, "/nonexistent/file", O_RDONLY);
		else if (!strcmp(mode, "names")) {
			snprintf(name, sizeof(name), "/nonexistent/file-%ld", mark ? i % mark : i);
			sum += openat(AT_FDCWD, name, O_RDONLY);
		} else if (!strcmp(mode, "lengths")) {
			letters[i % mark] = 0;
			sum += openat(AT_FDCWD, letters, O_RDONLY);
			letters[i % mark] = 'n';
		} else if (!strcmp(mode, "touch"))
			pages[i * 4096] = 1;
		else if (!strcmp(mode, "call"))
			sum += load_call(i, 10);
	}
	return (void *)sum;
}

int main(int argc, char **argv)
{
	long threads = argc > 3 ? atol(argv[3]) : 1, n;
	pthread_t ids[64];

	if (argc < 3 || threads < 1 || threads > 64)
		return 2;
	mode = argv[1];
	count = atol(argv[2]);
	mark = argc > 4 ? atol(argv[4]) : 0;
	rate = argc > 5 ? atol(argv[5]) : 0;
	prctl(PR_SET_NAME, "load");
	for (n = 1; n < threads; n++)
		if (pthread_create(&ids[n], NULL, work, (void *)n))
			return 1;
	work(NULL);
	for (n = 1; n < threads; n++)
		pthread_join(ids[n], NULL);
	return 0;
}
