#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gguf/gguf.h"
#include "model/model.h"

namespace da::model::test {

// Where the tests of this binary run models: on the CPU, or on an emulated GPU.
std::unique_ptr<backend::Backend> make_backend();
// Whether a row comes out the same there, bit for bit, whatever rows are computed with it.
bool rows_keep_their_bits();

// Logits, or hidden states, of one sequence of `tokens` at the positions `wanted` (null: at all), `chunk` tokens a
// batch (0: all at once).
Result<std::vector<float>> run_model(const std::shared_ptr<const gguf::File>& file, std::span<const int32_t> tokens,
                                     Output output, size_t chunk = 0, const std::vector<int32_t>* wanted = nullptr);

// sum((a - b)^2) / sum(b^2); infinite where sizes differ.
double nmse(std::span<const float> found, std::span<const float> expected);

}  // namespace da::model::test
