/* Functions whose parameters are passed in every way that the x86-64 calling convention has. */
struct pair { long a, b; };
struct point { int x, y; };
struct three { int x, y, z; };
struct mixed { long whole; double part; };
struct floats { float f, g; };
struct nested { struct point at; struct point to; };
struct large { long values[4]; };
struct __attribute__((packed)) packed { char head; long body; };
struct bits { unsigned low : 3, high : 5; unsigned long wide : 40; };
enum choice { FIRST, LAST = 7 };
union either { int number; char letters[4]; };

#define NOINLINE __attribute__((noinline, noclone))
#define USED __asm__ volatile("" : : : "memory")

NOINLINE long pairs(struct pair p, int n) { USED; return p.a + p.b + n; }
NOINLINE long points(struct point p, int n) { USED; return p.x + p.y + n; }
NOINLINE long threes(struct three t, int n) { USED; return t.z + n; }
NOINLINE long nesteds(struct nested t, int n) { USED; return t.to.y + n; }
NOINLINE long mixeds(struct mixed m, int n) { USED; return m.whole + n; }
NOINLINE long floatses(struct floats f, int n) { USED; return n + (long)f.f; }
NOINLINE double numbers(float f, int n, double d, long double l, short s) { USED; return f + n + d + l + s; }
NOINLINE long larges(struct large l, int n) { USED; return l.values[0] + n; }
NOINLINE long packeds(struct packed p, int n) { USED; return p.head + n; }
NOINLINE long last(int a, int b, int c, int d, int e, struct pair p) { USED; return a + b + c + d + e + p.a; }
NOINLINE long wide(__int128 big, int n) { USED; return (long)big + n; }
NOINLINE int unused(int first, int second) { USED; return second; }
NOINLINE int variadic(const char *format, ...) { USED; return format[0]; }
NOINLINE int pointers(struct bits *b, enum choice c, union either *u, const char *const *names, _Bool yes, unsigned char z)
{
	USED;
	return b->low + c + u->number + names[0][0] + yes + z;
}

int main(void)
{
	struct bits bits = {5, 17, 123456789012};
	union either either = {.letters = "Xyz"};
	const char *names[] = {"one", "two"};
	volatile long sum = 0;

	sum += pairs((struct pair){1, -2}, 10) + points((struct point){3, -4}, 11) + threes((struct three){5, 6, -7}, 12);
	sum += nesteds((struct nested){{1, 2}, {3, 4}}, 13) + mixeds((struct mixed){8, 1.5}, 14);
	sum += floatses((struct floats){1, 2}, 15) + (long)numbers(1.5f, 16, 2.5, 3.5L, -17);
	sum += larges((struct large){{1, 2, 3, 4}}, 18) + packeds((struct packed){1, 2}, 19);
	sum += last(1, 2, 3, 4, 5, (struct pair){6, 7}) + wide(((__int128)1 << 64) + 21, 22);
	sum += unused(23, 24) + variadic("v%d", 25) + pointers(&bits, LAST, &either, names, 1, 200);
	return (int)(sum & 0);
}
