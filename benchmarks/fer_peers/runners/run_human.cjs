// The emotion model of @vladmandic/human, prepared as its src/gear/emotion.ts does. It is called directly,
// because the library's own result leaves out what is below 0.1 and cuts the rest to two decimals.
const fs = require("fs");
const path = require("path");
const { SIDE, load, modules, run, start } = require("./one_by_one.cjs");

const CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
const GREY = [0.2989, 0.587, 0.114]; // sums to 0.9999

async function main() {
  const tf = load("@tensorflow/tfjs-core");
  const { loadGraphModel } = load("@tensorflow/tfjs-converter");
  await start(tf);
  const folder = path.join(modules, "@vladmandic/human/models");
  const model = JSON.parse(fs.readFileSync(path.join(folder, "emotion.json")));
  const bytes = fs.readFileSync(path.join(folder, "emotion.bin"));
  const network = await loadGraphModel({
    load: async () => ({
      modelTopology: model.modelTopology,
      userDefinedMetadata: model.userDefinedMetadata,
      weightSpecs: model.weightsManifest.flatMap((each) => each.weights),
      weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
    }),
  });
  const input = network.inputs[0].shape[2];
  const classify = async (image) => {
    const said = tf.tidy(() => {
      const grey = tf.tensor(Float32Array.from(image, (value) => value / 255), [1, SIDE, SIDE, 1]);
      const resized = tf.image.resizeBilinear(tf.tile(grey, [1, 1, 1, 3]), [input, input], false);
      const weighed = tf.sum(tf.mul(resized, tf.tensor1d(GREY)), 3, true);
      return network.execute(tf.mul(tf.sub(weighed, 0.5), 2));
    });
    const probabilities = await said.data();
    said.dispose();
    return probabilities;
  };
  await run(classify, CLASSES);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
