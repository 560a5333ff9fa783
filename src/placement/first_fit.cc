#include "placement/first_fit.h"

#include <algorithm>

namespace da::placement {
namespace {

std::string mebibytes(uint64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

std::string layers(int32_t first, int32_t n) {
  if (n == 1) return "layer " + std::to_string(first);
  return "layers " + std::to_string(first) + " to " + std::to_string(first + n - 1);
}

void add_sentence(std::string& text, const std::string& sentence) { text += (text.empty() ? "" : "; ") + sentence; }

// One GPU's turn.
class Turn {
 public:
  Turn(const ModelShape& shape, int32_t gpu, const Room& room, const Wishes& wishes, const Measure& measure)
      : shape_(shape), gpu_(gpu), room_(room), wishes_(wishes), measure_(measure) {}

  // The longest run of layers from `first` on, none beyond `most`, that fits; 0 layers if not one does.
  Result<Stage> fill(int32_t first, int32_t most) {
    std::vector<int32_t> ends;  // where the run may end
    for (const int32_t cut : shape_.cuts) {
      if (cut > first && cut <= most) ends.push_back(cut);
    }
    if (most == shape_.n_layers) ends.push_back(most);
    Stage best{.device = gpu_};
    if (ends.empty()) {
      why_ = layers(first, next_cut(first) - first) + " stay together";
      return best;
    }
    // Usually all that is left fits, or little of it does not: from the end, then by halves.
    size_t low = 0, high = ends.size();  // ends[i] fits for i < low, does not for i >= high
    size_t probe = high - 1;
    while (low < high) {
      DA_ASSIGN_OR_RETURN(const model::StageBytes bytes, measure_(gpu_, first, ends[probe] - first));
      if (bytes.total <= free_bytes()) {
        best.n_layers = ends[probe] - first;
        best.bytes = bytes;
        low = probe + 1;
      } else {
        too_large_ = bytes.total;
        high = probe;
      }
      probe = low + (high - low) / 2;
    }
    if (best.n_layers < most - first && too_large_ > 0) {
      const int32_t next = first + best.n_layers;
      why_ = room_.name + " has no room for " + layers(next, next_cut(next) - next) + " (" + mebibytes(too_large_) +
             (best.n_layers > 0 ? " with those before, " : ", ") + mebibytes(free_bytes()) + " free beside " +
             mebibytes(wishes_.reserve_bytes) + " kept)";
    }
    return best;
  }
  const std::string& why_not_more() const { return why_; }
  uint64_t free_bytes() const { return room_.free_bytes - std::min(room_.free_bytes, wishes_.reserve_bytes); }

 private:
  int32_t next_cut(int32_t layer) const {
    const auto cut = std::upper_bound(shape_.cuts.begin(), shape_.cuts.end(), layer);
    return cut == shape_.cuts.end() ? shape_.n_layers : *cut;
  }

  const ModelShape& shape_;
  int32_t gpu_;
  const Room& room_;
  const Wishes& wishes_;
  const Measure& measure_;
  uint64_t too_large_ = 0;  // the smallest that did not fit
  std::string why_;
};

}  // namespace

Result<Plan> first_fit(const ModelShape& shape, std::span<const Room> gpus, const Wishes& wishes,
                       const Measure& measure) {
  const int32_t most = wishes.gpu_layers < 0 ? shape.n_layers : std::min(wishes.gpu_layers, shape.n_layers);
  Plan plan;
  std::string where, why_not;
  int32_t layer = 0;
  for (size_t gpu = 0; gpu < gpus.size() && layer < most; ++gpu) {
    Turn turn(shape, static_cast<int32_t>(gpu), gpus[gpu], wishes, measure);
    DA_ASSIGN_OR_RETURN(const Stage stage, turn.fill(layer, most));
    if (stage.n_layers > 0) {
      plan.stages.push_back(stage);
      add_sentence(where, gpus[gpu].name + ": " + layers(layer, stage.n_layers) + ", " + mebibytes(stage.bytes.total) +
                              " of " + mebibytes(gpus[gpu].free_bytes) + " free");
    }
    if (!turn.why_not_more().empty()) add_sentence(why_not, turn.why_not_more());
    layer += stage.n_layers;
  }
  const int32_t on_gpus = layer;
  if (layer < shape.n_layers) {
    plan.stages.push_back({.n_layers = shape.n_layers - layer});
    if (on_gpus > 0) add_sentence(where, "CPU: " + layers(layer, shape.n_layers - layer));
    if (why_not.empty() && most == on_gpus && !gpus.empty() && wishes.gpu_layers >= 0)
      why_not = "no more were asked for";
  }
  plan.why = std::to_string(on_gpus) + " of " + std::to_string(shape.n_layers) + " layers on " +
             std::to_string(gpus.size()) + (gpus.size() == 1 ? " GPU" : " GPUs");
  for (const std::string& part : {where, why_not}) {
    if (!part.empty()) plan.why += ": " + part;
  }
  return plan;
}

}  // namespace da::placement
