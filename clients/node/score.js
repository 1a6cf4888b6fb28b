// Scores answers to a prompt with the reward service, straight from protos/: no generated code.
//
//   RLHF_TOKEN=... node score.js [--model reward/default] [--seconds 10] "PROMPT" "ANSWER" ["ANSWER" ...]
//
// One line of JSON for each answer, best first. RLHF_REWARD is the address, 127.0.0.1:50052 by default; RLHF_CA is the
// file of the authority that signed the service's certificate, where it has one.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as grpc from "@grpc/grpc-js";
import * as protoLoader from "@grpc/proto-loader";

const PROTOS = fileURLToPath(new URL("../../protos", import.meta.url));
const FORM = { includeDirs: [PROTOS], keepCase: true, enums: String, defaults: true, oneofs: true };
const { RewardService } = grpc.loadPackageDefinition(protoLoader.loadSync("rlhf/v1/reward.proto", FORM)).rlhf.v1;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/;

// A client of the service at `address`. Throws where the token would travel in plaintext to another machine.
export function connect(address, { token = "", ca = null } = {}) {
  if (token && !ca && !LOOPBACK.test(address))
    throw new Error(`address: got ${address}, expected loopback; a token goes elsewhere over TLS alone: set RLHF_CA`);
  const channel = ca ? grpc.credentials.createSsl(ca) : grpc.credentials.createInsecure();
  const metadata = new grpc.Metadata();
  if (token) metadata.set("authorization", `Bearer ${token}`);
  return { stub: new RewardService(address, channel), metadata };
}

// The answers with their scores, best first; one that could not be scored comes last, with `error`.
// The promise fails with the gRPC status: `code` and `details`. Nobody waits longer than `seconds`.
export function rank({ stub, metadata }, prompt, answers, { model = "reward/default", seconds = 10 } = {}) {
  const request = { models: [model], prompt: { text: prompt }, responses: answers.map((text) => ({ text })) };
  const deadline = Date.now() + seconds * 1000;
  return new Promise((resolve, reject) => {
    stub.Rank(request, metadata, { deadline }, (error, found) =>
      error ? reject(error) : resolve(found.ranked.map(({ index, score }) => ({ answer: answers[index], ...plain(score) }))),
    );
  });
}

// A failed score is a status, and never a zero.
function plain({ status, error, raw, normalized, model_versions: [version] }) {
  if (status !== "SCORE_STATUS_OK") return { error };
  return { reward: normalized, raw, model: `${version.model}@${version.version}` };
}

async function main() {
  const options = { model: { type: "string" }, seconds: { type: "string" } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [prompt, ...answers] = positionals;
  const seconds = Number(values.seconds ?? 10);
  if (!answers.length) throw new Error('answers: got none, expected node score.js "PROMPT" "ANSWER" ["ANSWER" ...]');
  if (!(seconds > 0)) throw new Error(`--seconds: got ${values.seconds}, expected a number above 0`);
  const { RLHF_REWARD = "127.0.0.1:50052", RLHF_TOKEN, RLHF_CA } = process.env;
  const client = connect(RLHF_REWARD, { token: RLHF_TOKEN, ca: RLHF_CA ? readFileSync(RLHF_CA) : null });
  try {
    const ranked = await rank(client, prompt, answers, { model: values.model, seconds });
    for (const found of ranked) console.log(JSON.stringify(found));
  } finally {
    client.stub.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  main().catch((error) => {
    console.error(`error: ${error.code in grpc.status ? `${grpc.status[error.code]}: ${error.details}` : error.message}`);
    process.exitCode = 1;
  });
