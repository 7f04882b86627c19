/* A program that is gone almost at once: linked statically, it has nothing to load. */
int main(void)
{
	return 0;
}
