/* Counts the calls by which a process writes below a folder, or reads there, and lets them fail from the n-th on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long seen;

static int counts(const char *path) {
  const char *root = getenv("FAULT_ROOT");
  return root && !strncmp(path, root, strlen(root));
}

static int counts_fd(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int saved = errno;
  ssize_t size = readlink(link, path, sizeof path - 1);
  errno = saved;
  if (size < 0) return 0;
  path[size] = 0;
  return counts(path);
}

static int counts_at(int fd, const char *path) {
  if (path[0] == '/') return counts(path);
  return fd != AT_FDCWD && counts_fd(fd);
}

static int fails_at(int counted, int reading) {
  if (!counted || reading != !!getenv("FAULT_READS")) return 0;
  long number = atomic_fetch_add(&seen, 1) + 1;
  const char *from = getenv("FAULT_FROM"), *code = getenv("FAULT_ERRNO"), *last = getenv("FAULT_LAST");
  if (!from || number < atol(from) || (last && number > atol(last))) return 0;
  errno = atoi(code);
  return 1;
}

static int fails(int counted) { return fails_at(counted, 0); }

__attribute__((destructor)) static void tell(void) {
  const char *name = getenv("FAULT_COUNT");
  FILE *file = name ? fopen(name, "w") : NULL;
  if (file) { fprintf(file, "%ld\n", atomic_load(&seen)); fclose(file); }
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* No destructor is called then. */
void _exit(int status) { tell(); REAL(_exit)(status); __builtin_unreachable(); }

#define CALL(type, name, parameters, arguments, counted) \
  type name parameters { return fails(counted) ? -1 : REAL(name) arguments; }

#define READ(name, parameters, arguments) \
  ssize_t name parameters { return fails_at(counts_fd(fd), 1) ? -1 : REAL(name) arguments; }

READ(read, (int fd, void *data, size_t size), (fd, data, size))
READ(pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at))
CALL(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), counts_fd(fd))
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), counts_fd(fd))
CALL(ssize_t, copy_file_range, (int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags),
     (in, from, out, to, size, flags), counts_fd(out))
CALL(int, fsync, (int fd), (fd), counts_fd(fd))
CALL(int, fdatasync, (int fd), (fd), counts_fd(fd))
CALL(int, syncfs, (int fd), (fd), counts_fd(fd))
CALL(int, ftruncate64, (int fd, off64_t size), (fd, size), counts_fd(fd))
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), counts(path))
CALL(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), counts_at(fd, path))
CALL(int, rename, (const char *from, const char *to), (from, to), counts(to))
CALL(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), counts_at(b, to))
CALL(int, link, (const char *from, const char *to), (from, to), counts(to))
CALL(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), counts_at(b, to))
CALL(int, symlink, (const char *target, const char *path), (target, path), counts(path))
CALL(int, symlinkat, (const char *target, int fd, const char *path), (target, fd, path), counts_at(fd, path))

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    return fails((flags & O_CREAT) && counts(path)) ? -1 : REAL(name)(path, flags, mode); }
#define OPENAT(name) \
  int name(int fd, const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    return fails((flags & O_CREAT) && counts_at(fd, path)) ? -1 : REAL(name)(fd, path, flags, mode); }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)
