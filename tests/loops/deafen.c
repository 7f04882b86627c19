/* Makes the kernel report to nobody. */
#include "../c/support.h"

int main(void)
{
	return deafen() == 0;
}
