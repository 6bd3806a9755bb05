#include "coordinator/signing/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#define LIMIT_FILES 3

void confine_shield(void)
{
	const struct rlimit none = {0, 0}, files = {LIMIT_FILES, LIMIT_FILES};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	/* A service manager tells all processes to stop; this one ends when its parent does. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	syscall(SYS_close_range, LIMIT_FILES, ~0u, 0);
	setrlimit(RLIMIT_NOFILE, &files);
}

#ifdef MACHINE

#define AT(field)    ((unsigned)offsetof(struct seccomp_data, field))
#define LOAD(field)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(field))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)
#define ALLOW(name)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), ANSWER(SECCOMP_RET_ALLOW)
#define BEGINNING                                                                                  \
	LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),                            \
	    ANSWER(SECCOMP_RET_KILL_PROCESS), LOAD(nr)
/* Memory, time, the descriptors that are open, and what the C library and a sanitizer do at their
 * end. */
#define TO_WORK                                                                                    \
	ALLOW(read), ALLOW(write), ALLOW(recvfrom), ALLOW(sendto), ALLOW(close), ALLOW(exit),      \
	    ALLOW(exit_group), ALLOW(rt_sigreturn), ALLOW(rt_sigaction), ALLOW(rt_sigprocmask),    \
	    ALLOW(sigaltstack), ALLOW(restart_syscall), ALLOW(brk), ALLOW(mmap), ALLOW(munmap),    \
	    ALLOW(mremap), ALLOW(mprotect), ALLOW(madvise), ALLOW(futex), ALLOW(clock_gettime),    \
	    ALLOW(getrandom), ALLOW(getpid), ALLOW(gettid), ALLOW(tgkill), ALLOW(sched_yield),     \
	    ALLOW(fstat)
#define TO_KEEP                                                                                    \
	ALLOW(clone), ALLOW(wait4), ALLOW(getppid), ALLOW(prctl), ALLOW(set_robust_list),          \
	    ALLOW(rseq), ALLOW(nanosleep), ALLOW(clock_nanosleep)

#define LENGTH(array) ((unsigned short)(sizeof(array) / sizeof *(array)))

bool confine_calls(bool keeps_a_child)
{
	struct sock_filter worker[] = {BEGINNING, TO_WORK, ANSWER(SECCOMP_RET_ERRNO | EPERM)};
	struct sock_filter keeper[] = {BEGINNING, TO_WORK, TO_KEEP,
				       ANSWER(SECCOMP_RET_ERRNO | EPERM)};
	const struct sock_fprog program = {keeps_a_child ? LENGTH(keeper) : LENGTH(worker),
					   keeps_a_child ? keeper : worker};

	/* By prctl(2), which filters around this process usually leave. */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#else

bool confine_calls(bool keeps_a_child)
{
	(void)keeps_a_child;
	return false;
}

#endif
