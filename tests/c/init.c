/* What the promises need when they are the first process of a kernel under test. */
#include "promise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void mount_at(const char *type, const char *path)
{
	mkdir(path, 0755);
	mount(type, path, type, 0, NULL);
}

static void prepare(void)
{
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("devtmpfs", "/dev");
	int console = open("/dev/console", O_RDWR);
	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
	/* The kernel makes variables of what it does not know on its command line. */
	const char *pid_max = getenv("PID_MAX");
	FILE *file = pid_max ? fopen("/proc/sys/kernel/pid_max", "w") : NULL;
	if (file) {
		fputs(pid_max, file);
		fclose(file);
	}
}

void run_as_init(int (*run)(void))
{
	prepare();
	pid_t child = fork();
	if (child == 0)
		exit(run());
	/* Orphans are ours to reap. */
	int status, result = -1;
	for (pid_t pid; (pid = wait(&status)) > 0 || errno == EINTR;) {
		if (pid == child) {
			result = status;
			break;
		}
	}
	struct utsname name;
	uname(&name);
	printf("PROMISES ENDED on %s: %s\n", name.release, result == 0 ? "kept" : "broken");
	fflush(NULL);
	sync();
	usleep(100000);
	reboot(RB_POWER_OFF);
}
