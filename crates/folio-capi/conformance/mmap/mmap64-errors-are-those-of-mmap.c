/* _LARGEFILE64_SOURCE, feature_test_macros(7): but for its offset's type mmap64() is mmap(). */
#include "../suite.h"

TEST {
    fails(mmap64(NULL, page, PROT_READ, 0, file(page), 0), EINVAL);
}
