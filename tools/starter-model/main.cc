// Trainer of the starter model. See README.md for the recipe.
//   trainer train   --vocab V --data DIR --checkpoint FILE [--init X.gguf] [--config dim=256,...] [schedule options]
//   trainer eval    --vocab V --data FILE --model X --out FILE      decode prompts, one JSON answer a line
//   trainer export  --vocab V --model CHECKPOINT --out X.gguf
//   trainer gradcheck
#include <cblas.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <stdexcept>
#include <thread>

#include "decode.h"
#include "gguf_io.h"
#include "optimizer.h"

extern "C" void openblas_set_num_threads(int);

namespace {

using Args = std::map<std::string, std::string>;

std::string arg(const Args& args, const std::string& name, const std::string& fallback = "") {
  const auto it = args.find(name);
  return it == args.end() ? fallback : it->second;
}

double number(const Args& args, const std::string& name, double fallback) {
  const auto it = args.find(name);
  return it == args.end() ? fallback : std::stod(it->second);
}

// Shard layout: per example u16 n_prompt, u16 n_tokens, u16 tokens[n_tokens].
std::vector<Example> read_shard(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  std::vector<Example> out;
  uint16_t head[2];
  while (in.read(reinterpret_cast<char*>(head), sizeof head)) {
    std::vector<uint16_t> tokens(head[1]);
    in.read(reinterpret_cast<char*>(tokens.data()), std::streamsize(tokens.size() * 2));
    if (!in) throw std::runtime_error(path + " is cut short");
    out.push_back({std::vector<int>(tokens.begin(), tokens.end()), head[0]});
  }
  return out;
}

// Goes through the shards of a directory in name order, and round again; new shards are seen when one is finished.
class ShardStream {
 public:
  // sentiment_token: the piece after which a report speaks of sentiment
  ShardStream(std::string dir, int sentiment_token) : dir_(std::move(dir)), sentiment_token_(sentiment_token) {}
  const Example& next(size_t max_tokens) {
    for (;;) {
      if (at_ >= examples_.size()) load_next();
      const Example& e = examples_[at_++];
      if (e.tokens.size() <= max_tokens) return e;
    }
  }
  std::string shard;  // the last one used; set before the first next() to resume after it

 private:
  void load_next() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_))
      if (entry.path().extension() == ".bin") names.push_back(entry.path().filename());
    if (names.empty()) throw std::runtime_error("no shards in " + dir_);
    std::sort(names.begin(), names.end());
    const auto after = std::upper_bound(names.begin(), names.end(), shard);
    shard = after == names.end() ? names.front() : *after;
    examples_ = read_shard(dir_ + "/" + shard);
    for (Example& e : examples_) {
      const auto mark = std::find(e.tokens.begin() + e.n_prompt, e.tokens.end(), sentiment_token_);
      e.sentiment_at = int(mark - e.tokens.begin());
    }
    at_ = 0;
    std::printf("shard %s: %zu examples\n", shard.c_str(), examples_.size());
  }
  std::string dir_;
  int sentiment_token_;
  std::vector<Example> examples_;
  size_t at_ = 0;
};

struct Checkpoint {
  Config config;
  int64_t n_steps = 0, n_tokens = 0;
  char shard[64] = {};
};

// Written beside the old file and renamed, so that a cut never leaves half a checkpoint.
void save_checkpoint(const std::string& path, const Checkpoint& head,
                     const std::vector<const std::vector<float>*>& parts) {
  {
    std::ofstream out(path + ".tmp", std::ios::binary);
    out.write(reinterpret_cast<const char*>(&head), sizeof head);
    for (const auto* part : parts)
      out.write(reinterpret_cast<const char*>(part->data()), std::streamsize(part->size() * 4));
    if (!out) throw std::runtime_error("cannot write " + path);
  }
  std::filesystem::rename(path + ".tmp", path);
}

Model load_model(const std::string& path, Checkpoint* head_out = nullptr, Optimizer* opt = nullptr) {
  if (path.ends_with(".gguf")) return read_gguf(path);
  std::ifstream in(path, std::ios::binary);
  Checkpoint head;
  in.read(reinterpret_cast<char*>(&head), sizeof head);
  if (!in) throw std::runtime_error("cannot read " + path);
  Model model(head.config);
  auto read = [&](std::vector<float>& part) {
    part.resize(model.params.size());
    in.read(reinterpret_cast<char*>(part.data()), std::streamsize(part.size() * 4));
  };
  read(model.params);
  if (opt) read(opt->momentum), read(opt->second), opt->n_steps = head.n_steps;
  if (!in) throw std::runtime_error(path + " is cut short");
  if (head_out) *head_out = head;
  return model;
}

Config parse_config(const std::string& text, int n_vocab) {
  Config c;
  c.n_vocab = n_vocab;
  const std::map<std::string, int*> fields = {{"dim", &c.dim}, {"layers", &c.n_layers}, {"heads", &c.n_heads},
                                              {"kv_heads", &c.n_kv_heads}, {"head_dim", &c.head_dim}, {"ff", &c.n_ff}};
  for (size_t at = 0; at < text.size();) {
    const size_t eq = text.find('=', at), end = std::min(text.find(',', eq), text.size());
    *fields.at(text.substr(at, eq - at)) = std::stoi(text.substr(eq + 1, end - eq - 1));
    at = end + 1;
  }
  return c;
}

// Several threads, each with its own activations and gradients; micro-batches are taken in turn, so a thread that
// the machine slows down takes fewer.
class Workers {
 public:
  Workers(const Model& model, int n_threads) {
    for (int i = 0; i < n_threads; i++) {
      passes_.emplace_back(model.config);
      grads_.emplace_back(model.params.size());
    }
  }
  double run(const Model& model, const std::vector<std::vector<const Example*>>& micro, float scale,
             float text_weight) {
    std::atomic<size_t> next{0};
    std::vector<double> losses(passes_.size(), 0);
    auto work = [&](size_t worker_idx) {
      std::fill(grads_[worker_idx].begin(), grads_[worker_idx].end(), 0.0f);
      for (size_t i; (i = next++) < micro.size();)
        losses[worker_idx] +=
            passes_[worker_idx].loss_and_grad(model, micro[i], scale, text_weight, grads_[worker_idx].data());
    };
    std::vector<std::thread> threads;
    for (size_t i = 1; i < passes_.size(); i++) threads.emplace_back(work, i);
    work(0);
    for (std::thread& t : threads) t.join();
    double loss = losses[0];
    for (size_t i = 1; i < passes_.size(); i++) {
      loss += losses[i];
      for (size_t j = 0; j < grads_[0].size(); j++) grads_[0][j] += grads_[i][j];
    }
    return loss;
  }
  std::vector<float>& grad() { return grads_[0]; }

 private:
  std::vector<Pass> passes_;
  std::vector<std::vector<float>> grads_;
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Warm-up, constant, then linear decay: from --decay-at (a step) over --decay-steps; or, with --end-time (seconds since
// 1970), from the start of this run to that time, which suits a machine shared with others.
float learning_rate(const Args& args, int64_t step, int64_t first_step, double started) {
  const double end_time = number(args, "end-time", 0);
  const double lr = number(args, "lr", 3e-3), warmup = number(args, "warmup", 100);
  const double decay_at = number(args, "decay-at", 1e18), decay_steps = number(args, "decay-steps", 500);
  double scale = std::min(1.0, double(step - first_step + 1) / warmup);
  if (double(step) > decay_at) scale *= std::max(0.02, 1.0 - (double(step) - decay_at) / decay_steps);
  if (end_time > 0) scale *= std::max(0.02, (end_time - seconds_now()) / (end_time - started));
  return float(lr * scale);
}

int train(const Args& args) {
  const Vocab vocab = Vocab::load(arg(args, "vocab"));
  const std::string path = arg(args, "checkpoint"), init = arg(args, "init");
  const int n_threads = int(number(args, "threads", 2)), save_every = int(number(args, "save-every", 100));
  const auto batch_tokens = size_t(number(args, "batch-tokens", 6144)), micro_tokens = size_t(number(args, "micro-tokens", 1024));
  const auto max_len = size_t(number(args, "max-len", 1000));
  const double text_until = number(args, "text-until", 0);  // steps with some loss on the text too
  Checkpoint head;
  Model model(parse_config(arg(args, "config"), int(vocab.pieces.size())));
  Optimizer opt(model);
  ShardStream stream(arg(args, "data"), vocab.id("\",\"surface_tone\":\""));
  if (std::filesystem::exists(path)) {
    Optimizer loaded(model);
    model = load_model(path, &head, &loaded);
    opt = loaded;
    if (args.count("resume-shard")) stream.shard = head.shard;
  } else if (!init.empty()) {
    model = load_model(init);
    opt = Optimizer(model);
  } else {
    model.init_random(uint64_t(number(args, "seed", 1)));
  }
  // The running mean of the weights over the last few hundred steps: much better than the weights themselves while the
  // learning rate is high, so this is what gets exported and measured before the decay.
  const std::string mean_path = path + ".mean";
  const float mean_keep = float(number(args, "mean-keep", 0.995));
  std::vector<float> mean = std::filesystem::exists(mean_path) ? load_model(mean_path).params : model.params;
  head.config = model.config;
  const int64_t first_step = head.n_steps, last_step = int64_t(number(args, "steps", 1e9));
  std::printf("%zu parameters, step %ld\n", model.params.size(), long(first_step));
  OptimizerOptions options;
  options.weight_decay = float(number(args, "weight-decay", 0.05));
  Workers workers(model, n_threads);
  double loss_sum = 0, loss_tokens = 0, norm_sum = 0;
  int64_t tokens_since = 0;
  const double started = seconds_now();
  auto since = std::chrono::steady_clock::now();
  while (head.n_steps < last_step) {
    std::vector<Example> batch;
    size_t n_tokens = 0, n_loss = 0;
    while (n_tokens < batch_tokens) {
      batch.push_back(stream.next(max_len));
      n_tokens += batch.back().tokens.size();
      n_loss += batch.back().tokens.size() - size_t(batch.back().n_prompt);
    }
    std::vector<std::vector<const Example*>> micro(1);
    for (size_t i = 0, in_micro = 0; i < batch.size(); i++) {
      if (in_micro >= micro_tokens) micro.emplace_back(), in_micro = 0;
      micro.back().push_back(&batch[i]);
      in_micro += batch[i].tokens.size();
    }
    const float text_weight = double(head.n_steps) < text_until ? 0.1f : 0.0f;
    loss_sum += workers.run(model, micro, 1.0f / float(n_loss), text_weight);
    loss_tokens += double(n_loss);
    const float lr = learning_rate(args, head.n_steps, first_step, started);
    norm_sum += double(opt.step(model, workers.grad(), options, lr, n_threads));
    for (size_t i = 0; i < mean.size(); i++) mean[i] += (1 - mean_keep) * (model.params[i] - mean[i]);
    head.n_steps++;
    head.n_tokens += int64_t(n_tokens);
    tokens_since += int64_t(n_tokens);
    if (head.n_steps % 20 == 0) {
      const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
      std::printf("step %ld loss %.4f norm %.2f lr %.5f tokens %.2fM speed %.0f/s\n", long(head.n_steps),
                  loss_sum / loss_tokens, norm_sum / 20, double(lr), double(head.n_tokens) / 1e6, double(tokens_since) / s);
      std::fflush(stdout);
      loss_sum = loss_tokens = norm_sum = 0, tokens_since = 0, since = std::chrono::steady_clock::now();
    }
    if (head.n_steps % save_every == 0 || head.n_steps == last_step) {
      std::snprintf(head.shard, sizeof head.shard, "%s", stream.shard.c_str());
      save_checkpoint(path, head, {&model.params, &opt.momentum, &opt.second});
      save_checkpoint(mean_path, head, {&mean});
    }
  }
  return 0;
}

int eval(const Args& args) {
  const Vocab vocab = Vocab::load(arg(args, "vocab"));
  const Model model = load_model(arg(args, "model"));
  const std::vector<Example> examples = read_shard(arg(args, "data"));
  const size_t n = std::min(examples.size(), size_t(number(args, "limit", 1e9)));
  std::vector<std::string> answers(n);
  std::atomic<size_t> next{0};
  auto work = [&] {
    Decoder decoder(model);
    for (size_t i; (i = next++) < n;) {
      const Example& e = examples[i];
      const std::vector<int> prompt(e.tokens.begin(), e.tokens.begin() + e.n_prompt);
      answers[i] = detokenize(vocab, decode_report(decoder, vocab, prompt, model.config.n_ctx - e.n_prompt - 1));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < int(number(args, "threads", 1)); i++) threads.emplace_back(work);
  work();
  for (std::thread& t : threads) t.join();
  std::ofstream out(arg(args, "out"));
  for (const std::string& a : answers) out << a << "\n";
  return 0;
}

int export_gguf(const Args& args) {
  write_gguf(load_model(arg(args, "model")), Vocab::load(arg(args, "vocab")), arg(args, "out"));
  return 0;
}

// The analytic gradient along a random direction against a central difference, per tensor.
int gradcheck() {
  Config c;
  c.n_vocab = 50, c.dim = 32, c.n_layers = 2, c.n_heads = 4, c.n_kv_heads = 2, c.head_dim = 8, c.n_ff = 64;
  Model model(c);
  model.init_random(3);
  std::mt19937 rng(4);
  for (float& p : model.params) p += 0.02f * float(int(rng() % 200) - 100) / 100;
  std::vector<Example> examples(3);
  for (size_t i = 0; i < examples.size(); i++) {
    for (size_t j = 0; j < 70 + 40 * i; j++) examples[i].tokens.push_back(int(rng() % 50));
    examples[i].n_prompt = 30;
  }
  const std::vector<const Example*> batch = {&examples[0], &examples[1], &examples[2]};
  Pass pass(c);
  std::vector<float> grad(model.params.size(), 0), ignored(grad.size());
  pass.loss_and_grad(model, batch, 1, 0, grad.data());
  bool good = true;
  for (const Tensor& t : model.tensors) {
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> direction(t.size());
    double analytic = 0;
    for (size_t i = 0; i < t.size(); i++) {
      direction[i] = normal(rng);
      analytic += double(direction[i]) * grad[t.offset + i];
    }
    auto loss_at = [&](float step) {
      Model moved = model;
      for (size_t i = 0; i < t.size(); i++) moved.params[t.offset + i] += step * direction[i];
      return pass.loss_and_grad(moved, batch, 1, 0, ignored.data());
    };
    const float h = 1e-3f;
    const double numeric = (loss_at(h) - loss_at(-h)) / (2.0 * double(h));
    const bool ok = std::fabs(numeric - analytic) < 0.03 * std::fabs(analytic) + 0.3;
    good = good && ok;
    std::printf("%-24s analytic %10.4f numeric %10.4f %s\n", t.name.c_str(), analytic, numeric, ok ? "ok" : "WRONG");
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  openblas_set_num_threads(1);  // the threads are ours, one micro-batch each
  Args args;
  for (int i = 2; i + 1 < argc; i += 2) args[std::string(argv[i]).substr(2)] = argv[i + 1];
  const std::string command = argc > 1 ? argv[1] : "";
  try {
    if (command == "train") return train(args);
    if (command == "eval") return eval(args);
    if (command == "export") return export_gguf(args);
    if (command == "gradcheck") return gradcheck();
    std::fprintf(stderr, "usage: trainer train|eval|export|gradcheck --option value ...\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "trainer: %s\n", e.what());
  }
  return 1;
}
