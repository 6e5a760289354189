/* Loaded into the program (LD_PRELOAD) by `prove`: traps every system call that writes, with a seccomp
 * filter, so none is missed whatever library makes it. Counts them, notes them with their bytes, kills the
 * process at the k-th, or fails some. The program is not changed and knows nothing of it.
 *
 *   PROVE_ROOT     only files below this directory count (and sockets)
 *   PROVE_LOG      where events are noted: struct event, path, second path, bytes
 *   PROVE_KILL_AT  the k-th counted call is not made: SIGKILL
 *   PROVE_FAIL     sync|write:errno:from:count: these calls fail
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef __x86_64__
#error "prove's shim knows x86-64 only"
#endif

enum kind { WRITE = 1, TRUNCATE, SYNC_BEGIN, SYNC_END, CREATE, RENAME, UNLINK, SEND, PRINT };

struct event {
  uint32_t magic, kind;
  int64_t offset;
  uint32_t path_bytes, other_bytes, data_bytes, result;
};

static const uint32_t MAGIC = 0x57524954;
static char root[512];
static size_t root_bytes;
static int log_fd = -1;
static long kill_at, fail_errno, fail_from, fail_count;
static int fail_syncs, fail_writes;
static volatile long counted, failing;

long prove_raw(long nr, long a, long b, long c, long d, long e, long f);
extern char prove_raw_end[];
__asm__(".text\n.globl prove_raw\n.hidden prove_raw\n.type prove_raw,@function\nprove_raw:\n"
        "mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov %r9,%r8\n"
        "mov 8(%rsp),%r9\nsyscall\n.globl prove_raw_end\n.hidden prove_raw_end\nprove_raw_end:\nret\n");

static long raw(long nr, long a, long b, long c) { return prove_raw(nr, a, b, c, 0, 0, 0); }

static void note(uint32_t kind, int64_t offset, const char *path, const char *other, const struct iovec *data,
                 int pieces, size_t most, uint32_t result) {
  if (log_fd < 0) return;
  struct iovec out[20];
  struct event event = {MAGIC, kind, offset, (uint32_t)strlen(path), other ? (uint32_t)strlen(other) : 0, 0, result};
  out[0] = (struct iovec){&event, sizeof event};
  out[1] = (struct iovec){(void *)path, event.path_bytes};
  out[2] = (struct iovec){(void *)(other ? other : ""), event.other_bytes};
  int n = 3;
  for (int i = 0; i < pieces && n < 20 && most > 0; i++) {
    size_t bytes = data[i].iov_len < most ? data[i].iov_len : most;
    out[n++] = (struct iovec){data[i].iov_base, bytes};
    event.data_bytes += bytes;
    most -= bytes;
  }
  raw(SYS_writev, log_fd, (long)out, n);
}

/* One write that counts. */
static void count(void) {
  long now = __sync_add_and_fetch(&counted, 1);
  if (kill_at > 0 && now == kill_at) {
    raw(SYS_kill, raw(SYS_getpid, 0, 0, 0), SIGKILL, 0);
    for (;;) raw(SYS_pause, 0, 0, 0);
  }
}

static int fails(int wanted) {
  if (!wanted) return 0;
  long now = __sync_add_and_fetch(&failing, 1);
  return now >= fail_from && now < fail_from + fail_count;
}

static int below_root(const char *path) { return root_bytes > 0 && strncmp(path, root, root_bytes) == 0; }

static int is_socket(const char *path) { return strncmp(path, "socket:", 7) == 0; }

static int is_shared_memory(const char *path) {
  size_t bytes = strlen(path);
  return bytes > 4 && strcmp(path + bytes - 4, "-shm") == 0;
}

/* The path of an open file, empty when it has none. */
static void path_of(long fd, char *out, size_t size) {
  char link[40] = "/proc/self/fd/";
  size_t at = strlen(link);
  char digits[20];
  int n = 0;
  if (fd < 0) fd = 0;
  do digits[n++] = '0' + fd % 10, fd /= 10;
  while (fd > 0);
  while (n > 0) link[at++] = digits[--n];
  link[at] = 0;
  long got = raw(SYS_readlink, (long)link, (long)out, size - 1);
  out[got > 0 ? got : 0] = 0;
}

/* A path as the program gave it, made absolute. */
static void absolute(long dir, const char *path, char *out, size_t size) {
  out[0] = 0;
  if (path[0] != '/') {
    if (dir == AT_FDCWD) {
      if (raw(SYS_getcwd, (long)out, size, 0) < 0) out[0] = 0;
    } else {
      path_of(dir, out, size);
    }
    strncat(out, "/", size - strlen(out) - 1);
  }
  strncat(out, path, size - strlen(out) - 1);
}

static long written(long nr, long *a) {
  char path[512];
  struct iovec one = {(void *)a[1], (size_t)a[2]};
  const struct iovec *data = &one;
  int pieces = 1;
  if (nr == SYS_writev || nr == SYS_pwritev || nr == SYS_pwritev2) data = (const struct iovec *)a[1], pieces = a[2];
  if (nr == SYS_sendmsg) {
    const struct msghdr { void *name; uint32_t len; struct iovec *iov; size_t iovlen; } *m = (const void *)a[1];
    data = m->iov, pieces = m->iovlen;
  }
  path_of(a[0], path, sizeof path);
  if (a[0] == 2) {
    note(PRINT, 0, "", 0, data, pieces, 8192, 0);
  } else if (is_socket(path)) {
    count();
    note(SEND, 0, path, 0, data, pieces, 8192, 0);
  } else if (below_root(path)) {
    count();
    /* The shared memory file is memory: SQLite maps it, and no error of the disk shows there. */
    if (!is_shared_memory(path) && fails(fail_writes)) return -fail_errno;
    int64_t offset = nr == SYS_pwrite64 || nr == SYS_pwritev || nr == SYS_pwritev2 ? a[3] : raw(SYS_lseek, a[0], 0, SEEK_CUR);
    note(WRITE, offset, path, 0, data, pieces, SIZE_MAX, 0);
  }
  return prove_raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long synced(long nr, long *a) {
  char path[512];
  path_of(a[0], path, sizeof path);
  if (!below_root(path)) return raw(nr, a[0], 0, 0);
  count();
  /* SQLite takes no notice when a directory does not sync. */
  struct stat what;
  int is_file = raw(SYS_fstat, a[0], (long)&what, 0) == 0 && S_ISREG(what.st_mode);
  if (is_file && fails(fail_syncs)) return -fail_errno;
  note(SYNC_BEGIN, 0, path, 0, 0, 0, 0, 0);
  long result = raw(nr, a[0], 0, 0);
  note(SYNC_END, 0, path, 0, 0, 0, 0, result == 0);
  return result;
}

static long named(long nr, long *a) {
  char path[512], other[512];
  other[0] = 0;
  uint32_t kind = nr == SYS_openat || nr == SYS_open || nr == SYS_creat ? CREATE : UNLINK;
  switch (nr) {
    case SYS_open: case SYS_creat: case SYS_unlink: absolute(AT_FDCWD, (char *)a[0], path, sizeof path); break;
    case SYS_openat: case SYS_unlinkat: absolute(a[0], (char *)a[1], path, sizeof path); break;
    case SYS_rename:
      kind = RENAME;
      absolute(AT_FDCWD, (char *)a[0], path, sizeof path);
      absolute(AT_FDCWD, (char *)a[1], other, sizeof other);
      break;
    default:
      kind = RENAME;
      absolute(a[0], (char *)a[1], path, sizeof path);
      absolute(a[2], (char *)a[3], other, sizeof other);
  }
  if (!below_root(path)) return prove_raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  /* Opening what is there writes nothing. */
  int news = kind != CREATE || raw(SYS_access, (long)path, F_OK, 0) != 0;
  if (news) count();
  if (kind == RENAME) note(kind, 0, path, other, 0, 0, 0, 0);
  long result = prove_raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (news && kind != RENAME && result >= 0) note(kind, 0, path, 0, 0, 0, 0, 0);
  return result;
}

static long resized(long nr, long *a) {
  char path[512];
  path_of(a[0], path, sizeof path);
  if (below_root(path)) {
    count();
    if (!is_shared_memory(path) && fails(fail_writes)) return -fail_errno;
    note(TRUNCATE, a[1], path, 0, 0, 0, 0, 0);
  }
  return raw(nr, a[0], a[1], 0);
}

static void trapped(int signal, siginfo_t *info, void *context) {
  (void)signal;
  greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
  long a[6] = {regs[REG_RDI], regs[REG_RSI], regs[REG_RDX], regs[REG_R10], regs[REG_R8], regs[REG_R9]};
  long nr = info->si_syscall;
  switch (nr) {
    case SYS_fsync: case SYS_fdatasync: regs[REG_RAX] = synced(nr, a); break;
    case SYS_ftruncate: regs[REG_RAX] = resized(nr, a); break;
    case SYS_open: case SYS_creat: case SYS_openat: case SYS_unlink: case SYS_unlinkat:
    case SYS_rename: case SYS_renameat: case SYS_renameat2: regs[REG_RAX] = named(nr, a); break;
    default: regs[REG_RAX] = written(nr, a);
  }
}

static long number(const char *name) {
  const char *text = getenv(name);
  return text ? atol(text) : 0;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define TRAP BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)

__attribute__((constructor)) static void begin(void) {
  const char *below = getenv("PROVE_ROOT"), *log = getenv("PROVE_LOG"), *fail = getenv("PROVE_FAIL");
  if (!below) return;
  strncpy(root, below, sizeof root - 1);
  root_bytes = strlen(root);
  kill_at = number("PROVE_KILL_AT");
  if (fail) {
    fail_syncs = strncmp(fail, "sync:", 5) == 0;
    fail_writes = strncmp(fail, "write:", 6) == 0;
    char *rest = strchr(fail, ':') + 1;
    fail_errno = strtol(rest, &rest, 10);
    fail_from = strtol(rest + 1, &rest, 10);
    fail_count = strtol(rest + 1, &rest, 10);
  }
  if (log) log_fd = fcntl(open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), F_DUPFD_CLOEXEC, 900);
  struct sigaction action = {0};
  action.sa_sigaction = trapped;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSYS, &action, NULL);
  uint64_t own = (uint64_t)prove_raw_end;
  static const int calls[] = {SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_sendto, SYS_sendmsg,
                              SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_unlink, SYS_unlinkat, SYS_rename,
                              SYS_renameat, SYS_renameat2, SYS_creat};
  enum { CALLS = sizeof calls / sizeof calls[0] };
  struct sock_filter filter[2 * CALLS + 32];
  int n = 0;
#define ADD(...) do { struct sock_filter next = __VA_ARGS__; filter[n++] = next; } while (0)
  /* Our own calls pass. */
  ADD(LOAD(instruction_pointer));
  ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)own, 0, 3));
  ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4));
  ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(own >> 32), 0, 1));
  ADD(ALLOW);
  ADD(LOAD(nr));
  for (int i = 0; i < CALLS; i++) {
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1));
    ADD(TRAP);
  }
  /* Opening counts where it may create. */
  ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 4));
  ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])));
  ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 1));
  ADD(TRAP);
  ADD(ALLOW);
  ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 4));
  ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])));
  ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 1));
  ADD(TRAP);
  ADD(ALLOW);
  ADD(ALLOW);
  struct sock_fprog program = {(unsigned short)n, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(99);
}
