#include "gguf_io.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>

namespace {

enum GgufType : uint32_t { kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };
enum GgmlType : uint32_t { kTensorF32 = 0, kTensorQ8_0 = 8 };
constexpr uint32_t kAlignment = 32, kBlock = 32, kBlockBytes = 34;

constexpr char kChatTemplate[] =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|text|>{{ m.content }}<|report|>"
    "{% endif %}{% endfor %}";

uint16_t to_half(float f) {
  const _Float16 h = static_cast<_Float16>(f);
  uint16_t bits;
  std::memcpy(&bits, &h, 2);
  return bits;
}

float from_half(uint16_t bits) {
  _Float16 h;
  std::memcpy(&h, &bits, 2);
  return float(h);
}

struct Writer {
  std::string bytes;
  uint64_t n_keys = 0;

  template <class T>
  void raw(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void str(const std::string& s) {
    raw(uint64_t(s.size()));
    bytes += s;
  }
  void key(const std::string& name, uint32_t type) {
    str(name);
    raw(type);
    n_keys++;
  }
  void add(const std::string& name, const char* value) { key(name, kString), str(value); }
  void add(const std::string& name, uint32_t value) { key(name, kU32), raw(value); }
  void add(const std::string& name, float value) { key(name, kF32), raw(value); }
  void add(const std::string& name, bool value) { key(name, kBool), raw(uint8_t(value)); }
  void array(const std::string& name, uint32_t item_type, size_t n_items) {
    key(name, kArray);
    raw(item_type);
    raw(uint64_t(n_items));
  }
};

Writer metadata(const Config& c, const Vocab& vocab) {
  Writer w;
  w.add("general.architecture", "llama");
  w.add("general.name", "DeepAnalyze Starter");
  w.add("general.license", "apache-2.0");
  w.add("general.file_type", uint32_t(7));  // mostly Q8_0
  w.add("general.alignment", kAlignment);
  w.add("general.quantization_version", uint32_t(2));
  w.add("deepanalyze.protocol", "compact-1");
  w.add("llama.context_length", uint32_t(c.n_ctx));
  w.add("llama.embedding_length", uint32_t(c.dim));
  w.add("llama.block_count", uint32_t(c.n_layers));
  w.add("llama.feed_forward_length", uint32_t(c.n_ff));
  w.add("llama.attention.head_count", uint32_t(c.n_heads));
  w.add("llama.attention.head_count_kv", uint32_t(c.n_kv_heads));
  w.add("llama.attention.key_length", uint32_t(c.head_dim));
  w.add("llama.attention.value_length", uint32_t(c.head_dim));
  w.add("llama.attention.layer_norm_rms_epsilon", c.eps);
  w.add("llama.rope.dimension_count", uint32_t(c.head_dim));
  w.add("llama.rope.freq_base", c.rope_base);
  w.add("llama.vocab_size", uint32_t(c.n_vocab));
  w.add("tokenizer.ggml.model", "llama");
  w.array("tokenizer.ggml.tokens", kString, vocab.pieces.size());
  for (const std::string& piece : vocab.pieces) w.str(piece);
  w.array("tokenizer.ggml.scores", kF32, vocab.scores.size());
  for (float score : vocab.scores) w.raw(score);
  w.array("tokenizer.ggml.token_type", kI32, vocab.types.size());
  for (int type : vocab.types) w.raw(int32_t(type));
  w.add("tokenizer.ggml.unknown_token_id", uint32_t(0));
  w.add("tokenizer.ggml.bos_token_id", uint32_t(1));
  w.add("tokenizer.ggml.eos_token_id", uint32_t(vocab.id("<|end|>")));
  w.add("tokenizer.ggml.add_bos_token", true);
  w.add("tokenizer.ggml.add_eos_token", false);
  w.add("tokenizer.ggml.add_space_prefix", false);
  w.add("tokenizer.chat_template", kChatTemplate);
  return w;
}

size_t tensor_bytes(const Tensor& t) {
  return t.is_norm() ? t.size() * 4 : t.size() / kBlock * kBlockBytes;
}

size_t padded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::string quantise(const float* x, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; i += kBlock) {
    float top = 0;
    for (size_t j = 0; j < kBlock; j++) top = std::max(top, std::fabs(x[i + j]));
    const float scale = top / 127.0f, inv = scale > 0 ? 1.0f / scale : 0.0f;
    const uint16_t half = to_half(scale);
    out.append(reinterpret_cast<const char*>(&half), 2);
    for (size_t j = 0; j < kBlock; j++) out += char(int8_t(std::lround(x[i + j] * inv)));
  }
  return out;
}

struct Reader {
  const std::string& bytes;
  size_t at = 0;

  const char* take(size_t n) {
    if (n > bytes.size() - at) throw std::runtime_error("GGUF file is cut short");
    at += n;
    return bytes.data() + at - n;
  }
  template <class T>
  T raw() {
    T value;
    std::memcpy(&value, take(sizeof(T)), sizeof(T));
    return value;
  }
  std::string str() {
    const size_t n = raw<uint64_t>();
    return std::string(take(n), n);
  }
};

}  // namespace

void write_gguf(const Model& model, const Vocab& vocab, const std::string& path) {
  if (vocab.pieces.size() != size_t(model.config.n_vocab)) throw std::runtime_error("vocabulary and model differ");
  const Writer meta = metadata(model.config, vocab);
  Writer head;
  head.bytes = "GGUF";
  head.raw(uint32_t(3));
  head.raw(uint64_t(model.tensors.size()));
  head.raw(meta.n_keys);
  head.bytes += meta.bytes;
  uint64_t offset = 0;
  for (const Tensor& t : model.tensors) {
    if (!t.is_norm() && t.cols % int(kBlock)) throw std::runtime_error(t.name + ": row is no multiple of 32");
    head.str(t.name);
    head.raw(uint32_t(t.is_norm() ? 1 : 2));
    head.raw(uint64_t(t.cols));
    if (!t.is_norm()) head.raw(uint64_t(t.rows));
    head.raw(uint32_t(t.is_norm() ? kTensorF32 : kTensorQ8_0));
    head.raw(offset);
    offset += padded(tensor_bytes(t));
  }
  head.bytes.resize(padded(head.bytes.size()));
  for (const Tensor& t : model.tensors) {
    const float* x = &model.params[t.offset];
    if (t.is_norm()) head.bytes.append(reinterpret_cast<const char*>(x), t.size() * 4);
    else head.bytes += quantise(x, t.size());
    head.bytes.resize(padded(head.bytes.size()));
  }
  std::ofstream out(path, std::ios::binary);
  out.write(head.bytes.data(), std::streamsize(head.bytes.size()));
  if (!out) throw std::runtime_error("cannot write " + path);
}

Model read_gguf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  Reader r{bytes};
  if (bytes.substr(0, 4) != "GGUF") throw std::runtime_error(path + ": not a GGUF file");
  r.take(8);
  const auto n_tensors = r.raw<uint64_t>(), n_keys = r.raw<uint64_t>();
  std::map<std::string, double> numbers;
  size_t n_vocab = 0;
  for (uint64_t i = 0; i < n_keys; i++) {
    const std::string name = r.str();
    const auto type = r.raw<uint32_t>();
    if (type == kString) r.str();
    else if (type == kU32) numbers[name] = r.raw<uint32_t>();
    else if (type == kF32) numbers[name] = double(r.raw<float>());
    else if (type == kBool) r.raw<uint8_t>();
    else if (type == kArray) {
      const auto item = r.raw<uint32_t>();
      const auto n = r.raw<uint64_t>();
      if (item == kString) {
        n_vocab = n;
        for (uint64_t j = 0; j < n; j++) r.str();
      } else {
        r.take(n * 4);
      }
    } else {
      throw std::runtime_error(name + ": unexpected metadata type");
    }
  }
  auto number = [&](const std::string& key) { return int(numbers.at("llama." + key)); };
  Config c;
  c.n_vocab = int(n_vocab);
  c.dim = number("embedding_length"), c.n_layers = number("block_count"), c.n_ff = number("feed_forward_length");
  c.n_heads = number("attention.head_count"), c.n_kv_heads = number("attention.head_count_kv");
  c.head_dim = number("attention.key_length"), c.n_ctx = number("context_length");
  c.rope_base = float(numbers.at("llama.rope.freq_base"));
  c.eps = float(numbers.at("llama.attention.layer_norm_rms_epsilon"));
  Model model(c);
  std::map<std::string, uint64_t> offsets;
  for (uint64_t i = 0; i < n_tensors; i++) {
    const std::string name = r.str();
    r.take(r.raw<uint32_t>() * 8 + 4);
    offsets[name] = r.raw<uint64_t>();
  }
  const size_t data = padded(r.at);
  for (const Tensor& t : model.tensors) {
    r.at = data + offsets.at(t.name);
    float* x = &model.params[t.offset];
    if (t.is_norm()) {
      std::memcpy(x, r.take(t.size() * 4), t.size() * 4);
      continue;
    }
    for (size_t i = 0; i < t.size(); i += kBlock) {
      const float scale = from_half(r.raw<uint16_t>());
      for (size_t j = 0; j < kBlock; j++) x[i + j] = scale * float(r.raw<int8_t>());
    }
  }
  return model;
}
