#include "drop.h"

#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 65534 };

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__ARMEB__)
#define ARCHITECTURE AUDIT_ARCH_ARMEB
#elif defined(__arm__)
#define ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__powerpc64__)
#define ARCHITECTURE AUDIT_ARCH_PPC64
#elif defined(__powerpc__)
#define ARCHITECTURE AUDIT_ARCH_PPC
#elif defined(__mips__) && _MIPS_SIM == _ABIO32 && defined(__MIPSEL__)
#define ARCHITECTURE AUDIT_ARCH_MIPSEL
#elif defined(__mips__) && _MIPS_SIM == _ABIO32
#define ARCHITECTURE AUDIT_ARCH_MIPS
#elif defined(__mips__) && _MIPS_SIM == _ABI64 && defined(__MIPSEL__)
#define ARCHITECTURE AUDIT_ARCH_MIPSEL64
#elif defined(__loongarch64)
#define ARCHITECTURE AUDIT_ARCH_LOONGARCH64
#else
#error "which AUDIT_ARCH_ is this?"
#endif

static void require(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
}

void drop_privileges(void)
{
	uid_t real, effective, saved;
	require(getresuid(&real, &effective, &saved), "getresuid");
	if (real == 0 || effective == 0 || saved == 0) {
		require(setgroups(0, NULL), "setgroups");
		require(setresgid(NOBODY, NOBODY, NOBODY), "setresgid");
		require(setresuid(NOBODY, NOBODY, NOBODY), "setresuid");
	}
	/* A process that was not root may have capabilities, too. */
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	require(syscall(SYS_capset, &header, none), "capset");
	require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
}

/* Calls of another architecture have other numbers. Those of x32 differ by one bit. */
void drop_system_calls(const int *allowed, size_t count)
{
	enum { MOST = 64 };
	struct sock_filter program[MOST + 6];
	unsigned short used = 0;
#define ADD(...) program[used++] = (struct sock_filter)__VA_ARGS__
	if (count > MOST) {
		fputs("too many system calls\n", stderr);
		exit(1);
	}
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	for (size_t i = 0; i < count; i++) {
		/* Jumps to the last instruction, which allows the call. */
		unsigned char distance = (unsigned char)(count - i);
		ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], distance, 0));
	}
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	struct sock_fprog filter = { used, program };
	require(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "PR_SET_SECCOMP");
}
