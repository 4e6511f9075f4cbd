/* Fails, tears or kills at the k-th system call below a folder. Loaded by LD_PRELOAD, armed through ctypes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define KILL -1
#define TORN -2

static char root[PATH_MAX];
static long calls, at;
static int kind;

/* Strike the call number `k` (from 1, 0 for none) below `folder`: an errno, KILL or TORN. */
void strike_arm(const char *folder, long k, int what) {
    snprintf(root, sizeof root, "%s", folder);
    calls = 0;
    at = k;
    kind = what;
}

long strike_calls(void) { return calls; }

static int below(const char *path) { return root[0] && path && strncmp(path, root, strlen(root)) == 0; }

static int below_fd(int fd) {
    char link[64], path[PATH_MAX];
    if (!root[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return below(path);
}

/* Whether a path that is relative to an open folder is below the root. */
static int below_at(int folder, const char *path) {
    return path && path[0] == '/' ? below(path) : folder != AT_FDCWD && below_fd(folder);
}

/* Whether this call is struck; TORN is left to the caller, which writes a part first. */
static int struck(void) {
    if (__sync_add_and_fetch(&calls, 1) != at) return 0;
    if (kind == KILL) kill(getpid(), SIGKILL);
    return 1;
}

static int failed(void) {
    if (kind == TORN) kill(getpid(), SIGKILL);
    errno = kind;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define MODE                                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if (flags & O_CREAT) {                                                                                             \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode = va_arg(list, mode_t);                                                                                   \
        va_end(list);                                                                                                  \
    }

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        MODE                                                                                                           \
        if (below(path) && struck()) return failed();                                                                  \
        return REAL(name)(path, flags, mode);                                                                          \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        MODE                                                                                                           \
        if (below_at(folder, path) && struck()) return failed();                                                       \
        return REAL(name)(folder, path, flags, mode);                                                                  \
    }
OPENAT(openat)
OPENAT(openat64)

#define PATHS(name, parameters, arguments, path)                                                                       \
    int name parameters {                                                                                              \
        if (below(path) && struck()) return failed();                                                                  \
        return REAL(name) arguments;                                                                                   \
    }
PATHS(rename, (const char *from, const char *to), (from, to), to)
PATHS(link, (const char *from, const char *to), (from, to), to)
PATHS(mkdir, (const char *path, mode_t mode), (path, mode), path)
PATHS(unlink, (const char *path), (path), path)
PATHS(rmdir, (const char *path), (path), path)
PATHS(truncate, (const char *path, off_t size), (path, size), path)
PATHS(truncate64, (const char *path, off64_t size), (path, size), path)

int unlinkat(int folder, const char *path, int flags) {
    if (below_at(folder, path) && struck()) return failed();
    return REAL(unlinkat)(folder, path, flags);
}

#define FILES(name, parameters, arguments)                                                                             \
    int name parameters {                                                                                              \
        if (below_fd(fd) && struck()) return failed();                                                                 \
        return REAL(name) arguments;                                                                                   \
    }
FILES(fsync, (int fd), (fd))
FILES(ftruncate, (int fd, off_t size), (fd, size))
FILES(ftruncate64, (int fd, off64_t size), (fd, size))

DIR *opendir(const char *path) {
    if (below(path) && struck()) {
        failed();
        return NULL;
    }
    return REAL(opendir)(path);
}

ssize_t read(int fd, void *data, size_t size) {
    if (below_fd(fd) && struck()) return failed();
    return REAL(read)(fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size) {
    if (below_fd(fd) && struck()) {
        if (kind == TORN) REAL(write)(fd, data, size / 2);
        return failed();
    }
    return REAL(write)(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    if (below_fd(fd) && struck()) {
        if (kind == TORN) REAL(pwrite64)(fd, data, size / 2, offset);
        return failed();
    }
    return REAL(pwrite64)(fd, data, size, offset);
}
