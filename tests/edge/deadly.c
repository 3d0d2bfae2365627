// Preloaded into a server: kills it when it has noted the change as suspect whose digest is DEADLY_SUM, 64 hexadecimal
// digits. So it ends as if that change ended it, and knows no more of it than it would then.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void look(const void *bytes, size_t count) {
    const char *hex = getenv("DEADLY_SUM");
    unsigned char sum[32];
    for (int at = 0; at < 32; at++)
        if (!hex || sscanf(hex + 2 * at, "%2hhx", &sum[at]) != 1) return;
    if (memmem(bytes, count, sum, sizeof sum)) kill(getpid(), SIGKILL);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    ssize_t written = real(fd, bytes, count, at);
    look(bytes, count);
    return written;
}
