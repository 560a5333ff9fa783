// Llama 1 to 3.3, Mistral, Mixtral and the many made like them.
#include "model/arch/architectures.h"

namespace da::model {
namespace {

Status read_mistral3(KeyReader& keys, Hyperparameters& hyper) {
  // Queries grow with the logarithm of their distance from the start, in steps of the original context.
  DA_ASSIGN_OR_RETURN(hyper.query_temperature, keys.real_or("attention.temperature_scale", 0.0F, 0.0, 100.0));
  if (hyper.query_temperature == 0) return Status::ok();
  DA_ASSIGN_OR_RETURN(hyper.query_temperature_tokens,
                      keys.count("rope.scaling.original_context_length", 1, kMaxContext));
  return Status::ok();
}

}  // namespace

const Architecture kLlama{.name = "llama", .has_experts = true};

const Architecture kMistral3{.name = "mistral3", .has_experts = true, .read = read_mistral3};

}  // namespace da::model
