/* A program with known functions. Prints the address of `leaf`, then calls it as often as it is told on stdin. */
#include <stdio.h>
#include <unistd.h>

int global_int = 77;
char global_byte = 9;

__attribute__((noinline)) int leaf(int value)
{
    __asm__ volatile("");
    return value * 3;
}

__attribute__((noinline)) static int hidden(int value)
{
    return leaf(value) + 1;
}

int main(void)
{
    int rounds = 0, sum = global_int + global_byte;
    printf("%p\n", (void *)leaf);
    fflush(stdout);
    while (scanf("%d", &rounds) == 1) {
        for (int n = 0; n < rounds; n++)
            sum += hidden(n);
        printf("%d\n", sum & 1);
        fflush(stdout);
    }
    return 0;
}
