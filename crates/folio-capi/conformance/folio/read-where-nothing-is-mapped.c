/* folio.h, folio_read: where nothing is mapped, that is a fault as well. */
#include "../suite.h"

TEST {
    struct folio_fault fault;
    byte to[8];
    holds(folio_read(to, hole(page), 8, &fault) == 0 && fault.kind == FOLIO_FAULT_UNMAPPED);
}
