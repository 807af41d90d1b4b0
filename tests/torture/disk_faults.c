/* A disk that fails on the n-th call: preloaded before libc, steered through faults_set from Python.

   Only calls on files whose name contains `only` are counted. Modes: 1 = fail once, 2 = fail from then on,
   3 = write half and die, 4 = die before the call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { ONCE = 1, ON = 2, HALF = 3, DIE = 4 };
static long count, at, syncs;
static int mode, error;
static char only[256];

void faults_set(long nth, int how, int number, const char *part) {
  count = syncs = 0;
  at = nth;
  mode = how;
  error = number;
  strncpy(only, part, sizeof only - 1);
}

long faults_count(void) { return count; }

/* How often such a file was made durable. */
long faults_syncs(void) { return syncs; }

static int concerns(int fd) {
  char link[64], name[4096];
  if (!only[0]) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, name, sizeof name - 1);
  if (length <= 0) return 0;
  name[length] = 0;
  return strstr(name, only) != NULL;
}

/* Whether this call is to fail; dies here where the mode says so. */
static int strikes(int fd) {
  if (!concerns(fd)) return 0;
  long number = __sync_add_and_fetch(&count, 1);
  if (at < 1 || number < at || (number > at && mode != ON)) return 0;
  if (mode == DIE) _exit(137);
  return 1;
}

#define REAL(name, ...)                                        \
  static __typeof__(&name) real;                               \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  REAL(pwrite64);
  if (!strikes(fd)) return real(fd, bytes, size, offset);
  if (mode == HALF) { real(fd, bytes, size / 2, offset); _exit(137); }
  errno = error;
  return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) { return pwrite64(fd, bytes, size, offset); }

ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(write);
  if (!strikes(fd)) return real(fd, bytes, size);
  if (mode == HALF) { real(fd, bytes, size / 2); _exit(137); }
  errno = error;
  return -1;
}

#define WHOLE(name)                        \
  int name(int fd) {                       \
    REAL(name);                            \
    if (concerns(fd)) __sync_add_and_fetch(&syncs, 1); \
    if (!strikes(fd)) return real(fd);     \
    if (mode == HALF) _exit(137);          \
    errno = error;                         \
    return -1;                             \
  }
WHOLE(fsync)
WHOLE(fdatasync)

int ftruncate64(int fd, off64_t size) {
  REAL(ftruncate64);
  if (!strikes(fd)) return real(fd, size);
  if (mode == HALF) _exit(137);
  errno = error;
  return -1;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
