// What is measured: models, tests, and what each ratio should be (floor: must hold; aim: where we are going).
// `trial`: with models of two megabytes, to see that everything works.
export function models(quick, trial) {
  const k1b = trial ? "tiny" : "llama3.2-1b", k8b = trial ? "tiny" : "llama3-8b";
  const deep = trial ? 512 : quick ? 2048 : 16384;
  return [
    { model: `${k1b}:Q4_K_M`, context: deep + 1024, streams: 8, loads: quick ? 3 : 5, tests: [
      { test: "prompt", tokens: 512, floor: 3.4, aim: 4.3 },
      { test: "generate", tokens: 64, share: true },
      { test: "generate", tokens: 48, streams: 8, over: 1, floor: 4.5, aim: 6.5 },
      { test: "generate", tokens: 32, depth: deep, floor: 1.5, aim: 2.5 },
    ] },
    { model: `${k1b}:Q8_0`, tests: [{ test: "prompt", tokens: 512, floor: 3.0, aim: 4.0 }, { test: "generate", tokens: 48, share: true }] },
    { model: `${k1b}:Q4_0`, tests: [{ test: "prompt", tokens: 512, floor: 2.0, aim: 2.7 }, { test: "generate", tokens: 64, share: true }] },
    { model: `${k1b}:F16`, tests: [{ test: "prompt", tokens: 512, floor: 1.3, aim: 2.0 }, { test: "generate", tokens: 32, share: true }] },
    { model: `${k8b}:Q4_K_M`, loads: quick ? 3 : 5, rounds: quick ? 1 : 2, tests: [
      { test: "prompt", tokens: 256, floor: 3.0, aim: 4.0 },
      ...(quick ? [] : [{ test: "prompt", tokens: 512, floor: 3.0, aim: 4.0 }]),
      { test: "generate", tokens: 24, share: true },
    ] },
  ];
}
export const kShare = { floor: 0.93, aim: 0.98 };   // of the measured read bandwidth, one stream
export const kLoad = { floor: 2.0, aim: 1.1 };      // load time over reading time: the lower the better
export const kSpeculation = { floor: 1.4, aim: 2.5 };

export function nameOf({ test, tokens, depth = 0, streams = 1 }) {
  return `${streams > 1 ? `${streams} streams, ` : ""}${test === "prompt" ? "prompt" : "decode"} ${tokens}${depth ? ` at depth ${depth}` : ""}`;
}
