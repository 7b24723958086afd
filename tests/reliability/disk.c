/* A disk that fails, and a power cut, for the database file of one process: LD_PRELOAD it.
 *
 * DISK_FILE     the path of the database; its -wal, -shm and -journal count as well.
 * DISK_CONTROL  a file with one line, read again before every call: "FIRST LAST ERRNO KIND". Calls are
 *               counted from when the line changes; those from FIRST to LAST fail with ERRNO. KIND is
 *               "write", "sync" or "any".
 * DISK_SAFE     a folder: after every sync that went well, the file as it is then is copied there. What
 *               is in that folder is what a power cut would leave.
 * DISK_LIES     if set, a sync does nothing and says that it went well.
 * The number of calls counted is written to DISK_CONTROL.count.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char armed[128];
static long counted;

#define REAL(type, name, ...)                                   \
  static type (*real)(__VA_ARGS__);                             \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t real_write(int fd, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return real(fd, data, size);
}

static int is_ours(const char *path) {
  const char *file = getenv("DISK_FILE");
  if (!file) return 0;
  size_t base = strlen(file);
  if (strncmp(path, file, base) != 0) return 0;
  return !path[base] || !strcmp(path + base, "-wal") || !strcmp(path + base, "-shm") ||
         !strcmp(path + base, "-journal");
}

static int ours(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

/* Whether this call fails; errno is set then. */
static int fails(const char *kind) {
  const char *control = getenv("DISK_CONTROL");
  if (!control) return 0;
  char line[128] = "", wanted[16] = "";
  long first = 0, last = 0;
  int error = 0, failing = 0;
  int fd = open(control, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ssize_t length = read(fd, line, sizeof line - 1);
    line[length > 0 ? length : 0] = 0;
    close(fd);
  }
  pthread_mutex_lock(&lock);
  if (strcmp(line, armed) != 0) {
    strcpy(armed, line);
    counted = 0;
  }
  if (sscanf(line, "%ld %ld %d %15s", &first, &last, &error, wanted) == 4 &&
      (!strcmp(wanted, "any") || !strcmp(wanted, kind))) {
    counted++;
    failing = counted >= first && counted <= last;
    char path[PATH_MAX], text[32];
    snprintf(path, sizeof path, "%s.count", control);
    /* Never empty in between: who reads it would take that for nothing counted. */
    int out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (out >= 0) {
      real_write(out, text, (size_t)snprintf(text, sizeof text, "%-20ld", counted));
      close(out);
    }
  }
  pthread_mutex_unlock(&lock);
  if (failing) errno = error;
  return failing;
}

/* What is safe now is copied, in one piece: the copy is renamed into its place. */
static void keep(const char *path) {
  const char *safe = getenv("DISK_SAFE");
  if (!safe) return;
  pthread_mutex_lock(&lock);
  char part[PATH_MAX], to[PATH_MAX], data[65536];
  const char *name = strrchr(path, '/') + 1;
  snprintf(part, sizeof part, "%s/.part", safe);
  snprintf(to, sizeof to, "%s/%s", safe, name);
  int in = open(path, O_RDONLY | O_CLOEXEC), out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  ssize_t length;
  while (in >= 0 && out >= 0 && (length = read(in, data, sizeof data)) > 0) real_write(out, data, (size_t)length);
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  rename(part, to);
  pthread_mutex_unlock(&lock);
}

#define WRITE(name, type, declared, passed, ...)                \
  type name declared {                                          \
    REAL(type, #name, __VA_ARGS__);                             \
    char path[PATH_MAX];                                        \
    if (ours(fd, path) && fails("write")) return -1;            \
    return real passed;                                         \
  }
WRITE(write, ssize_t, (int fd, const void *data, size_t size), (fd, data, size), int, const void *, size_t)
WRITE(pwrite, ssize_t, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), int, const void *, size_t, off_t)
WRITE(pwrite64, ssize_t, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), int, const void *, size_t, off64_t)
WRITE(writev, ssize_t, (int fd, const struct iovec *parts, int count), (fd, parts, count), int, const struct iovec *, int)
WRITE(ftruncate, int, (int fd, off_t size), (fd, size), int, off_t)
WRITE(ftruncate64, int, (int fd, off64_t size), (fd, size), int, off64_t)

#define SYNC(name)                                              \
  int name(int fd) {                                            \
    REAL(int, #name, int);                                      \
    char path[PATH_MAX];                                        \
    if (!ours(fd, path)) return real(fd);                       \
    if (fails("sync")) return -1;                               \
    if (getenv("DISK_LIES")) return 0;                          \
    int result = real(fd);                                      \
    if (result == 0) keep(path);                                \
    return result;                                              \
  }
SYNC(fsync)
SYNC(fdatasync)

/* What is deleted is deleted in the safe folder too: an old journal there would undo what is safe. */
int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  const char *safe = getenv("DISK_SAFE");
  if (safe && is_ours(path)) {
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s%s", safe, strrchr(path, '/'));
    real(copy);
  }
  return real(path);
}
