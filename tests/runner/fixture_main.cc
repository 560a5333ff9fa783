// A runner without weights: `runner_fixture runner` behaves as `deepanalyze runner` does, with an engine that repeats
// its prompt. The model file's first bytes say how: "slow" waits between tokens, "crash" dies while loading, "refuse"
// fails to load, "garbage" breaks the protocol.
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "runner/fake_model.h"
#include "runner/serve.h"

int main(int argc, char** argv) {
  using namespace da;
  return runner::serve(argc, argv, [](const runner::LoadRequest& request, const runner::LoadProgress& progress) -> Result<runner::LoadedModel> {
    std::string mode(64, '\0');
    mode.resize(static_cast<size_t>(std::max<ssize_t>(pread(request.model_fd, mode.data(), mode.size(), 0), 0)));
    progress(0, 100);
    if (mode.starts_with("crash")) std::abort();
    while (mode.starts_with("hang")) sleep(1);
    if (mode.starts_with("refuse")) return {ErrorCode::kCorruptData, "the model file is bad"};
    if (mode.starts_with("garbage")) {
      (void)!write(3, "\xFF\xFF\xFF\xFF not a frame", 16);
      while (true) sleep(1);
    }
    progress(100, 100);
    runner::LoadedModel model;
    model.tokenizer = std::make_shared<test::ByteTokenizer>();
    const int32_t context_tokens = request.options.num_ctx > 0 ? request.options.num_ctx : 2048;
    model.engine = std::make_unique<test::EchoEngine>(context_tokens, std::chrono::milliseconds(mode.starts_with("slow") ? 20 : 0));
    model.render = test::render_chatml;
    model.protocol = "compact-1";
    return model;
  });
}
