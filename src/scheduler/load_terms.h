#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "runner/client.h"
#include "scheduler/scheduler.h"
#include "store/store.h"

// What a model's description and the settings mean for its load, and what a runner's messages may say.
namespace da::scheduler {

// Names for the same weights share a runner, unless a model wants keys and values of a type or a GPU of its own.
std::string key_of(const store::ModelInfo& model);
// What a load is taken to need, on GPUs and host together: the weights, packed, and a little for work buffers and the
// first pages.
uint64_t need_bytes(const store::ModelInfo& model);
int gpu_layers_of(const store::ModelInfo& model);  // -1: the model names none
int main_gpu_of(const store::ModelInfo& model);    // -1: the model is bound to none
// `gpu_layers`: of this load; -1: as the settings say.
runner::Spec spec_of(const store::ModelInfo& model, int gpu_layers, const Options& options);

ErrorCode code_of(const std::string& name);
// What a runner says may be anything, and a UUID is shown to others.
bool is_gpu(const nlohmann::json& gpu);

}  // namespace da::scheduler
