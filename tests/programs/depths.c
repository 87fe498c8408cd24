/* Calls bottom() from 1, 2, … 60 calls of fall() inside each other, n times at depth n. */
__attribute__((noinline)) long bottom(long depth)
{
	__asm__ volatile("" : "+r"(depth));
	return depth;
}

__attribute__((noinline)) long fall(long depth, long left)
{
	long result = left > 1 ? fall(depth, left - 1) : bottom(depth);

	__asm__ volatile("" : "+r"(result));
	return result + 1;
}

int main(void)
{
	for (long depth = 1; depth <= 60; depth++)
		for (long n = 0; n < depth; n++)
			fall(depth, depth);
	return 0;
}
