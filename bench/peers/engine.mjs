// An engine in a process of its own that answers one line of JSON for each it is given.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class Engine {
  constructor(command, args) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => this.child.on("close", resolve));
    this.child.stdin.on("error", () => {});   // its end is told by the missing answer
  }
  async read() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.child.spawnargs.slice(0, 3).join(" ")} ended with status ${await this.ended}`);
    return JSON.parse(value);
  }
  async ask(what) {
    this.child.stdin.write(JSON.stringify(what) + "\n");
    return await this.read();
  }
  // Tokens a second of one run.
  async run(what) {
    const { seconds, tokens } = await this.ask(what);
    return tokens / seconds;
  }
  async close() {
    this.child.stdin.end();
    await this.ended;
  }
  kill() { this.child.kill("SIGKILL"); }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
