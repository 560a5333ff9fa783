#include "model/buffer_plan.h"

#include <algorithm>

namespace da::model {

void BufferPlan::add(backend::Activation*& slot, BufferUse use, int64_t width, int32_t n_rows,
                     std::initializer_list<const backend::Weight*> readers) {
  Want& want = wants_[{use, width}];
  want.n_rows = std::max(want.n_rows, n_rows);
  for (const backend::Weight* reader : readers) {
    if (reader != nullptr) want.readers.push_back(reader);
  }
  want.slots.push_back(&slot);
}

Status BufferPlan::make(backend::Backend& backend, std::vector<std::unique_ptr<backend::Activation>>& owned) const {
  for (const auto& [key, want] : wants_) {
    DA_ASSIGN_OR_RETURN(auto made, backend.make_activation(key.second, want.n_rows, want.readers));
    for (backend::Activation** slot : want.slots) *slot = made.get();
    owned.push_back(std::move(made));
  }
  return Status::ok();
}

}  // namespace da::model
