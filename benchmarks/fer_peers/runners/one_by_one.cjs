// As one_by_one.py, for runners in JavaScript: node RUNNER ENVIRONMENT IMAGES OUT.
const fs = require("fs");
const path = require("path");

const SIDE = 48;
const WARM = 20;
const [environment, images, out] = process.argv.slice(2);
const modules = path.join(path.resolve(environment), "node_modules");

/** A package of the peer's environment, not of the runner's folder. */
const load = (name) => require(require.resolve(name, { paths: [modules] }));

/** TensorFlow.js on one thread of WebAssembly, its binaries from the environment. */
async function start(tf) {
  const wasm = load("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(path.join(modules, "@tensorflow/tfjs-backend-wasm/dist") + path.sep);
  wasm.setThreadsCount(1);
  if (!(await tf.setBackend("wasm"))) throw new Error("the wasm backend does not start");
  await tf.ready();
}

/** classify: Uint8Array of 48 × 48 → promise of the probabilities, in the order of `classes`. */
async function run(classify, classes) {
  const bytes = new Uint8Array(fs.readFileSync(images));
  const size = SIDE * SIDE;
  const image = (number) => bytes.subarray(number * size, (number + 1) * size);
  const count = bytes.length / size;
  for (let number = 0; number < Math.min(WARM, count); number++) await classify(image(number));
  const said = { classes, probabilities: [], cpu_ms: [] };
  for (let number = 0; number < count; number++) {
    const began = process.cpuUsage();
    const probabilities = Array.from(await classify(image(number)));
    const { user, system } = process.cpuUsage(began);
    said.cpu_ms.push((user + system) / 1e3);
    said.probabilities.push(probabilities);
  }
  fs.writeFileSync(out, JSON.stringify(said));
}

module.exports = { SIDE, load, modules, run, start };
