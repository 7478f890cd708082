/* mmap(2), MAP_HUGETLB, and ERRORS ENOMEM: there is no memory in an empty pool. */
#include "../suite.h"

TEST {
    char line[256];
    long pages = -1, surplus = -1;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "HugePages_Total: %ld", &pages);
    if (f) fclose(f);
    if ((f = fopen("/proc/sys/vm/nr_overcommit_hugepages", "r"))) { if (fscanf(f, "%ld", &surplus) != 1) surplus = -1; fclose(f); }
    needs(pages == 0 && surplus == 0, "hugetlb with an empty pool");
    fails(mmap(NULL, (size_t)2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), ENOMEM);
}
