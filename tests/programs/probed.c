/* A program to probe: functions with parameters of many types, and static probes as sys/sdt.h writes them.
 *
 * probed N: calls each function N times, fires demo:tick N times, and demo:guarded N times while its semaphore is up;
 * prints how often the guard was open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum color { RED, GREEN = 5 };

struct point {
    int x, y;
};

struct thing {
    long serial;
    char name[16];
    struct point at;
    unsigned low : 3, high : 5;
    enum color color;
    union {
        int whole;
        float part;
    };
    struct thing *next;
    short values[3];
};

#define NOINLINE __attribute__((noinline, noclone))

NOINLINE int add(int a, long b, const char *text)
{
    int sum = a + b;
    return sum + text[0];
}

NOINLINE long look(struct point *p, struct point q, struct thing *thing, enum color c, unsigned char byte, _Bool yes)
{
    __asm__ volatile("");
    return p->x + q.y + thing->serial + c + byte + yes;
}

NOINLINE int seven(int a, int b, int c, int d, int e, int f, int g)
{
    __asm__ volatile("");
    return a + b + c + d + e + f + g;
}

NOINLINE double mixed(int a, double d, int b)
{
    __asm__ volatile("");
    return a + d + b;
}

NOINLINE long large(struct thing thing, int a)
{
    __asm__ volatile("");
    return thing.serial + a;
}

__asm__(".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
        ".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"
        "_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n");

#define NOTE(namespace, name, semaphore, arguments)                                                                   \
    "990: nop\n.pushsection .note.stapsdt,\"?\",\"note\"\n.balign 4\n.4byte 992f-991f, 994f-993f, 3\n"                \
    "991: .asciz \"stapsdt\"\n992: .balign 4\n993: .8byte 990b\n.8byte _.stapsdt.base\n.8byte " semaphore "\n"        \
    ".asciz \"" namespace "\"\n.asciz \"" name "\"\n.asciz \"" arguments "\"\n994: .balign 4\n.popsection\n"

unsigned short guard __attribute__((section(".probes")));

NOINLINE void tick(int number, long big, short *values, long n)
{
    __asm__ volatile(NOTE("demo", "tick", "0", "-4@%0 8@%1 4@$7 -2@%2 -2@(%3,%4,2)")
                     :
                     : "r"(number), "r"(big), "m"(values[1]), "r"(values), "r"(n));
}

NOINLINE int guarded(int number)
{
    if (!*(volatile unsigned short *)&guard)
        return 0;
    __asm__ volatile(NOTE("demo", "guarded", "guard", "4@%0") : : "r"(number));
    return 1;
}

NOINLINE void twice(int number)
{
    __asm__ volatile(NOTE("other", "tick", "0", "") : :);
    if (number & 1)
        __asm__ volatile(NOTE("other", "copies", "0", "4@$1") : :);
    else
        __asm__ volatile(NOTE("other", "copies", "0", "4@$2") : :);
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1, open = 0;
    struct point p = {1, 2};
    struct thing last = {8, "last", {5, 6}, 1, 2, RED, {3}, 0, {4, 5, 6}};
    struct thing first = {7, "first", {3, 4}, 5, 6, GREEN, {1}, &last, {-1, -2, -3}};
    volatile double sum = 0;
    char text[] = "abc"; /* on the stack: a page that was never touched cannot be read by a probe */
    for (int i = 0; i < n; i++) {
        sum += add(i, -2, text) + look(&p, p, &first, GREEN, 200, 1) + seven(1, 2, 3, 4, 5, 6, 7) + mixed(1, 2.0, 3)
            + large(last, i);
        tick(-i, 1L << 40, first.values, 2);
        open += guarded(i);
        twice(i);
    }
    printf("%d\n", open);
    return 0;
}
