/* Makes files below the folder in NO_SHARED_MEMORY refuse a shared mapping, as CIFS, 9p and old NFS do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int is_below(int descriptor) {
  const char *folder = getenv("NO_SHARED_MEMORY");
  char link[32], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = descriptor < 0 || !folder ? -1 : readlink(link, path, sizeof path - 1);
  return length > 0 && !strncmp(path, folder, strlen(folder));
}

void *mmap(void *at, size_t length, int protection, int flags, int descriptor, off_t offset) {
  static void *(*real)(void *, size_t, int, int, int, off_t);
  if (!real) real = dlsym(RTLD_NEXT, "mmap");
  if ((flags & MAP_TYPE) != MAP_PRIVATE && is_below(descriptor)) {
    errno = ENODEV;
    return MAP_FAILED;
  }
  return real(at, length, protection, flags, descriptor, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int descriptor, off_t offset) {
  return mmap(at, length, protection, flags, descriptor, offset);
}
