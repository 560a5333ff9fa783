#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"

namespace da::model {

// What a buffer is for. Layers share buffers of the same use and width.
enum class BufferUse : uint8_t {
  kResidual,
  kNormed,
  kBranch,
  kQuery,
  kKey,
  kValue,
  kAttended,
  kAttendedOutputs,
  kQueryLatent,
  kLatent,
  kAbsorbed,
  kAttendedLatent,
  kGate,
  kUp,
  kFeedForward,
  kRouteLogits,
  kExpertGate,
  kExpertUp,
  kExpertFeedForward,
  kExpertOut,
  kDenseAndExperts,
  kSharedGate,
  kLayerGate,
  kLayerFeedForward,
  kPerLayer,
  kPerLayerProjected,
  kOutput,
  kOutputNormed,
  kLogits,
};

// Collects what buffers a stage needs, then makes each once.
class BufferPlan {
 public:
  // `slot` will point to a buffer [n_rows][width] that `readers` (nulls are passed over) are multiplied with.
  void add(backend::Activation*& slot, BufferUse use, int64_t width, int32_t n_rows,
           std::initializer_list<const backend::Weight*> readers = {});
  int32_t max_rows = 0;  // of the batch

  // Makes the buffers and fills the slots. They live in `owned`.
  Status make(backend::Backend& backend, std::vector<std::unique_ptr<backend::Activation>>& owned) const;

 private:
  struct Want {
    int32_t n_rows = 0;
    std::vector<const backend::Weight*> readers;
    std::vector<backend::Activation**> slots;
  };
  std::map<std::pair<BufferUse, int64_t>, Want> wants_;
};

}  // namespace da::model
