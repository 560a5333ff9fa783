#include "backend/backend.h"

namespace da::backend {

Status Backend::receive(Backend& source, const Activation& in, Activation& out) {
  DA_ASSIGN_OR_RETURN(const RowsView rows, source.read_rows(in));
  return write_rows(rows, out);
}

}  // namespace da::backend
