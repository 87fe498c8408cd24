#ifndef SIZES_H
#define SIZES_H
struct size { unsigned width; unsigned height; };
#define LARGE (1 << 10)
#endif
