/* Call chains for the tests of dw_ustack, built without frame pointers: unwound MODE. Each ends in the function `leaf`. */
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))
#define KEEP __asm__ volatile("" ::: "memory")

NOINLINE int leaf(int n) { KEEP; return n + 1; }

/* A frame of another size at each step. */
NOINLINE int middle(int n) { volatile char room[100]; room[n % 100] = 1; int r = leaf(n); KEEP; return r + room[3]; }
NOINLINE int outer(int n) { volatile long room[333]; room[n % 333] = n; int r = middle(n); KEEP; return r + (int)room[1]; }

/* All registers that a function preserves are in use, and must come back. */
NOINLINE long busy(long a, long b, long c, long d, long e, long f) {
  long s = 0;
  for (long i = 0; i < 2; i++) {
    s += leaf((int)(a + i)); s += a * b; s ^= c + i; s += d * s; s -= e; s ^= f * i; s += (long)(b ^ c);
    KEEP;
  }
  return s + a + b + c + d + e + f;
}

NOINLINE int down(int n) { int r = n ? down(n - 1) : leaf(n); KEEP; return r + 1; }

/* The frame is aligned by hand: its address is only known from what was stored in it. */
NOINLINE int aligned(int n) {
  volatile long wide[8] __attribute__((aligned(64)));
  char *more = alloca((size_t)n);
  memset(more, 1, (size_t)n);
  wide[n % 8] = more[n - 1];
  int r = leaf(n);
  KEEP;
  return r + (int)wide[1];
}

NOINLINE static void handler(int number) { leaf(number); KEEP; }
NOINLINE int interrupted(int n) { raise(SIGUSR1); KEEP; return n; }
NOINLINE static void on_other_stack(void) {
  static char room[1 << 16];
  stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
  sigaltstack(&stack, NULL);
}

NOINLINE static void *thread(void *p) { leaf(0); KEEP; return p; }

NOINLINE static int compare(const void *a, const void *b) { leaf(0); KEEP; return *(const int *)a - *(const int *)b; }

int main(int c, char **v) {
  const char *mode = c > 1 ? v[1] : "";
  if (!strcmp(mode, "chain")) return outer(1) == -1;
  if (!strcmp(mode, "busy")) return busy(1, 2, 3, 4, 5, 6) == -1;
  if (!strcmp(mode, "deep")) return down(c > 2 ? atoi(v[2]) : 50) == -1;
  if (!strcmp(mode, "aligned")) return aligned(100) == -1;
  if (!strcmp(mode, "signal") || !strcmp(mode, "altstack")) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = mode[0] == 'a' ? SA_ONSTACK : 0};
    if (action.sa_flags) on_other_stack();
    sigaction(SIGUSR1, &action, NULL);
    return interrupted(0);
  }
  if (!strcmp(mode, "thread")) {
    pthread_t t;
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    return 0;
  }
  if (!strcmp(mode, "library")) { /* called back from a library */
    int numbers[2] = {2, 1};
    qsort(numbers, 2, sizeof numbers[0], compare);
    return 0;
  }
  if (!strcmp(mode, "open")) { /* through a library that is loaded later, once we are asked to */
    char line[16];
    void *library = dlopen(v[2], RTLD_NOW);
    int (*through)(int (*)(int), int) = library ? (int (*)(int (*)(int), int))dlsym(library, "through") : NULL;
    if (!through) return 2;
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return 3;
    return through(outer, 1) == -1;
  }
  if (!strcmp(mode, "many")) { /* until we are killed */
    for (;;) { outer(1); usleep(1000); }
  }
  return 1;
}
