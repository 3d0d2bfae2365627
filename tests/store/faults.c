// Preloaded into a writer: makes the n-th call of one kind on a file of fjall fail, as a broken disk would.
//
// FAULT_CALL is `write` (an I/O error), `short` (half of the bytes, then an I/O error), or `sync`; FAULT_WHEN counts
// the calls on files below FAULT_PATH from 1. From then on every call of that kind fails there, or FAULT_TIMES of them.
// With `hang` syncs there do not end while the file FAULT_WHILE is there.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static long calls;

static int concerns(int fd, const char *kind) {
    const char *call = getenv("FAULT_CALL"), *below = getenv("FAULT_PATH");
    char link[64], path[4096];
    if (!call || !below || strcmp(call, kind) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, below, strlen(below)) == 0;
}

static int due(void) {
    const char *times = getenv("FAULT_TIMES");
    long since = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) - atol(getenv("FAULT_WHEN"));
    return since >= 0 && (!times || since < atol(times));
}

ssize_t write(int fd, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (concerns(fd, "write") && due()) return errno = EIO, -1;
    if (concerns(fd, "short") && due()) {
        if (calls > atol(getenv("FAULT_WHEN"))) return errno = EIO, -1;
        return real(fd, bytes, (count + 1) / 2);
    }
    return real(fd, bytes, count);
}

static void hang(int fd) {
    const char *while_there = getenv("FAULT_WHILE");
    while (while_there && concerns(fd, "hang") && access(while_there, F_OK) == 0) usleep(1000);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    if (concerns(fd, "sync") && due()) return errno = EIO, -1;
    hang(fd);
    return real(fd);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    if (concerns(fd, "sync") && due()) return errno = EIO, -1;
    hang(fd);
    return real(fd);
}
