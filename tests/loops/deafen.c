/*
 * deafen MILLISECONDS: makes the kernel report to nobody, and keeps it so for this time, although others repair
 * it: nearly each program that asks meanwhile finds it deaf.
 */
#include "../c/support.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
	uint64_t end = now_ns() + strtoull(argc > 1 ? argv[1] : "0", NULL, 10) * 1000000;
	int count = 0;
	do
		count += deafen();
	while (now_ns() < end);
	return count == 0;
}
