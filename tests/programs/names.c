/*
 * names: hands structs with strings to the kernel, as an argument that it does not look at. The same names come with
 * different bytes behind their NUL.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct names {
	char small[16];
	char odd[5];
	char large[203];
};

int main(void)
{
	static const char *const texts[] = {"a", "a", "same", "same", "longer name", "longer name"};
	struct names names;

	for (int n = 0; n < 6; n++) {
		memset(&names, 'A' + n, sizeof names);
		strcpy(names.small, texts[n]);
		if (strlen(texts[n]) < sizeof names.odd)
			strcpy(names.odd, texts[n]);
		strcpy(names.large + 150, texts[n]);
		memset(names.large, 'x', 150);
		syscall(SYS_getppid, &names, n, 4343);
	}
	return 0;
}
