/* Preloaded into a process: logs each change to the files of one directory, and each sync, in their order.

   A record is its kind (w: write, t: truncate, s: sync, u: unlink), the length of the path, an offset or size, the
   length of the data, then the path and the data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;

static void put(const void *data, size_t size) {
    const char *rest = data;
    while (size) {
        long written = syscall(SYS_write, log_file, rest, size);
        if (written <= 0) abort();
        rest += written;
        size -= written;
    }
}

static void record(char kind, const char *path, int64_t offset, const void *data, uint64_t size) {
    const char *directory = getenv("DISK_LOG_DIRECTORY"), *log_path = getenv("DISK_LOG");
    if (!directory || !log_path || strncmp(path, directory, strlen(directory))) return;
    uint64_t head[3] = {strlen(path), (uint64_t)offset, size};
    pthread_mutex_lock(&lock);
    if (log_file < 0) log_file = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    put(&kind, 1);
    put(head, sizeof head);
    put(path, head[0]);
    put(data, size);
    pthread_mutex_unlock(&lock);
}

static void record_file(char kind, int file, int64_t offset, const void *data, uint64_t size) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    record(kind, path, offset, data, size);
}

ssize_t write(int file, const void *data, size_t size) {
    /* All files that are written here without an offset are open for appending. */
    long written = syscall(SYS_write, file, data, size);
    if (written > 0) record_file('w', file, -1, data, written);
    return written;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    long written = syscall(SYS_pwrite64, file, data, size, offset);
    if (written > 0) record_file('w', file, offset, data, written);
    return written;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

int ftruncate64(int file, off64_t size) {
    int status = syscall(SYS_ftruncate, file, size);
    if (!status) record_file('t', file, size, "", 0);
    return status;
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int fsync(int file) {
    int status = syscall(SYS_fsync, file);
    if (!status) record_file('s', file, 0, "", 0);
    return status;
}

int fdatasync(int file) {
    int status = syscall(SYS_fdatasync, file);
    if (!status) record_file('s', file, 0, "", 0);
    return status;
}

int unlink(const char *path) {
    int status = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!status) record('u', path, 0, "", 0);
    return status;
}
