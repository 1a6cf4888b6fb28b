// Chat with one model, or with two side by side; each answer with its reward.

import { ask, element, make, send } from "./requests.js";

const SIDES = ["left", "right"];
const said = { left: [], right: [] };

function tell(problem) {
  element("problem").textContent = problem;
  element("problem").hidden = !problem;
}

async function fillModels() {
  const response = await fetch("/v1/models");
  const found = await response.json();
  if (!response.ok) return tell(found.error.message);
  const option = (model) => make("option", { value: model.id, textContent: model.id });
  const of = (kind) => found.data.filter((model) => model.kind === kind).map(option);
  for (const side of SIDES) element(`${side}-model`).append(...of("policy"));
  element("reward").append(...of("reward"));
  element("reward").value = of("reward")[0]?.value ?? "";
  if (!of("policy").length) tell("No policy yet: train one, or upload one with `rlhf models upload`.");
}

function bubble(side, role, text = "") {
  const made = make("div", { className: `said ${role}` }, make("span", { textContent: text }));
  element(`${side}-chat`).append(made);
  return made;
}

async function* pieces(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const found = JSON.parse(data);
      if (found.error) throw new Error(found.error.message);
      yield found.choices[0]?.delta.content ?? "";
    }
  }
}

async function reply(side, text) {
  const model = element(`${side}-model`).value;
  if (!model) return;
  const messages = said[side];
  messages.push({ role: "user", content: text });
  bubble(side, "user", text);
  const shown = bubble(side, "assistant");
  const sampling = { temperature: Number(element("temperature").value), max_tokens: Number(element("tokens").value) };
  let whole = "";
  try {
    const response = await send("/v1/chat/completions", { model, messages, stream: true, ...sampling });
    for await (const piece of pieces(response)) {
      whole += piece;
      shown.firstChild.textContent = whole;
      element(`${side}-chat`).scrollTop = element(`${side}-chat`).scrollHeight;
    }
    messages.push({ role: "assistant", content: whole });
    await showReward(shown, messages);
  } catch (error) {
    messages.length -= messages.at(-1).role === "user" ? 1 : 0;
    shown.remove();
    tell(error.message);
  }
}

async function showReward(shown, messages) {
  const model = element("reward").value;
  if (!model) return;
  const found = await ask("/classify", { model, messages, use_activation: false });
  const { normalized } = found.data[0];
  shown.append(make("span", { className: "reward", textContent: `reward ${normalized >= 0 ? "+" : ""}${normalized.toFixed(2)}` }));
}

element("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = element("message").value.trim();
  if (!text) return;
  tell("");
  element("message").value = "";
  const button = event.target.querySelector("button");
  button.disabled = true;
  await Promise.all(SIDES.map((side) => reply(side, text)));
  button.disabled = false;
  element("message").focus();
});
element("message").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    element("ask").requestSubmit();
  }
});
element("clear").onclick = () => {
  for (const side of SIDES) {
    said[side].length = 0;
    element(`${side}-chat`).replaceChildren();
  }
  tell("");
};
fillModels().catch(() => tell("The gateway cannot be reached."));
