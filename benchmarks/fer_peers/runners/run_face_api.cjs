// The expression network of @vladmandic/face-api, through the package's own function for a face that is
// already cut out (`predictExpressions`), which resizes to 112 × 112.
const path = require("path");
const { SIDE, load, modules, run, start } = require("./one_by_one.cjs");

const CLASSES = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"];

async function main() {
  const tf = load("@tensorflow/tfjs");
  await start(tf);
  const faceapi = load("@vladmandic/face-api/dist/face-api.node-wasm.js");
  const network = faceapi.nets.faceExpressionNet;
  await network.loadFromDisk(path.join(modules, "@vladmandic/face-api/model"));
  const classify = async (image) => {
    const pixels = new Int32Array(3 * image.length).map((_, place) => image[Math.floor(place / 3)]);
    const colour = tf.tensor3d(pixels, [SIDE, SIDE, 3], "int32");
    const said = await network.predictExpressions(colour);
    colour.dispose();
    return CLASSES.map((name) => said[name]);
  };
  await run(classify, CLASSES);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
