// Constrained greedy decoding of a report, for measuring while the engine is not at hand: the JSON skeleton is forced,
// and quotes and copied fields can only be runs of the source's tokens.
#pragma once

#include <string>
#include <vector>

#include "model.h"
#include "vocab.h"

// prompt is <s> <|text|> ... <|report|>. Returns the answer's tokens, <|end|> included unless the limit was met.
std::vector<int> decode_report(Decoder& decoder, const Vocab& vocab, const std::vector<int>& prompt, int max_tokens);

std::string detokenize(const Vocab& vocab, const std::vector<int>& tokens);
