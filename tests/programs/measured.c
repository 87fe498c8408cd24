/*
 * Runs a command and tells what it took: measured FD COMMAND ARGUMENT …
 *
 * Writes to the descriptor "PID\n", and, when it has ended, "STATUS CPU-MICROSECONDS PEAK-KIB\n". What a process is
 * told about a child's memory includes that of the process that started it: therefore a small one does.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage used;
	int fd, status;
	pid_t pid;

	if (argc < 3)
		return 2;
	fd = atoi(argv[1]);
	pid = fork();
	if (pid < 0)
		return 1;
	if (!pid) {
		close(fd);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	close(0);
	close(1);
	close(2);
	dprintf(fd, "%d\n", pid);
	if (wait4(pid, &status, 0, &used) != pid)
		return 1;
	dprintf(fd, "%d %ld %ld\n", status,
		1000000 * (used.ru_utime.tv_sec + used.ru_stime.tv_sec) + used.ru_utime.tv_usec + used.ru_stime.tv_usec,
		used.ru_maxrss);
	return 0;
}
