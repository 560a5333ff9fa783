#pragma once

#include "base/result.h"
#include "gguf/gguf.h"

namespace da::gguf {

// Models as Ollama's own converter wrote them differ from the published form: other names for some architectures, keys
// and tensors, and values left out that its engine had built in. Brings such a file to the published form once it is
// opened, so that nobody above has to know both (docs/model-files.md lists what is done). Files in the published form
// are left as they are. Errors: kUnsupported where the two differ in more than names.
Status adopt_dialect(File& file);

}  // namespace da::gguf
